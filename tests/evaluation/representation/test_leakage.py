"""The leakage matrix against codes and factors whose dependence is made."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disentangled_audio.evaluation.representation.leakage import leakage_matrix
from disentangled_audio.evaluation.representation.over_folds import mean_over_folds
from disentangled_audio.evaluation.representation.questions import (
    MARGINAL,
    WITHIN_BOTH,
    WITHIN_TARGET,
)
from disentangled_audio.evaluation.representation.thirds import terciles_within, thirds_of_training
from tests.evaluation.representation import constructed_codes as made

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def factors() -> pd.DataFrame:
    return made.balanced_factors()


def matrix(codes, factors, *, target=None, group=None, **options):
    """Rows are their own groups, unless given."""
    target = factors[factors.columns[0]] if target is None else target
    group = np.arange(len(factors)) if group is None else group
    options = {"conditions": [MARGINAL], "n_resamples": 200} | options
    return leakage_matrix(codes, factors, target=target, group=group, **options)


def cell(table, code, factor, condition=MARGINAL, control=""):
    names = ("code", "factor", "condition", "control")
    chosen = pd.Series(True, index=table.index)
    for name, value in zip(names, (code, factor, condition, control), strict=True):
        chosen &= table[name] == value
    assert chosen.sum() == 1
    return table[chosen].iloc[0]


def confounded(n_groups=6, n_classes=4, n_takes=20, seed=0):
    """A number that target and group decide, up to something of its own."""
    rng = np.random.default_rng(seed)
    target, group, _ = (
        part.ravel()
        for part in np.meshgrid(range(n_classes), range(n_groups), range(n_takes), indexing="ij")
    )
    own = rng.standard_normal(len(target))
    return target, group, own, 5.0 * target + 3.0 * group + own, rng


def test_perfect_codes_predict_only_their_factor(factors):
    table = matrix(made.perfect(factors), factors)
    assert set(table["chance"].round(6)) == {round(1 / 3, 6)}
    for code in made.FACTORS:
        for factor in made.FACTORS:
            found = cell(table, code, factor)
            assert found["low"] <= found["score"] <= found["high"]
            if code == factor:
                assert found["score"] > 0.97
            else:
                assert found["score"] == pytest.approx(1 / 3, abs=0.12)


def test_entangled_codes_predict_every_factor(factors):
    table = matrix(made.entangled(factors), factors)
    assert (table.loc[table["control"] == "", "score"] > 0.95).all()


def test_noise_is_at_chance_and_its_interval_holds_it(factors):
    table = matrix(made.noise(factors, n_dims=12), factors)
    probes = table[table["control"] == ""]
    assert probes["score"].mean() == pytest.approx(1 / 3, abs=0.04)
    assert ((probes["low"] <= 1 / 3) & (probes["high"] >= 1 / 3)).mean() > 0.7


@pytest.mark.parametrize("hide", ["circle", "middle"])
def test_non_linear_information_is_found(hide):
    rng = np.random.default_rng(0)
    inner = rng.random(300) < 0.5
    if hide == "circle":
        angle = rng.uniform(0, 2 * np.pi, 300)
        radius = np.where(inner, 1.0, 2.0) + 0.1 * rng.standard_normal(300)
        code = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    else:
        side = rng.choice([-2.0, 2.0], 300)
        code = (np.where(inner, 0.0, side) + 0.3 * rng.standard_normal(300))[:, np.newaxis]
    table = matrix({"code": code}, pd.DataFrame({"inner": inner.astype(str)}))
    assert cell(table, "code", "inner")["score"] > 0.95


def test_a_weak_direction_among_strong_noise_is_found():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    code = np.hstack([10.0 * rng.standard_normal((400, 20)), 0.05 * rng.standard_normal((400, 1))])
    code[:, -1] += 0.2 * label
    table = matrix({"code": code}, pd.DataFrame({"label": label.astype(str)}))
    assert cell(table, "code", "label")["score"] > 0.95


def test_a_confounded_number_leaks_marginally_and_not_within_cells():
    target, group, own, number, rng = confounded()
    factors = pd.DataFrame({"target": target.astype(str), "number": number})
    codes = {
        "knows_target": np.eye(4)[target] + 0.05 * rng.standard_normal((len(target), 4)),
        "knows_own": own[:, np.newaxis] + 10.0 * target[:, np.newaxis],
    }
    table = leakage_matrix(codes, factors, target=target, group=group, n_resamples=200)
    assert cell(table, "knows_target", "number")["score"] > 0.45
    floor = cell(table, "target", "number", control="one_hot")["score"]
    assert cell(table, "knows_target", "number")["score"] == pytest.approx(floor, abs=0.1)
    within = cell(table, "knows_target", "number", WITHIN_BOTH)
    assert within["score"] == pytest.approx(1 / 3, abs=0.1)
    # The cell's mean would hide what the code says within it, were it not taken out.
    assert cell(table, "knows_own", "number", WITHIN_BOTH)["score"] > 0.85
    # There is nothing left to say of the target where it is given.
    assert cell(table, "knows_own", "target", WITHIN_TARGET)["reason"] == "one class in every cell"


def test_classes_are_compared_within_their_cell():
    # Target a is mostly said by speaker x, b by y: who knows the target knows the speaker.
    target = np.repeat(["a", "a", "b", "b"], [90, 10, 10, 90])
    speaker = np.repeat(["x", "y", "x", "y"], [90, 10, 10, 90])
    rng = np.random.default_rng(0)
    code = (target == "a")[:, np.newaxis] + 0.1 * rng.standard_normal((200, 3))
    table = matrix(
        {"code": code},
        pd.DataFrame({"speaker": speaker}),
        target=target,
        group=speaker,
        conditions=[MARGINAL, WITHIN_TARGET],
    )
    assert cell(table, "code", "speaker")["score"] > 0.85
    within = cell(table, "code", "speaker", WITHIN_TARGET)
    assert within["chance"] == 0.5
    assert within["score"] == pytest.approx(0.5, abs=0.15)


def test_chance_within_cells_of_different_classes():
    # Rooms lie within databases: two in one, three in the other, one in a third.
    target = np.repeat(["p", "q", "r"], [40, 60, 20])
    room = np.repeat(["p1", "p2", "q1", "q2", "q3", "r1"], 20)
    code = np.random.default_rng(0).standard_normal((120, 2))
    table = matrix(
        {"code": code},
        pd.DataFrame({"room": room}),
        target=target,
        group=room,
        conditions=[WITHIN_TARGET],
    )
    found = cell(table, "code", "room", WITHIN_TARGET)
    # One right guess in each of two databases, over five rooms; the third has no choice.
    assert found["chance"] == pytest.approx(2 / 5)
    assert (found["n_items"], found["n_classes"]) == (100, 5)
    assert found["score"] == pytest.approx(2 / 5, abs=0.15)


def test_folds_keep_groups_together_unless_the_factor_is_the_group():
    target, group, _, _, rng = confounded()
    factors = pd.DataFrame({"target": target.astype(str), "speaker": group.astype(str)})
    # Each group says the target in words of its own: nothing carries over to another group.
    words = np.array([rng.permutation(4) for _ in range(6)])[group, target]
    code = np.hstack([np.eye(4)[words], np.eye(6)[group]])
    code += 0.05 * rng.standard_normal(code.shape)
    table = matrix({"code": code}, factors, group=group)
    assert cell(table, "code", "target")["folds"] == "group"
    assert cell(table, "code", "target")["score"] < 0.5
    assert cell(table, "code", "speaker")["folds"] == "unit"
    assert cell(table, "code", "speaker")["score"] > 0.9
    assert cell(table, "target × group", "speaker", control="one_hot")["score"] == 1.0


def test_units_stay_in_one_fold():
    # Channels of a file are copies of each other; the label is drawn by file.
    rng = np.random.default_rng(0)
    file = np.repeat(np.arange(60), 4)
    label = rng.integers(0, 2, 60)[file]
    code = rng.standard_normal((60, 5))[file]
    factors = pd.DataFrame({"label": label.astype(str)})
    torn = matrix({"code": code}, factors, group=label)
    kept = matrix({"code": code}, factors, group=label, unit=file)
    assert cell(torn, "code", "label")["score"] > 0.9
    assert cell(kept, "code", "label")["score"] == pytest.approx(0.5, abs=0.2)


def test_unseen_rows_are_scored_where_they_can_be():
    target, group, _, _, rng = confounded()
    factors = pd.DataFrame({"target": target.astype(str), "speaker": group.astype(str)})
    unseen = group == 5
    # Training has made codes perfect where it could, and left noise elsewhere.
    code = np.where(unseen, 0, target)[:, np.newaxis] + 0.01 * rng.standard_normal((len(group), 1))
    table = matrix({"code": code}, factors, group=group, unseen=unseen)
    found = cell(table, "code", "target")
    assert (found["rows"], found["n_items"]) == ("unseen", unseen.sum())
    assert found["score"] == pytest.approx(0.25, abs=0.01)
    assert cell(table, "code", "speaker")["rows"] == "all"
    assert cell(matrix({"code": code}, factors, group=group), "code", "target")["rows"] == "all"


def test_held_out_combinations_do_not_push_perfect_codes_below_chance():
    factors = made.balanced_factors(n_takes=6)
    levels = factors.apply(lambda column: pd.factorize(column)[0]).to_numpy()
    unseen = levels.sum(axis=1) % 3 == 0
    group = factors.agg("/".join, axis=1)
    table = matrix(made.perfect(factors), factors, group=group, unseen=unseen)
    probes = table[table["control"] == ""]
    own = probes["code"] == probes["factor"]
    assert (probes["folds"] == "group").all()
    assert (probes.loc[own, "score"] > 0.97).all()
    assert probes.loc[~own, "score"].mean() == pytest.approx(1 / 3, abs=0.12)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full(270, np.nan), "no voiced frame"),
        (np.ones(270), "one class"),
        (["rir"] * 270, "one class"),
        ([f"take{n}" for n in range(270)], "270 rows of 270 classes"),
    ],
)
def test_cells_that_cannot_be_scored_have_a_reason(factors, values, reason):
    table = matrix(
        made.noise(factors),
        factors[["content"]].assign(odd=values),
        why_missing={"odd": "no voiced frame"},
    )
    odd = table[table["factor"] == "odd"]
    assert set(odd["code"]) == set(made.FACTORS)
    assert odd["score"].isna().all()
    assert odd["reason"].unique().tolist() == [reason]
    assert table.loc[table["factor"] == "content", "score"].notna().all()


def test_rows_that_lack_a_factor_are_left_out(factors):
    number = np.arange(270.0)
    number[:100] = np.nan
    found = cell(matrix(made.noise(factors), pd.DataFrame({"f0": number})), "pitch", "f0")
    assert (found["n_items"], found["n_classes"]) == (170, 3)


def test_one_class_and_one_group():
    factors = pd.DataFrame({"digit": ["1"] * 40, "level": np.arange(40.0)})
    codes = {"code": np.arange(40.0)[:, np.newaxis]}
    table = leakage_matrix(codes, factors, target=factors["digit"], group=["g"] * 40)
    assert cell(table, "code", "digit")["reason"] == "one class"
    assert cell(table, "code", "level")["score"] > 0.9
    assert cell(table, "code", "level", WITHIN_BOTH)["score"] > 0.9


def test_a_constant_code_scores_chance_with_a_reason(factors):
    table = matrix({"pitch": np.full((270, 3), 0.3)}, factors)
    found = cell(table, "pitch", "content")
    assert found["score"] == pytest.approx(1 / 3)
    assert found["reason"] == "the code is constant"


def test_controls_and_floors_have_their_names(factors):
    codes = made.perfect(factors)
    table = matrix(codes, factors, controls={"raw": {"log_mel": made.entangled(factors)["pitch"]}})
    assert cell(table, "log_mel", "pitch", control="raw")["score"] > 0.95
    assert cell(table, "target", "content", control="one_hot")["score"] == 1.0
    assert cell(table, "target", "pitch", control="one_hot")["score"] < 0.45


def test_rows_beyond_the_limit_are_drawn_by_the_seed(factors):
    codes = made.noise(factors)
    first, second, other = (matrix(codes, factors, max_items=100, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert (first["n_items"] == 100).all()
    assert not first["score"].equals(other["score"])


def test_a_code_that_is_not_finite_is_named(factors):
    with pytest.raises(ValueError, match="'content' is not finite in 270"):
        matrix({"content": np.full((270, 2), np.nan)}, factors)


def test_mean_over_folds(factors):
    good, bad = matrix(made.perfect(factors), factors), matrix(made.noise(factors), factors)
    unscored = good.assign(score=np.nan, chance=np.nan, reason="one class")
    # As a file gives it back.
    bad = bad.replace({"control": {"": np.nan}, "reason": {"": np.nan}})
    table = mean_over_folds([good, bad, unscored])
    assert len(table) == len(good)
    found = cell(table, "content", "content")
    scores = [part.loc[0, "score"] for part in (good, bad)]
    assert found["score"] == pytest.approx(np.mean(scores))
    assert (found["low"], found["high"]) == pytest.approx((min(scores), max(scores)))
    assert (found["n_folds"], found["reason"]) == (2, "not in 1 of 3 folds: one class")
    constant = mean_over_folds([good.assign(reason="the code is constant"), unscored])
    assert set(constant["reason"]) == {"the code is constant, not in 1 of 2 folds: one class"}
    nothing = mean_over_folds([unscored])
    assert nothing["score"].isna().all()
    assert set(nothing["reason"]) == {"one class"}


numbers = st.lists(st.integers(-1000, 1000), min_size=3, max_size=40, unique=True)


@given(numbers, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_terciles_are_ranks_within_cells(values, n_cells):
    values = np.array(values, dtype=float)
    cells = np.arange(len(values)) % n_cells
    thirds = terciles_within(values, cells)
    for number in range(n_cells):
        here = thirds[cells == number]
        if len(here) < 3:
            assert np.isnan(here).all()
            continue
        counts = np.bincount(here.astype(int), minlength=3)
        assert counts.max() - counts.min() <= 1
        assert (np.diff(here[np.argsort(values[cells == number])]) >= 0).all()
    # Nothing but the order within a cell counts.
    shifted = terciles_within(values**3 + 1e10 * cells, cells)
    np.testing.assert_array_equal(thirds, shifted)


def test_terciles_of_ties_and_gaps():
    assert terciles_within([1, 1, 1, 1, 5, 5]).tolist() == [1, 1, 1, 1, 2, 2]
    found = terciles_within([1, np.nan, 2, 3, np.inf])
    np.testing.assert_array_equal(found, [0, np.nan, 1, 2, np.nan])
    assert np.isnan(terciles_within([4.0, 4.0, 4.0])).all()


def test_rows_outside_training_do_not_move_the_bounds_of_thirds():
    training = np.array([True] * 6 + [False] * 3)
    values = np.array([1.0, 2, 3, 4, 5, 6, -7, 3.4, np.nan])
    found = thirds_of_training(values, training)
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 2, 2, 0, 1, np.nan])
    moved = thirds_of_training(np.where(training, values, 1e6), training)
    np.testing.assert_array_equal(moved[:6], found[:6])
    assert np.isnan(thirds_of_training(np.where(training, 1.0, values), training)).all()
