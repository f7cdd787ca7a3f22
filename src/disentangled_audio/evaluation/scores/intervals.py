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
    """Unit that a bootstrap of these items draws: ``group``, or ``row`` if there is one group."""
    return "group" if len(set(np.asarray(groups, dtype=object))) > 1 else "row"


def bootstrap_intervals(
    target: ArrayLike,
    predicted: ArrayLike,
    groups: ArrayLike,
    classes: Sequence[str],
    *,
    seed: int,
    n_resamples: int = 1000,
) -> dict[str, list[float]]:
    """Percentile bootstrap intervals of accuracy and balanced accuracy.

    Items of one group (a room, a speaker) resemble each other, so groups are drawn with
    replacement, then items within them. Resampling single items would count the same evidence
    many times and give intervals that are too narrow.

    With a single group (see `resampling_unit`) rows are resampled, and the interval covers only
    other recordings of that group. With few groups (about ten or fewer) the interval is too
    narrow, often by far: read it as a lower bound of the uncertainty. Without mistakes it has no
    width. In a resample without items of a class, balanced accuracy is the mean over the others.

    To compare two models, use `comparison.paired_bootstrap`, which scores both on the same
    resamples.

    Returns
    -------
    dict
        ``{"accuracy": [low, high], "balanced_accuracy": [low, high]}``, 0 to 1.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap", 13.3 (percentile interval).
    Davison and Hinkley (1997), "Bootstrap methods and their application", 3.8 (resampling whole
    groups). Cameron, Gelbach and Miller (2008), "Bootstrap-based improvements for inference with
    clustered errors" (few groups).
    """
    targets = class_indices(target, classes, "target")
    guesses = class_indices(predicted, classes, "predicted")
    correct = (targets == guesses).astype(int)
    drawn = draw_outcomes(
        targets,
        correct,
        np.asarray(groups, dtype=object),
        (len(classes), 2),
        n_resamples=n_resamples,
        rng=np.random.default_rng(seed),
    )
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

    Label scores depend only on how many items of each class have each outcome (wrong or right;
    for two models, which of them is right), so a resample is fully described by these counts.

    Parameters
    ----------
    targets : (n_items,)
        Class of each item, 0 to n_classes - 1.
    outcomes : (n_items,)
        0 to n_outcomes - 1.
    groups : (n_items,)
        With a single group, items are resampled.
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
        # Counts of rows drawn with replacement are multinomial, so single rows need not be drawn.
        shares = np.bincount(cells, minlength=n_classes * n_outcomes) / len(cells)
        drawn = rng.multinomial(len(cells), shares, size=n_resamples).astype(np.float64)
    return drawn.reshape(n_resamples, n_classes, n_outcomes)


def _draw_groups(
    cells: NDArray[np.integer],
    groups: NDArray[Any],
    shape: tuple[int, int],
    n_resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw groups, then rows within them, and count the cells, (n_resamples, n_cells).

    The second stage matters for a class with one or two groups, to which drawing only whole
    groups would give almost no spread (Davison and Hinkley 1997, 3.8). If each group holds one
    class, groups are drawn class by class, because a resample without a class is another task.
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
        # Groups with equal counts are drawn together: the distribution is the same, and where
        # groups are single files, a handful of draws replaces thousands.
        kinds, first, n_alike = np.unique(part, axis=0, return_index=True, return_counts=True)
        order = np.argsort(first)
        shares = n_alike[order] / len(part)
        times_drawn = rng.multinomial(len(part), shares, size=n_resamples)
        for group, times in zip(kinds[order], times_drawn.T, strict=True):
            n_rows = int(group.sum())
            drawn += rng.multinomial(times * n_rows, group / n_rows)
    return drawn


def draw_sums(
    of_units: NDArray[np.float64], *, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sums over units (groups) drawn with replacement, (n_resamples, n_sums)."""
    n_units = len(of_units)
    return rng.multinomial(n_units, np.full(n_units, 1.0 / n_units), size=n_resamples) @ of_units


def interval_of_mean(scores: NDArray[np.floating]) -> tuple[float, float]:
    """Bootstrap interval of the mean of a few scores, such as those of folds; NaN without scores.

    It is seeded, and too narrow for few scores.
    """
    if len(scores) == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    means = rng.choice(scores, size=(1000, len(scores))).mean(axis=1)
    low, high = percentile_interval(means)
    return low, high


def percentile_interval(values: NDArray[np.floating]) -> list[float]:
    """Quantiles that enclose `CONFIDENCE` of the values."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return [float(low), float(high)]
