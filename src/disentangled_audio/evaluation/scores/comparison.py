"""Is one model better than another on the same items?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from disentangled_audio.evaluation.scores.classification import class_indices
from disentangled_audio.evaluation.scores.intervals import (
    draw_outcomes,
    percentile_interval,
    resampling_unit,
)
from disentangled_audio.evaluation.scores.recall import mean_recall
from disentangled_audio.evaluation.scores.summary import class_names

# With repeats, a recording is tested in several folds.
ITEM = ["recording_id", "fold"]
# Rounding errors of about 1e-16 must not break ties between recalls.
_DECIMALS = 12


def mcnemar_exact(correct_a: ArrayLike, correct_b: ArrayLike) -> dict[str, float]:
    """Exact two-sided McNemar test on the items that only one of two models gets right.

    If both models are equally good, either wins a discordant item with probability 1/2. The test
    assumes independent items, so it overstates the evidence if items come in groups or are tested
    in several repeats; the paired bootstrap does not.

    Returns
    -------
    dict
        ``only_a``, ``only_b`` (items that only this model gets right), and ``p``, 1 without
        discordant items.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions
    or percentages"; exact form: Dietterich (1998), "Approximate statistical tests for comparing
    supervised classification learning algorithms".
    """
    first, second = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    only_a, only_b = int((first & ~second).sum()), int((second & ~first).sum())
    n_discordant = only_a + only_b
    p = float(binomtest(only_a, n_discordant).pvalue) if n_discordant else 1.0
    return {"only_a": only_a, "only_b": only_b, "p": p}


def paired_bootstrap(
    target: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    groups: ArrayLike,
    classes: Sequence[str],
    *,
    seed: int,
    n_resamples: int = 1000,
) -> dict[str, Any]:
    """Difference in balanced accuracy of two models on the same items, by group bootstrap.

    Both models are scored on the same resamples: groups are drawn, then items within them, as in
    `bootstrap_intervals`. With m the smaller of the numbers of resamples whose difference is at
    most zero, and at least zero, the p-value is (1 + 2 m) / (n_resamples + 1), at most 1: the
    observed sample counts as one more. It is below 0.05 if the interval excludes zero. With few
    groups p is too small: if two equally good models differ from group to group, p is below 0.05
    in about 11 % of cases with five groups, 8 % with eight and 5 % with fifteen. If groups do not
    differ, p is too large (1 to 3 % of cases).

    Returns
    -------
    dict
        ``difference`` (a minus b), ``difference_ci95`` [low, high], ``p_bootstrap``, and
        ``resampled`` (``group``, or ``row`` where there is one group).

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap", 15.4 (the p-value from the
    distribution that gives the interval). Davison and Hinkley (1997), "Bootstrap methods and
    their application", 4.2 (the observed sample counts) and 3.8 (groups). Cameron, Gelbach and
    Miller (2008), "Bootstrap-based improvements for inference with clustered errors" (few groups).
    """
    targets = class_indices(target, classes, "target")
    guesses_a = class_indices(predicted_a, classes, "predicted_a")
    guesses_b = class_indices(predicted_b, classes, "predicted_b")
    units = np.asarray(groups, dtype=object)
    outcomes = 2 * (targets == guesses_a) + (targets == guesses_b)
    shape = (len(classes), 4)
    observed = np.zeros((1, *shape))
    np.add.at(observed[0], (targets, outcomes), 1)
    rng = np.random.default_rng(seed)
    drawn = draw_outcomes(targets, outcomes, units, shape, n_resamples=n_resamples, rng=rng)
    differences = _difference(drawn)
    extreme = 2 * min((differences <= 0).sum(), (differences >= 0).sum())
    return {
        "difference": float(_difference(observed)[0]),
        "difference_ci95": percentile_interval(differences),
        "p_bootstrap": float(min(1.0, (1 + extreme) / (n_resamples + 1))),
        "resampled": resampling_unit(units),
    }


def _difference(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Balanced accuracy of a minus that of b, from (n, n_classes, 4) counts.

    The number of an outcome is 2 if a is right, plus 1 if b is right.
    """
    only_a, only_b = counts[:, :, 2], counts[:, :, 1]
    return np.round(mean_recall(counts.sum(axis=2), only_a - only_b), _DECIMALS)


def compare_models(
    predictions: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    classes: Sequence[str] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compare models in pairs on the test rows they share.

    Parameters
    ----------
    predictions : DataFrame
        The `predictions` schema, of one fold or several; may contain controls.
    pairs : pairs of model names
    classes : n_classes names, optional
        By default those of the ``p_<class>`` columns.

    Returns
    -------
    list of dict
        ``a, b, difference`` (of balanced accuracy, a minus b), ``difference_ci95, p_bootstrap,
        p_holm`` (adjusted for the number of pairs), ``resampled, mcnemar, n_items`` (shared),
        ``n_left_out`` (of only one of the two models) and ``n_groups``.
    """
    names = class_names(predictions) if classes is None else classes
    tables = _items_by_model(predictions[predictions["role"] == "test"])
    unknown = sorted({name for pair in pairs for name in pair} - set(tables))
    if unknown:
        raise ValueError(f"No test rows of {', '.join(unknown)}; there are {', '.join(tables)}")
    results = [_compare_pair(tables, a, b, names, n_resamples, seed) for a, b in pairs]
    for result, p in zip(results, holm([r["p_bootstrap"] for r in results]), strict=True):
        result["p_holm"] = p
    return results


def _items_by_model(tested: pd.DataFrame) -> dict[str, pd.DataFrame]:
    tables = {}
    for name, rows in tested.groupby("model", sort=False):
        table = rows.astype(dict.fromkeys([*ITEM, "target", "predicted"], str)).set_index(ITEM)
        if table.index.has_duplicates:
            twice = table.index[table.index.duplicated()][0]
            raise ValueError(f"{name} has several test rows of {twice[0]} in fold {twice[1]}")
        tables[str(name)] = table
    return tables


def _compare_pair(
    tables: dict[str, pd.DataFrame],
    a: str,
    b: str,
    classes: Sequence[str],
    n_resamples: int,
    seed: int,
) -> dict[str, Any]:
    common = tables[a].index.intersection(tables[b].index)
    if common.empty:
        raise ValueError(f"{a} and {b} have no test item in common")
    first, second = tables[a].loc[common], tables[b].loc[common]
    target = first["target"]
    if not target.equals(second["target"]):
        raise ValueError(f"{a} and {b} have different targets for the same items")
    tested = paired_bootstrap(
        target,
        first["predicted"],
        second["predicted"],
        first["group"],
        classes,
        seed=seed,
        n_resamples=n_resamples,
    )
    right = [table["predicted"] == target for table in (first, second)]
    return {
        "a": a,
        "b": b,
        **tested,
        "mcnemar": mcnemar_exact(*right),
        "n_items": len(common),
        "n_left_out": len(tables[a].index.union(tables[b].index)) - len(common),
        "n_groups": int(first["group"].nunique()),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, in the given order.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = (n - np.arange(n)) * np.asarray(p_values, dtype=np.float64)[order]
    adjusted = np.empty(n)
    # Adjusted values keep the order of the p-values.
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(p) for p in adjusted]
