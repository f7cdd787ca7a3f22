"""The swap test on a decoder whose behaviour is known."""

import json

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.representation.over_folds import swaps_over_folds
from disentangled_audio.evaluation.representation.readers import fit_readers, outline
from disentangled_audio.evaluation.representation.swap_plan import (
    DONOR,
    INPUT,
    RECOMBINED,
    Swap,
    plan_swaps,
)
from disentangled_audio.evaluation.representation.swaps import (
    ORIGINAL,
    REBUILT,
    swap_shares,
    swap_summary,
    swap_test,
)
from tests.evaluation.representation.constructed_codes import balanced_factors

pytestmark = pytest.mark.filterwarnings("error")

CARRIED_BY = {"content": "content", "rhythm": "rhythm", "pitch": "pitch"}
N_FRAMES, N_MELS = 20, 12


def draw(codes: dict) -> np.ndarray:
    """Spectrograms: content is the band that sounds, rhythm when, pitch how broad the band is."""
    content, rhythm, pitch = (codes[name][:, 0] for name in CARRIED_BY)
    bands = np.arange(N_MELS) - (2 + 4 * content)[:, np.newaxis]
    spectrum = np.exp(-0.5 * (bands / (0.6 + 0.6 * pitch)[:, np.newaxis]) ** 2)
    frames = np.arange(N_FRAMES)
    gates = np.stack([frames < 18, (frames // 3) % 2 == 0, frames < 9]).astype(float)
    return gates[rhythm.astype(int)][:, :, np.newaxis] * spectrum[:, np.newaxis, :]


@pytest.fixture(scope="module")
def factors() -> pd.DataFrame:
    return balanced_factors(n_takes=8)


def levels_as_codes(factors: pd.DataFrame) -> dict:
    # A missing level is drawn as the first.
    return {
        name: np.maximum(pd.factorize(factors[name], sort=True)[0], 0)[:, np.newaxis]
        for name in factors
    }


def run(factors, decode, **options):
    codes = levels_as_codes(factors)
    rng = np.random.default_rng(0)
    noisy = draw(codes) + 0.02 * rng.standard_normal((len(factors), N_FRAMES, N_MELS))
    options = {
        "readers": fit_readers(noisy, factors),
        "group": np.zeros(len(factors)),
        "n_results": 150,
        "n_resamples": 200,
    } | options
    return swap_test(codes, noisy, factors, CARRIED_BY, decode, **options)


def share(table, swap, attribute, clip):
    chosen = table[
        (table["swap"] == swap) & (table["attribute"] == attribute) & (table["clip"] == clip)
    ]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_a_perfect_decoder_moves_what_is_swapped_and_nothing_else(factors):
    table = run(factors, draw)
    for code in CARRIED_BY:
        for attribute in CARRIED_BY:
            expected, other = (DONOR, INPUT) if code == attribute else (INPUT, DONOR)
            found = share(table, code, attribute, expected)
            assert found["expected"]
            assert found["share"] > 0.98
            assert found["low"] <= found["share"] <= found["high"]
            assert share(table, code, attribute, other)["share"] < 0.02
        assert share(table, RECOMBINED, code, code)["share"] > 0.98
        assert share(table, ORIGINAL, code, INPUT)["share"] > 0.98
        assert share(table, REBUILT, code, INPUT)["share"] > 0.98
    summary = swap_summary(table)
    assert min(summary["moved"], summary["stayed"], summary["recombined"]) > 0.98
    assert summary["by_code"]["rhythm"]["moved"] > 0.98
    json.dumps(summary, allow_nan=False)


def test_a_decoder_that_ignores_a_code_does_not_move_it(factors):
    def deaf(codes):
        return draw(codes | {"pitch": np.zeros_like(codes["pitch"])})

    summary = swap_summary(run(factors, deaf))
    # It draws the first of three levels whatever the donor's, which is that in a third.
    assert summary["by_code"]["pitch"]["moved"] == pytest.approx(1 / 3, abs=0.12)
    assert summary["by_code"]["content"]["moved"] > 0.98
    assert summary["rebuilt"] < 0.9


def test_an_entangled_code_takes_other_attributes_with_it(factors):
    def entangled(codes):
        return draw(codes | {"pitch": codes["content"]})

    table = run(factors, entangled)
    # Where content is swapped, pitch does not stay with the input.
    assert share(table, "content", "content", DONOR)["share"] > 0.98
    assert share(table, "content", "pitch", INPUT)["share"] < 0.6
    assert swap_summary(table)["by_code"]["content"]["stayed"] < 0.85


def test_donors_differ_in_every_attribute(factors):
    swaps = plan_swaps(factors, CARRIED_BY, CARRIED_BY, n_results=100, rng=np.random.default_rng(0))
    assert [swap.name for swap in swaps] == [*CARRIED_BY, RECOMBINED]
    for swap in swaps:
        rows = list(swap.clips.values())
        assert len(rows[0]) == 100
        for first, second in zip(rows, rows[1:] + rows[:1], strict=True):
            if first is not second:
                differs = factors.to_numpy()[first] != factors.to_numpy()[second]
                assert differs.all()


def test_codes_that_carry_nothing_stay_with_the_input(factors):
    codes = {**CARRIED_BY, "timbre": "timbre"}
    swaps = plan_swaps(factors, CARRIED_BY, codes, n_results=10, rng=np.random.default_rng(0))
    assert [swap.role_of_code["timbre"] for swap in swaps] == [INPUT, INPUT, INPUT, "content"]
    values = {name: np.arange(len(factors)) for name in codes}
    taken = swaps[1].take(values)
    np.testing.assert_array_equal(taken["rhythm"], swaps[1].clips[DONOR])
    np.testing.assert_array_equal(taken["timbre"], swaps[1].clips[INPUT])


def test_shares_by_hand():
    attributes = pd.DataFrame({"content": ["a", "b", None], "rhythm": ["x", "y", "x"]})
    swap = Swap(
        "content",
        {INPUT: np.array([0, 0, 0, 1]), DONOR: np.array([1, 1, 2, 0])},
        {"content": DONOR, "rhythm": INPUT},
    )
    read = {"content": np.array(["b", "a", "a", "a"])}
    shares = {
        row["clip"]: row for row in swap_shares(swap, read, attributes, {"content": "content"})
    }
    # Of the three donors that have a content, two were followed.
    assert (shares[DONOR]["share"], shares[DONOR]["n_items"]) == (pytest.approx(2 / 3), 3)
    assert (shares[INPUT]["share"], shares[INPUT]["n_items"]) == (0.5, 4)
    assert shares[DONOR]["expected"]
    assert not shares[INPUT]["expected"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.assign(pitch="same"), "one class"),
        (lambda table: table.assign(pitch=None), "no clip has the attribute"),
    ],
)
def test_attributes_that_cannot_be_swapped_have_a_reason(factors, change, reason):
    table = run(change(factors), draw)
    untested = table[table["reason"] != ""]
    assert reason in set(untested["reason"])
    assert untested["share"].isna().all()
    json.dumps(swap_summary(table), allow_nan=False)


def test_clips_that_share_an_attribute_are_not_donors(factors):
    # Who differs from a clip in content shares its rhythm or its pitch.
    crossed = pd.DataFrame(
        {"content": ["a", "a", "b"], "rhythm": ["x", "y", "x"], "pitch": ["l", "h", "h"]}
    )
    rng = np.random.default_rng(0)
    assert plan_swaps(crossed, CARRIED_BY, CARRIED_BY, n_results=5, rng=rng) == []
    every = pd.concat([crossed] * 20, ignore_index=True)
    readers = fit_readers(draw(levels_as_codes(factors)), factors)
    table = run(every, draw, readers=readers)
    untested = table[table["share"].isna()]
    assert set(untested["swap"]) == set(CARRIED_BY)
    assert set(untested["reason"]) == {"no two clips differ in every attribute"}


def test_outline_does_not_care_when_a_clip_sounds():
    rng = np.random.default_rng(0)
    sound = rng.uniform(0.6, 1.0, (1, 8, N_MELS))
    early, late = np.zeros((2, 1, N_FRAMES, N_MELS))
    early[:, 1:9], late[:, 11:19] = sound, sound
    first, second = outline(early), outline(late)
    assert first.shape == (1, N_FRAMES + 5 * N_MELS)
    np.testing.assert_allclose(first[:, N_FRAMES:], second[:, N_FRAMES:], atol=1e-3)
    assert np.abs(first - second)[:, :N_FRAMES].max() > 0.5
    assert np.isfinite(outline(np.zeros((1, N_FRAMES, N_MELS)))).all()


def test_readers_of_silence_still_answer(factors):
    readers = fit_readers(draw(levels_as_codes(factors)), factors.assign(kind="one"))
    assert set(readers) == set(CARRIED_BY)
    assert readers["pitch"].predict(np.zeros((2, N_FRAMES, N_MELS))).shape == (2,)


def test_mean_over_folds(factors):
    # In the second fold the decoder hears content alone, and the third has one pitch.
    table = run(factors, draw)
    deaf = run(factors, lambda codes: draw({**codes, "pitch": 0 * codes["pitch"]}))
    single = run(factors.assign(pitch="pitch0"), draw)
    found = swaps_over_folds([table, deaf.replace({"reason": {"": np.nan}}), single])

    asked = "swap == 'pitch' and attribute == 'pitch' and clip == 'donor'"
    shares = [part.query(asked)["share"].item() for part in (table, deaf)]
    row = found.query(asked).iloc[0]
    assert shares[0] > 0.9
    assert shares[1] < 0.5
    assert row["share"] == pytest.approx(np.mean(shares))
    assert (row["low"], row["high"]) == pytest.approx((min(shares), max(shares)))
    assert (row["n_folds"], row["reason"]) == (2, "not in 1 of 3 folds: one class")
    assert not found.duplicated(["swap", "attribute", "clip", "expected"]).any()
