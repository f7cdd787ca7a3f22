"""Permutation test: would labels permuted among groups fit the predictions as well?"""

from collections.abc import Sequence
from math import exp, lgamma

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.evaluation.scores.classification import class_indices
from disentangled_audio.evaluation.scores.recall import balanced_accuracy

N_PERMUTATIONS = 999
# Smaller differences are rounding errors.
_TOLERANCE = 1e-9


def permutation_test(
    predicted: NDArray[np.integer],
    items: pd.DataFrame,
    classes: Sequence[str],
    *,
    rng: np.random.Generator,
    n_permutations: int = N_PERMUTATIONS,
) -> tuple[NDArray[np.float64], float]:
    """One-sided p of balanced accuracies, from permuted labels of the test items.

    Predictions stay as they are. Items of one group and class resemble each other, so they keep
    one label. Groups with one class exchange labels with other such groups of their fold (or of
    all folds, if the fold has only one class to exchange). Groups with several classes exchange
    labels within the group, because what a group shares cannot distinguish them. Few groups allow
    few arrangements, so that p cannot be small.

    Parameters
    ----------
    predicted : (n_predictors, n_items)
        Class numbers; negative ones are always wrong.
    items : DataFrame
        ``fold``, ``group`` and ``target`` of the test items.

    Returns
    -------
    p : (n_predictors,)
        Share of arrangements, including the true one, that score at least as high.
    smallest_p : float
        Lower bound of p: one over the number of permutations, or of arrangements if fewer.

    References
    ----------
    Phipson and Smyth (2010), "Permutation p-values should never be zero". Good (2005),
    "Permutation, parametric and bootstrap tests of hypotheses", 3.2 and 9 (exchangeable blocks).
    """
    target = class_indices(items["target"], classes, "target")
    cells, cell_of_item = _cells(items, target)
    strata = _strata(cells)
    labels = cells["target"].to_numpy()
    observed = balanced_accuracy(target, predicted)
    n_as_good = np.ones(len(predicted))
    by_stratum = np.argsort(strata, kind="stable")
    for _ in range(n_permutations):
        permuted = np.empty_like(labels)
        permuted[np.lexsort((rng.random(len(labels)), strata))] = labels[by_stratum]
        scores = balanced_accuracy(permuted[cell_of_item], predicted)
        n_as_good += scores >= observed - _TOLERANCE
    smallest = max(1.0 / (n_permutations + 1), exp(-_log_arrangements(labels, strata)))
    return np.maximum(n_as_good / (n_permutations + 1), min(1.0, smallest)), min(1.0, smallest)


def _cells(items: pd.DataFrame, target: NDArray[np.intp]) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Cells that keep one label (fold, group and class), and the cell of each item."""
    keys = pd.DataFrame(
        {
            "fold": pd.factorize(items["fold"].astype(str))[0],
            "group": pd.factorize(items["group"].astype(str))[0],
            "target": target,
        }
    )
    grouped = keys.groupby(["fold", "group", "target"], sort=True)
    cell_of_item = grouped.ngroup().to_numpy()
    return grouped.size().index.to_frame(index=False), cell_of_item


def _strata(cells: pd.DataFrame) -> NDArray[np.integer]:
    """Number of the set within which each cell exchanges labels."""
    group = cells.groupby(["fold", "group"])
    several = group["target"].transform("size") > 1
    within_group = -2 - group.ngroup()
    singles = cells[~several]
    n_classes = singles.groupby("fold")["target"].transform("nunique")
    within_fold = singles["fold"].where(n_classes > 1, -1)
    return within_group.where(several, within_fold.reindex(cells.index)).to_numpy(dtype=int)


def _log_arrangements(labels: NDArray[np.integer], strata: NDArray[np.integer]) -> float:
    """Natural logarithm of the number of arrangements of the labels."""
    log = 0.0
    for stratum in np.unique(strata):
        counts = np.bincount(labels[strata == stratum])
        log += lgamma(counts.sum() + 1) - sum(lgamma(count + 1) for count in counts)
    return log
