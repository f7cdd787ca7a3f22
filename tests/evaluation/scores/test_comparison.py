"""Comparisons in pairs against what can be counted by hand, and against chance."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.evaluation.scores.comparison import (
    compare_models,
    holm,
    mcnemar_exact,
    paired_bootstrap,
)

CLASSES = ["a", "b"]
OTHER = {"a": "b", "b": "a"}
PAIR = [("svm", "cnn")]


def wrong_where(target, wrong):
    return np.where(wrong, [OTHER[name] for name in target], target)


def compared(target, first, second, groups, seed=0, **options):
    return paired_bootstrap(target, first, second, groups, CLASSES, seed=seed, **options)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (3, 3, 1.0),
        # 2 (1 + 12 + 66) / 4096: twice the tail of twelve fair coins.
        (10, 2, 158 / 4096),
        (2, 10, 158 / 4096),
        (0, 6, 2 / 64),
    ],
)
def test_mcnemar_is_the_binomial_of_what_one_model_alone_has_right(only_a, only_b, p):
    # What both or neither have right does not matter.
    first = np.repeat([True, False, True, False], [only_a, only_b, 7, 5])
    second = np.repeat([False, True, True, False], [only_a, only_b, 7, 5])

    result = mcnemar_exact(first, second)

    assert (result["only_a"], result["only_b"]) == (only_a, only_b)
    assert result["p"] == pytest.approx(p)


def test_a_model_is_no_better_than_itself():
    rng = np.random.default_rng(3)
    target = rng.choice(CLASSES, 60)
    predicted = rng.choice(CLASSES, 60)

    result = compared(target, predicted, predicted, np.arange(60) // 6)

    assert result["difference"] == 0
    assert result["difference_ci95"] == [0, 0]
    assert result["p_bootstrap"] == 1


@pytest.mark.parametrize("n_resamples", [99, 1000])
def test_right_against_wrong_has_the_smallest_p_there_is(n_resamples):
    target = np.tile(CLASSES, 20)
    wrong = wrong_where(target, np.full(40, True))
    groups = np.arange(40) // 4

    better = compared(target, target, wrong, groups, n_resamples=n_resamples)
    worse = compared(target, wrong, target, groups, n_resamples=n_resamples)

    assert better["difference"] == 1
    assert better["difference_ci95"] == [1, 1]
    assert worse["difference_ci95"] == [-1, -1]
    assert better["p_bootstrap"] == worse["p_bootstrap"] == 1 / (n_resamples + 1)


@pytest.mark.parametrize(("n_better", "n_groups"), [(1, 2), (1, 3), (2, 3), (3, 6)])
def test_p_is_how_often_no_group_that_differs_is_drawn(n_better, n_groups):
    # Only some groups differ, all for the same model: a resample without them shows no difference.
    groups = np.repeat(np.arange(n_groups), 8)
    target = np.tile(CLASSES, 4 * n_groups)
    second = wrong_where(target, groups < n_better)

    result = compared(target, target, second, groups, n_resamples=20000)

    expected = 2 * (1 - n_better / n_groups) ** n_groups
    assert result["difference"] == pytest.approx(n_better / n_groups)
    assert result["p_bootstrap"] == pytest.approx(expected, abs=0.02)


def test_the_difference_is_of_balanced_accuracy():
    # Nine a, one b: the second model has all a right and b wrong, the first one the reverse.
    target = np.array(["a"] * 9 + ["b"])

    result = compared(target, ["b"] * 10, ["a"] * 10, np.arange(10))

    assert result["difference"] == 0


def test_a_tie_over_classes_is_no_difference_despite_rounding():
    # 0.1 + 0.2 - 0.3 is not zero in floating point.
    classes = ["a", "b", "c"]
    target = np.repeat(classes, 10)
    miss = {name: classes[(place + 1) % 3] for place, name in enumerate(classes)}
    missed = np.array([miss[name] for name in target])
    number = np.tile(np.arange(10), 3)
    first = np.where((target == "c") & (number < 3), missed, target)
    second_wrong = ((target == "a") & (number < 1)) | ((target == "b") & (number < 2))
    second = np.where(second_wrong, missed, target)

    result = paired_bootstrap(target, first, second, np.zeros(30), classes, seed=0)

    assert result["difference"] == 0.0
    assert result["resampled"] == "row"


def null_trial(seed, advantage=0.0):
    """Two models whose skill differs by group; the first is better by so much in logits."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(15), 10)
    target = np.tile(CLASSES, 75)
    skill = 1 + rng.normal(size=(2, 15)) + np.array([[advantage], [0.0]])
    right = rng.random((2, 150)) < (1 / (1 + np.exp(-skill)))[:, groups]
    first, second = (wrong_where(target, ~of_model) for of_model in right)
    return compared(target, first, second, groups, seed, n_resamples=200)["p_bootstrap"]


def test_equally_good_models_seldom_differ_and_better_ones_mostly_do():
    null = np.array([null_trial(seed) for seed in range(150)])
    better = np.array([null_trial(seed, advantage=2.5) for seed in range(30)])

    # Three standard errors of 5 % over 150 trials are 5 points.
    assert (null < 0.05).mean() <= 0.10
    assert 0.3 <= null.mean() <= 0.8
    assert (better < 0.05).mean() > 0.9


def test_clustered_errors_are_less_evidence_than_their_items():
    # The second model fails on one group of eight, on all of its 20 items.
    groups = np.repeat(np.arange(8), 20)
    target = np.tile(CLASSES, 80)
    second = wrong_where(target, groups == 0)

    by_group = compared(target, target, second, groups)["p_bootstrap"]
    by_item = mcnemar_exact(np.full(160, True), target == second)["p"]

    assert by_item < 1e-5
    assert by_group > 0.3


def test_holm_by_hand():
    # Sorted: 0.01 × 3, 0.03 × 2, 0.04 × 1, and none below the one before it.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_lowers_p(p_values):
    adjusted = holm(p_values)

    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    in_order = [adjusted[index] for index in np.argsort(p_values, kind="stable")]
    assert in_order == sorted(in_order)
    assert min(adjusted) == pytest.approx(min(1, len(p_values) * min(p_values)))


def table(model, rows):
    """(recording_id, fold, target, predicted) of test rows; two items a group."""
    columns = ["recording_id", "fold", "target", "predicted"]
    named = pd.DataFrame(rows, columns=columns).assign(model=model, role="test", p_a=0.5, p_b=0.5)
    return named.assign(group=[f"g{int(name[1:]) // 2}" for name in named["recording_id"]])


TARGET = {f"r{k}": CLASSES[k % 2] for k in range(8)}


def rows_of(wrong=(), fold="0", names=TARGET):
    return [(n, fold, TARGET[n], OTHER[TARGET[n]] if n in wrong else TARGET[n]) for n in names]


def test_models_are_compared_item_by_item_whatever_the_order_of_rows():
    predictions = pd.concat(
        [
            table("svm", rows_of(wrong=["r0", "r1"])),
            table("cnn", rows_of(wrong=["r1", "r2", "r4", "r6"])[::-1]),
            table("svm", rows_of(wrong=TARGET)).assign(role="train"),
        ]
    )

    (result,) = compare_models(predictions, PAIR)

    assert (result["a"], result["b"]) == ("svm", "cnn")
    # svm: 3 of 4 a and 3 of 4 b; cnn: 1 of 4 a and 3 of 4 b.
    assert result["difference"] == pytest.approx(0.75 - 0.5)
    assert result["mcnemar"]["only_a"] == 3
    assert result["mcnemar"]["only_b"] == 1
    assert result["mcnemar"]["p"] == pytest.approx(2 * 5 / 16)
    assert (result["n_items"], result["n_left_out"], result["n_groups"]) == (8, 0, 4)
    assert result["p_holm"] == result["p_bootstrap"]
    assert all(type(result[key]) in (float, int, str, list, dict) for key in result)


def test_a_recording_of_two_folds_is_compared_within_each():
    # Each model is wrong about everything in one fold; over both they are equal.
    predictions = pd.concat(
        [
            table("svm", rows_of(fold="0") + rows_of(wrong=TARGET, fold="1")),
            table("cnn", rows_of(wrong=TARGET, fold="0") + rows_of(fold="1")),
        ]
    )

    (result,) = compare_models(predictions, PAIR)

    assert (result["difference"], result["n_items"]) == (0, 16)
    assert (result["mcnemar"]["only_a"], result["mcnemar"]["only_b"]) == (8, 8)


def test_items_of_only_one_model_are_left_out_and_counted():
    predictions = pd.concat(
        [
            table("svm", rows_of(wrong=["r6", "r7"])),
            table("cnn", rows_of(names=["r0", "r1", "r2", "r3"])),
        ]
    )

    (result,) = compare_models(predictions, PAIR)

    assert result["difference"] == 0
    assert (result["n_items"], result["n_left_out"], result["n_groups"]) == (4, 4, 2)


def test_pairs_are_those_asked_for_and_adjusted_for_their_number():
    predictions = pd.concat(
        [table("x", rows_of(wrong=TARGET)), table("y", rows_of()), table("z", rows_of())]
    )

    every = compare_models(predictions, list(combinations("xyz", 2)), n_resamples=199)
    one = compare_models(predictions, [("y", "x")], n_resamples=199)

    assert [(r["a"], r["b"]) for r in every] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert [r["p_bootstrap"] for r in every] == [1 / 200, 1 / 200, 1]
    assert [r["p_holm"] for r in every] == pytest.approx([3 / 200, 3 / 200, 1])
    assert (one[0]["difference"], one[0]["p_holm"]) == (1, 1 / 200)


@pytest.mark.parametrize(
    ("second", "pairs", "message"),
    [
        (rows_of(), [("svm", "tree")], "No test rows of tree; there are svm, cnn"),
        (rows_of(fold="1"), PAIR, "svm and cnn have no test item in common"),
        (rows_of() + rows_of(names=["r3"]), PAIR, "cnn has several test rows of r3 in fold 0"),
        (
            [(n, "0", OTHER[t], t) for n, t in TARGET.items()],
            PAIR,
            "svm and cnn have different targets",
        ),
    ],
)
def test_mismatched_tables_are_reported(second, pairs, message):
    predictions = pd.concat([table("svm", rows_of()), table("cnn", second)])

    with pytest.raises(ValueError, match=message):
        compare_models(predictions, pairs)
