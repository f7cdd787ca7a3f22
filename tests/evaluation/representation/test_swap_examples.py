"""Examples of swaps: which clips are chosen, what is decoded of them, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.representation.swap_examples import (
    describe_change,
    draw_examples,
    name_examples,
    plan_examples,
    read_examples,
    shown_swaps,
)
from disentangled_audio.evaluation.representation.swap_plan import DONOR, INPUT, RECOMBINED
from disentangled_audio.evaluation.representation.swaps import REBUILT
from tests.evaluation.representation.constructed_codes import balanced_factors

pytestmark = pytest.mark.filterwarnings("error")

CARRIED_BY = {"content": "content", "rhythm": "rhythm", "pitch": "pitch"}
CODES = ["content", "rhythm", "pitch", "timbre"]


def plan_of(attributes, carried_by=CARRIED_BY, n_examples=4, seed=0, codes=CODES):
    return plan_examples(
        attributes, carried_by, codes, n_examples=n_examples, rng=np.random.default_rng(seed)
    )


@pytest.fixture(scope="module")
def factors() -> pd.DataFrame:
    return balanced_factors(n_takes=4)


def clips_of(example: pd.DataFrame) -> list[int]:
    return list(example.loc[example["shown"].isin([INPUT, DONOR]), "from_content"])


def test_clips_of_an_example_differ_in_every_attribute(factors):
    plan, reason = plan_of(factors, n_examples=20)
    assert reason == ""
    assert plan["example"].nunique() == 20
    for _, example in plan.groupby("example"):
        # Three codes: an input and two donors, which only three levels allow.
        clips = factors.iloc[clips_of(example)]
        assert len(clips) == 3
        assert (clips.nunique() == 3).all()


def test_inputs_are_spread_over_the_classes_of_every_attribute(factors):
    # One class has most of the clips.
    many = pd.concat([factors, *[factors[factors["content"] == "content0"]] * 20])
    plan, _ = plan_of(many.reset_index(drop=True), n_examples=9)
    inputs = many.iloc[plan.loc[plan["shown"] == INPUT, "from_content"]]
    for name in inputs:
        assert sorted(inputs[name].value_counts()) == [3, 3, 3]


def test_each_code_is_swapped_alone_and_all_are_recombined(factors):
    plan, _ = plan_of(factors, n_examples=1)
    assert list(plan["shown"]) == [INPUT, DONOR, DONOR, REBUILT, *["swapped"] * 3, RECOMBINED]
    own, first, second = clips_of(plan)
    columns = [f"from_{code}" for code in CODES]
    rebuilt, content, rhythm, pitch, recombined = plan[columns].to_numpy()[3:].tolist()
    assert rebuilt == [own, own, own, own]
    assert content == [first, own, own, own]
    assert rhythm == [own, first, own, own]
    assert pitch == [own, own, second, own]
    assert recombined == [own, first, second, own]
    assert list(plan["swap"].iloc[4:]) == ["content", "rhythm", "pitch", ""]


def test_the_seed_decides(factors):
    pd.testing.assert_frame_equal(plan_of(factors)[0], plan_of(factors)[0])
    assert not plan_of(factors)[0].equals(plan_of(factors, seed=1)[0])


def test_two_classes_allow_one_donor_and_no_recombined_result(factors):
    two = factors.assign(pitch=np.where(factors["pitch"] == "pitch0", "low", "high"))
    plan, reason = plan_of(two)
    assert reason == ""
    assert set(plan["shown"]) == {INPUT, DONOR, REBUILT, "swapped"}
    assert all(len(clips_of(example)) == 2 for _, example in plan.groupby("example"))
    assert set(plan["swap"]) == {"", "content", "rhythm", "pitch"}


def test_an_attribute_that_does_not_vary_is_not_swapped(factors):
    plan, reason = plan_of(factors.assign(pitch=None))
    assert reason == ""
    assert set(plan["swap"]) == {"", "content", "rhythm"}
    # Content of the input and rhythm of the donor: that is there already.
    assert RECOMBINED not in set(plan["shown"])


def test_clips_that_lack_an_attribute_are_not_drawn(factors):
    gaps = factors.copy()
    gaps.loc[gaps.index % 2 == 0, "pitch"] = None
    plan, _ = plan_of(gaps, n_examples=30)
    drawn = plan[[f"from_{code}" for code in CODES]].to_numpy(dtype=int)
    assert plan["example"].nunique() == 30
    assert (drawn % 2 == 1).all()


def test_no_more_examples_than_clips():
    plan, _ = plan_of(pd.DataFrame({"content": ["a", "b", None]}), {"content": "content"})
    assert plan["example"].nunique() == 2


@pytest.mark.parametrize(
    ("attributes", "carried_by", "reason"),
    [
        (
            {"content": ["a"] * 3, "pitch": [None] * 3},
            {"content": "content", "pitch": "pitch"},
            "none of these varies among the test clips: content, pitch",
        ),
        (
            {"content": ["a", "a", "b"], "rhythm": ["x", "y", "x"], "pitch": ["l", "h", "h"]},
            CARRIED_BY,
            "no two test clips differ in all of: content, rhythm, pitch",
        ),
        ({"content": ["a", "b"]}, {}, "the model has no code that should carry an attribute"),
    ],
)
def test_without_examples_a_reason_is_given(attributes, carried_by, reason):
    plan, told = plan_of(pd.DataFrame(attributes), carried_by)
    assert told == reason
    assert plan.empty
    assert list(plan)[:4] == ["example", "shown", "swap", "from_content"]
    spectra = draw_examples(plan, {"content": np.zeros((3, 2))}, np.zeros((3, 5, 4)), decode=None)
    assert spectra.shape == (0, 5, 4)
    named = name_examples(plan, ["a", "b", "c"], pd.DataFrame(attributes), carried_by)
    assert named.empty
    assert shown_swaps(named) == []


def test_real_clips_are_shown_as_they_are_and_results_are_decoded_from_their_codes(factors):
    n_items = len(factors)
    codes = {name: np.full((n_items, 1), 10.0**place) for place, name in enumerate(CODES)}
    codes = {name: code * np.arange(n_items)[:, np.newaxis] for name, code in codes.items()}
    log_mel = -np.arange(n_items, dtype=float)[:, np.newaxis, np.newaxis] * np.ones((1, 5, 4))

    def decode(codes):
        return sum(codes.values())[:, :, np.newaxis] * np.ones((1, 5, 4))

    plan, _ = plan_of(factors)
    spectra = draw_examples(plan, codes, log_mel, decode)
    assert spectra.shape == (len(plan), 5, 4)
    assert spectra.dtype == np.float32
    for values, (_, row) in zip(spectra, plan.iterrows(), strict=True):
        sources = [row[f"from_{code}"] for code in CODES]
        decoded = sum(10.0**place * source for place, source in enumerate(sources))
        wanted = -sources[0] if row["shown"] in (INPUT, DONOR) else decoded
        np.testing.assert_allclose(values, wanted, rtol=1e-6)


def test_the_table_names_recordings_and_what_results_should_be(factors):
    plan, _ = plan_of(factors)
    names = [f"clip{number}.wav" for number in range(len(factors))]
    table = name_examples(plan, names, factors, CARRIED_BY)
    of_name = factors.set_axis(names)
    for _, row in table.iterrows():
        for attribute, code in CARRIED_BY.items():
            expected = of_name.loc[row[f"from_{code}"], attribute]
            assert row[f"attribute_{attribute}"] == expected


@pytest.mark.parametrize("n_examples", [1, 3, 6])
def test_every_swap_and_every_example_is_shown_once_or_more(factors, n_examples):
    plan, _ = plan_of(factors, n_examples=n_examples)
    table = name_examples(plan, [f"{n}.wav" for n in range(len(factors))], factors, CARRIED_BY)
    shown = shown_swaps(table)
    names = [name for name, _ in shown]
    assert list(dict.fromkeys(names)) == [
        *(f"{code} swapped" for code in CARRIED_BY),
        RECOMBINED,
    ]
    assert len(shown) == max(4, n_examples)
    rows = [row for _, panels in shown for row in panels.values()]
    assert set(table["example"].iloc[rows]) == set(range(n_examples))


def test_captions_of_a_swap(factors):
    plan, _ = plan_of(factors, n_examples=1)
    table = name_examples(plan, [f"{n}.wav" for n in range(len(factors))], factors, CARRIED_BY)
    shown = dict(shown_swaps(table))
    titles = [text.splitlines()[0] for text in shown["pitch swapped"]]
    assert titles == ["input", "rebuilt: should be", "donor of pitch", "result: should be"]
    own, _, second = (table.iloc[row] for row in (0, 1, 2))
    result = list(shown["pitch swapped"])[-1].splitlines()[1]
    assert result.replace("\N{NO-BREAK SPACE}", " ") == (
        f"content {own['attribute_content']}, rhythm {own['attribute_rhythm']}, "
        f"pitch {second['attribute_pitch']}"
    )
    change = f"{own['attribute_pitch']} ← {second['attribute_pitch']}"
    assert describe_change(table, shown["pitch swapped"]) == change
    assert describe_change(table, shown[RECOMBINED]).endswith(f", {change}")
    titles = [text.splitlines()[0] for text in shown[RECOMBINED]]
    assert titles[2:4] == ["donor of rhythm", "donor of pitch"]
    assert list(shown[RECOMBINED].values()) == [0, 3, 1, 2, 7]


class _Reader:
    """Names a spectrogram by its first value."""

    def __init__(self, names):
        self._names = names

    def predict(self, spectra):
        return np.array([self._names[int(value)] for value in spectra[:, 0, 0]], dtype=object)


def test_captions_show_the_read_classes_below_the_expected_ones(factors):
    plan, _ = plan_of(factors, n_examples=1)
    table = name_examples(plan, [f"{n}.wav" for n in range(len(factors))], factors, CARRIED_BY)
    spectra = np.arange(len(table), dtype=float)[:, np.newaxis, np.newaxis] % 3 * np.ones((1, 2, 2))
    readers = {
        "content": _Reader(["yes", "no", "no"]),
        "pitch": _Reader(["0.0", "1.0", "2.0"]),
    }
    read = read_examples(table, spectra, readers, ["pitch"])
    assert list(read["read_content"][:3]) == ["yes", "no", "no"]
    assert list(read["read_pitch"][:3]) == ["low", "middle", "high"]
    lines = [text.replace("\N{NO-BREAK SPACE}", " ").splitlines() for text in _texts(read)]
    rows = list(dict(shown_swaps(read))["pitch swapped"].values())
    for own, row in zip(lines, rows, strict=True):
        assert (
            own[2]
            == f"read as content {['yes', 'no', 'no'][row % 3]}, pitch "
            + (["low", "middle", "high"][row % 3])
        )
    # What it should be is told as without readers.
    assert [own[:2] for own in lines] == [
        text.replace("\N{NO-BREAK SPACE}", " ").splitlines() for text in _texts(table)
    ]


def _texts(table):
    return list(dict(shown_swaps(table))["pitch swapped"])


def test_reading_without_examples_gives_an_empty_table(factors):
    plan, _ = plan_of(pd.DataFrame({"content": ["a", "a"]}), {"content": "content"})
    table = name_examples(plan, ["a", "b"], pd.DataFrame({"content": ["a", "a"]}), {})
    read = read_examples(table, np.zeros((0, 5, 4)), {"content": _Reader([])}, [])
    assert read.empty
    assert list(read)[-1] == "read_content"
