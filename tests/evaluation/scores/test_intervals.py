"""Bootstrap intervals against what is known about their coverage and width."""

import numpy as np
import pytest

from disentangled_audio.evaluation.scores.intervals import (
    bootstrap_intervals,
    draw_outcomes,
    resampling_unit,
)

CLASSES = ["a", "b"]


def labels(correct):
    """Targets all a; predictions a where correct, else b."""
    return np.full(len(correct), "a"), np.where(correct, "a", "b")


def intervals(correct, groups, seed=0, **options):
    target, predicted = labels(correct)
    return bootstrap_intervals(target, predicted, groups, CLASSES, seed=seed, **options)


def width(bounds):
    return bounds[1] - bounds[0]


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_of_independent_items_cover_the_truth(grouped):
    rng = np.random.default_rng(1)
    truth, n_items, n_trials = 0.8, 200, 300
    groups = np.arange(n_items) if grouped else np.zeros(n_items)
    covered = 0
    for trial in range(n_trials):
        low, high = intervals(rng.random(n_items) < truth, groups, trial, n_resamples=400)[
            "accuracy"
        ]
        covered += low <= truth <= high
    # Four standard errors of 95 % over 300 trials are 5 points.
    assert 0.89 <= covered / n_trials <= 0.995


def test_width_of_independent_items_is_the_binomial_one():
    correct = np.arange(400) % 5 > 0
    expected = 2 * 1.96 * np.sqrt(0.8 * 0.2 / 400)
    for groups in (np.zeros(400), np.arange(400)):
        bounds = intervals(correct, groups, n_resamples=4000)["accuracy"]
        assert width(bounds) == pytest.approx(expected, rel=0.1)


def test_clustered_errors_give_wider_intervals():
    # All errors lie in 4 of 20 groups: 20 independent pieces of evidence, not 400.
    groups = np.repeat(np.arange(20), 20)
    correct = groups >= 4
    clustered = intervals(correct, groups)["accuracy"]
    by_row = intervals(correct, np.zeros(400))["accuracy"]
    assert width(clustered) > 3 * width(by_row)


def test_one_group_resamples_rows():
    assert resampling_unit(["r", "r"]) == "row"
    assert resampling_unit(["r", "s"]) == "group"
    assert width(intervals(np.arange(50) % 2 == 0, np.full(50, "r"))["accuracy"]) > 0


def test_groups_of_one_class_are_drawn_class_by_class():
    # Each class is one group, all right or all wrong: every resample is the same.
    target = np.repeat(["a", "b"], 10)
    predicted = np.full(20, "b")
    bounds = bootstrap_intervals(target, predicted, target, CLASSES, seed=0, n_resamples=500)
    assert bounds["balanced_accuracy"] == [0.5, 0.5]


def test_a_class_that_vanishes_is_left_out_of_the_mean():
    # One group holds both classes, so groups are drawn from all: class a may be absent.
    target = np.repeat(["a", "b", "b"], 10)
    groups = np.repeat(["mixed", "mixed", "right"], 10)
    predicted = np.repeat(["b", "a", "b"], 10)
    bounds = bootstrap_intervals(target, predicted, groups, CLASSES, seed=0, n_resamples=500)
    assert bounds["balanced_accuracy"] == [0.0, 1.0]


def test_perfect_predictions_have_no_width():
    bounds = intervals(np.full(30, True), np.arange(30) // 3)
    assert bounds == {"accuracy": [1.0, 1.0], "balanced_accuracy": [1.0, 1.0]}


def test_seed_decides_the_interval():
    rng = np.random.default_rng(0)
    correct, groups = rng.random(211) < 0.7, rng.integers(0, 23, 211)
    assert intervals(correct, groups, seed=3) == intervals(correct, groups, seed=3)
    assert intervals(correct, groups, seed=3) != intervals(correct, groups, seed=4)


@pytest.mark.parametrize("per_group", [1, 10])
def test_groups_that_are_alike_are_drawn_as_if_they_were_told_apart(per_group):
    # Groups all right or all wrong: the share of right ones has the variance of drawing groups.
    n_groups, share = 200, 0.25
    right = np.repeat(np.arange(n_groups) < share * n_groups, per_group).astype(int)
    drawn = draw_outcomes(
        np.zeros(len(right), dtype=int),
        right,
        np.repeat(np.arange(n_groups), per_group),
        (1, 2),
        n_resamples=4000,
        rng=np.random.default_rng(0),
    )
    assert (drawn.sum(axis=(1, 2)) == len(right)).all()
    shares = drawn[:, 0, 1] / len(right)
    assert shares.mean() == pytest.approx(share, abs=0.002)
    assert shares.std() == pytest.approx(np.sqrt(share * (1 - share) / n_groups), rel=0.05)


def test_items_of_groups_that_are_alike_are_drawn_too():
    # Every group is half right: only the draw of items within groups spreads.
    right = np.tile([0, 1], 500)
    drawn = draw_outcomes(
        np.zeros(1000, dtype=int),
        right,
        np.repeat(np.arange(100), 10),
        (1, 2),
        n_resamples=4000,
        rng=np.random.default_rng(0),
    )
    assert (drawn[:, 0, 1] / 1000).std() == pytest.approx(np.sqrt(0.25 / 1000), rel=0.05)
