"""Is one model better than another on the same items?"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from disentangled_audio.evaluation.intervals import (
    draw_outcomes,
    mean_recall,
    percentile_interval,
    resampling_unit,
)
from disentangled_audio.evaluation.scores import class_indices

# Items of one fold are met once a model; with repeats, an item is in several folds.
ITEM = ["recording_id", "fold"]


def mcnemar_exact(correct_a: ArrayLike, correct_b: ArrayLike) -> dict[str, float]:
    """Exact two-sided McNemar test on items that only one of two models has right.

    It takes items as independent, so it overstates the evidence where they come in groups; the
    paired bootstrap does not.

    Parameters
    ----------
    correct_a, correct_b : (n_items,) of bool

    Returns
    -------
    dict
        ``only_a``, ``only_b`` (items), ``p``.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions
    or percentages"; exact form: Dietterich (1998), "Approximate statistical tests for comparing
    supervised classification learning algorithms".
    """
    first, second = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} and {len(second)} items cannot be compared in pairs")
    only_a, only_b = int((first & ~second).sum()), int((second & ~first).sum())
    n_discordant = only_a + only_b
    p = float(binomtest(only_a, n_discordant).pvalue) if n_discordant else 1.0
    return {"only_a": only_a, "only_b": only_b, "p": p}


def paired_bootstrap(  # noqa: PLR0913
    target: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    groups: ArrayLike,
    classes: list[str],
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
) -> dict[str, Any]:
    """Difference in balanced accuracy of two models on the same items, by group bootstrap.

    Both models are scored on the same resamples: groups are drawn, then items within them, as in
    `bootstrap_intervals`. The p-value is twice the smaller share of resamples in which the
    difference is not above, or not below, zero (one more of each counts, so that no p is zero).
    With few groups it is too small, as the intervals are too narrow.

    Parameters
    ----------
    target, predicted_a, predicted_b : (n_items,)
        Class names.
    groups : (n_items,)
    classes : n_classes names
    rng : numpy.random.Generator
    n_resamples : int

    Returns
    -------
    dict
        ``difference`` (a minus b), ``difference_ci95`` [low, high], ``p_bootstrap``, and
        ``resampled`` (``group``, or ``row`` where there is one group).

    Raises
    ------
    ValueError
        If lengths differ, there are no items, or a label is not one of the classes.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap", 15 and 16; Cameron, Gelbach
    and Miller (2008), "Bootstrap-based improvements for inference with clustered errors".
    """
    targets = class_indices(target, classes, "target")
    right_a = targets == class_indices(predicted_a, classes, "predicted_a")
    right_b = targets == class_indices(predicted_b, classes, "predicted_b")
    units = np.asarray(groups, dtype=object)
    if not 0 < len(targets) == len(right_a) == len(right_b) == len(units):
        raise ValueError("target, predictions and groups must have the same length, above 0")
    outcomes = 2 * right_a + right_b
    shape = (len(classes), 4)
    observed = np.zeros((1, *shape))
    np.add.at(observed[0], (targets, outcomes), 1)
    drawn = draw_outcomes(targets, outcomes, units, shape, n_resamples=n_resamples, rng=rng)
    differences = _difference(drawn)
    not_above = 1 + (differences <= 0).sum()
    not_below = 1 + (differences >= 0).sum()
    return {
        "difference": float(_difference(observed)[0]),
        "difference_ci95": percentile_interval(differences),
        "p_bootstrap": float(min(1.0, 2 * min(not_above, not_below) / (n_resamples + 1))),
        "resampled": resampling_unit(units),
    }


def _difference(counts: NDArray) -> NDArray[np.float64]:
    """Balanced accuracy of a minus that of b, from (n, n_classes, 4) counts."""
    support = counts.sum(axis=2)
    return mean_recall(support, counts[:, :, 2:].sum(axis=2)) - mean_recall(
        support, counts[:, :, 1::2].sum(axis=2)
    )


def compare_models(
    predictions: pd.DataFrame,
    classes: list[str],
    pairs: Iterable[tuple[str, str]] | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compare models in pairs on the test rows that both have.

    Parameters
    ----------
    predictions : DataFrame
        The `predictions` schema; of one fold or several. Controls may be among the models.
    classes : n_classes names
    pairs : pairs of model names, optional
        All pairs by default.
    n_resamples : int
    seed : int

    Returns
    -------
    list of dict
        ``a, b, difference, difference_ci95, p_bootstrap, p_holm`` (adjusted over the pairs),
        ``resampled, mcnemar, n_items, n_groups``.

    Raises
    ------
    ValueError
        If two models have no test item in common.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    tested = predictions[predictions["role"] == "test"]
    tables = {str(name): rows.set_index(ITEM) for name, rows in tested.groupby("model", sort=False)}
    wanted = list(combinations(tables, 2)) if pairs is None else list(pairs)
    results = [_compared(tables, a, b, classes, n_resamples, seed) for a, b in wanted]
    for result, p in zip(results, holm([r["p_bootstrap"] for r in results]), strict=True):
        result["p_holm"] = p
    return results


def _compared(
    tables: dict[str, pd.DataFrame], a: str, b: str, classes: list[str], n_resamples: int, seed: int
) -> dict[str, Any]:
    common = tables[a].index.intersection(tables[b].index)
    if common.empty:
        raise ValueError(f"{a} and {b} have no test item in common")
    first, second = tables[a].loc[common], tables[b].loc[common]
    target = first["target"].astype(str)
    tested = paired_bootstrap(
        target,
        first["predicted"],
        second["predicted"],
        first["group"],
        classes,
        rng=np.random.default_rng(seed),
        n_resamples=n_resamples,
    )
    right = [table["predicted"].astype(str) == target for table in (first, second)]
    return {
        "a": a,
        "b": b,
        **tested,
        "mcnemar": mcnemar_exact(*right),
        "n_items": len(common),
        "n_groups": int(first["group"].nunique()),
    }


def holm(p_values: list[float]) -> list[float]:
    """p-values adjusted for their number, in the given order."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return [float(p) for p in adjusted]
