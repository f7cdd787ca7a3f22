"""Means over folds, whose encoders differ, of leakage matrices, swap tests and summaries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.representation import leakage, swaps
from disentangled_audio.evaluation.scores.intervals import interval_of_mean


def mean_over_folds(matrices: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean leakage matrix of several folds.

    Scores and chances are means over the folds that have them, with an interval by
    `interval_of_mean`. ``n_items`` is the sum, ``n_folds`` the number of folds with a score, and
    ``reason`` says why the others have none.
    """
    # Empty texts are missing in a table read from a file.
    texts = dict.fromkeys(("control", "rows", "folds", "reason"), "")
    table = pd.concat(matrices, ignore_index=True).fillna(texts)
    keys = ["code", "factor", "condition", "control"]
    records = []
    for values, cells in table.groupby(keys, sort=False):
        scored = cells[cells["score"].notna()]
        counted = scored if len(scored) else cells
        records.append(
            {
                **dict(zip(keys, values, strict=True)),
                **_mean_score(cells, "score"),
                "chance": counted["chance"].mean(),
                "n_items": int(counted["n_items"].sum()),
                "n_classes": int(counted["n_classes"].max()),
                "rows": _join_unique(counted["rows"]),
                "folds": _join_unique(counted["folds"]),
            }
        )
    return pd.DataFrame(records, columns=[*leakage.COLUMNS, "n_folds"])


def reason_over_folds(reasons: pd.Series, missing: pd.Series) -> str:
    """Join the reasons of the folds with a score, and of those where it is `missing`."""
    without = _join_unique(reasons[missing])
    if missing.any() and not missing.all():
        without = f"not in {missing.sum()} of {len(missing)} folds: {without}"
    return _join_unique(pd.Series([_join_unique(reasons[~missing]), without]))


def _mean_score(cells: pd.DataFrame, name: str) -> dict[str, Any]:
    """Mean of a score over folds, its interval, its number of folds and why others lack it."""
    scores = cells[name].dropna().to_numpy(dtype=float)
    low, high = interval_of_mean(scores)
    return {
        name: scores.mean() if len(scores) else np.nan,
        "low": low,
        "high": high,
        "reason": reason_over_folds(cells["reason"], cells[name].isna()),
        "n_folds": len(scores),
    }


def _join_unique(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def swaps_over_folds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean table of `swap_test` over several folds, with the columns of `mean_over_folds`."""
    # Empty texts are missing in a table read from a file.
    every = pd.concat(tables, ignore_index=True).fillna({"reason": ""})
    # If other attributes vary in a fold, an attribute may have to follow another code.
    keys = ["swap", "attribute", "clip", "expected"]
    records = []
    for values, rows in every.groupby(keys, sort=False):
        records.append(
            {
                **dict(zip(keys, values, strict=True)),
                **_mean_score(rows, "share"),
                "n_items": int(rows["n_items"].sum()),
                "n_classes": int(rows["n_classes"].max()),
            }
        )
    return pd.DataFrame(records, columns=[*swaps.COLUMNS, "n_folds"])


def summary_over_folds(folds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Add the mean to the `disentanglement` summaries of several folds.

    Returns
    -------
    dict
        ``{mean, folds}``. Each number of the mean is that over the folds that have it (None
        without any), including ``n_items``; ``reason`` joins the reasons of the folds.
    """
    return {
        "mean": _mean_of(list(folds.values())) if folds else {},
        "folds": {str(name): dict(summary) for name, summary in folds.items()},
    }


def _mean_of(values: Sequence[Any]) -> Any:
    """Mean of numbers, also in nested mappings; texts and lists of names are joined."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    if isinstance(values[0], Mapping):
        names = dict.fromkeys(name for value in values for name in value)
        return {
            name: _mean_of([value[name] for value in values if name in value]) for name in names
        }
    if isinstance(values[0], list):
        return list(dict.fromkeys(name for value in values for name in value))
    if isinstance(values[0], str):
        return _join_unique(values)
    return float(np.mean(values))
