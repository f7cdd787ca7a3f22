"""Bootstrap intervals that respect groups of related recordings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disentangled_audio.evaluation.scores.classification import class_indices
from disentangled_audio.evaluation.scores.recall import mean_recall

# Share of resamples inside an interval.
CONFIDENCE = 0.95


def resampling_unit(groups: ArrayLike) -> str:
    """Say what a bootstrap of these items draws: ``group``, or ``row`` if there is one group."""
    return "group" if len(set(np.asarray(groups, dtype=object))) > 1 else "row"


def bootstrap_intervals(
    target: ArrayLike,
    predicted: ArrayLike,
    groups: ArrayLike,
    classes: Sequence[str],
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
) -> dict[str, list[float]]:
    """Percentile bootstrap intervals of accuracy and balanced accuracy.

    Items of one group (a room, a speaker) resemble each other, so groups are drawn with
    replacement, then items within them: resampling single items would count the same evidence
    many times and give intervals that are too narrow.

    With a single group nothing can be said about other groups. Rows are then resampled, and the
    interval covers only other recordings of that same group; `resampling_unit` tells which case
    it is. With few groups (about ten or fewer) the interval of resampled groups is too narrow as
    well, often by far: read it as a lower bound of the uncertainty. Where no item is wrong, every
    resample is perfect and the interval has no width.

    A resample in which a class has no items has its balanced accuracy taken over the others.

    Parameters
    ----------
    target, predicted : (n_items,)
    groups : (n_items,)
    classes : n_classes names
    rng : numpy.random.Generator
        Source of the resamples. Two models are compared by `comparison.paired_bootstrap`, which
        scores both on the same resamples; two of these intervals do not.

    Returns
    -------
    dict
        ``{"accuracy": [low, high], "balanced_accuracy": [low, high]}``, 0 to 1.

    Raises
    ------
    ValueError
        If there are no items, lengths differ, or a label is not one of the classes.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap", 13.3 (percentile interval).
    Davison and Hinkley (1997), "Bootstrap methods and their application", 3.8 (resampling whole
    groups). Cameron, Gelbach and Miller (2008), "Bootstrap-based improvements for inference with
    clustered errors" (few groups).
    """
    targets = class_indices(target, classes, "target")
    guesses = class_indices(predicted, classes, "predicted")
    groups = np.asarray(groups, dtype=object)
    if not len(targets) == len(guesses) == len(groups):
        raise ValueError("target, predicted and groups must have the same length")
    if len(targets) == 0:
        raise ValueError("No items to resample")
    correct = (targets == guesses).astype(int)
    shape = (len(classes), 2)
    drawn = draw_outcomes(targets, correct, groups, shape, n_resamples=n_resamples, rng=rng)
    hits = drawn[:, :, 1]
    support = drawn.sum(axis=2)
    return {
        "accuracy": percentile_interval(hits.sum(axis=1) / support.sum(axis=1)),
        "balanced_accuracy": percentile_interval(mean_recall(support, hits)),
    }


def draw_outcomes(
    targets: NDArray[np.integer],
    outcomes: NDArray[np.integer],
    groups: NDArray[Any],
    shape: tuple[int, int],
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Count classes and outcomes in resamples of groups, then of items within them.

    Scores of labels depend only on how many items of each class have each outcome (wrong or
    right; for two models, which of them is right), so these counts are all of a resample that
    is kept.

    Parameters
    ----------
    targets : (n_items,)
        Class of each item, 0 to n_classes - 1.
    outcomes : (n_items,)
        What was made of it, 0 to n_outcomes - 1.
    groups : (n_items,)
        With a single one, items are resampled.
    shape : (n_classes, n_outcomes)

    Returns
    -------
    (n_resamples, n_classes, n_outcomes)
    """
    n_classes, n_outcomes = shape
    cells = targets * n_outcomes + outcomes
    if resampling_unit(groups) == "group":
        drawn = _draw_groups(cells, groups, shape, n_resamples, rng)
    else:
        drawn = _draw_rows(cells, n_classes * n_outcomes, n_resamples, rng)
    return drawn.reshape(n_resamples, n_classes, n_outcomes)


def _draw_groups(
    cells: NDArray[np.integer],
    groups: NDArray[Any],
    shape: tuple[int, int],
    n_resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw groups, then rows within them, and count the cells, (n_resamples, n_cells).

    The second stage matters where a class has one or two groups: whole groups alone would give
    it next to no spread (Davison and Hinkley 1997, 3.8). Where each group holds one class, groups
    are drawn class by class: a resample without a class would score another task.
    """
    n_classes, n_outcomes = shape
    n_cells = n_classes * n_outcomes
    names, members = np.unique(groups.astype(str), return_inverse=True)
    by_group = np.zeros((len(names), n_cells))
    np.add.at(by_group, (members, cells), 1)
    by_class = by_group.reshape(len(names), n_classes, n_outcomes).sum(axis=2)
    nested = (np.count_nonzero(by_class, axis=1) == 1).all()
    strata = by_class.argmax(axis=1) if nested else np.zeros(len(names), dtype=int)
    drawn = np.zeros((n_resamples, n_cells))
    for stratum in np.unique(strata):
        part = by_group[strata == stratum]
        # Groups with equal counts are drawn as one: the same distribution, and where groups are
        # single files a handful of draws in place of thousands.
        kinds, first, n_alike = np.unique(part, axis=0, return_index=True, return_counts=True)
        order = np.argsort(first)
        shares = n_alike[order] / len(part)
        times_drawn = rng.multinomial(len(part), shares, size=n_resamples)
        for group, times in zip(kinds[order], times_drawn.T, strict=True):
            n_rows = int(group.sum())
            drawn += rng.multinomial(times * n_rows, group / n_rows)
    return drawn


def _draw_rows(
    cells: NDArray[np.integer], n_cells: int, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw rows with replacement and count their cells, (n_resamples, n_cells)."""
    # The counts of rows drawn with replacement are multinomial: no row needs to be drawn itself.
    shares = np.bincount(cells, minlength=n_cells) / len(cells)
    return rng.multinomial(len(cells), shares, size=n_resamples).astype(np.float64)


def draw_sums(
    of_units: NDArray[np.float64], *, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sum over units that are drawn with replacement.

    Parameters
    ----------
    of_units : (n_units, n_sums)
        What each unit (a group) adds to each sum.

    Returns
    -------
    (n_resamples, n_sums)
    """
    n_units = len(of_units)
    return rng.multinomial(n_units, np.full(n_units, 1.0 / n_units), size=n_resamples) @ of_units


def interval_of_mean(scores: NDArray[np.floating]) -> tuple[float, float]:
    """Interval of the mean of a few scores, by a seeded bootstrap of them.

    Parameters
    ----------
    scores : (n_scores,)
        Of folds, say. With few of them the interval is too narrow.

    Returns
    -------
    low, high : float
        NaN where there is no score.
    """
    if len(scores) == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    means = rng.choice(scores, size=(1000, len(scores))).mean(axis=1)
    low, high = percentile_interval(means)
    return low, high


def percentile_interval(values: NDArray[np.floating]) -> list[float]:
    """Quantiles that have `CONFIDENCE` of the values between them."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return [float(low), float(high)]
