"""One table or summary from those of several folds, whose encoders differ."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.representation import leakage, swaps
from disentangled_audio.evaluation.scores.intervals import interval_of_mean


def mean_over_folds(matrices: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One leakage matrix from those of several folds, whose encoders differ.

    Returns
    -------
    DataFrame
        Mean scores and chances over the folds that have them, and the interval of that mean by a
        bootstrap of folds, seeded. ``n_items`` is the sum, ``n_folds`` how many had a score, and
        ``reason`` why the others had none.
        With few folds the interval is too narrow.

    Raises
    ------
    ValueError
        If there is no matrix.
    """
    if not matrices:
        raise ValueError("no leakage matrix to take the mean of")
    # A table that was read from a file has no empty texts.
    texts = dict.fromkeys(("control", "rows", "folds", "reason"), "")
    table = pd.concat(matrices, ignore_index=True).fillna(texts)
    keys = ["code", "factor", "condition", "control"]
    records = []
    for values, cells in table.groupby(keys, sort=False):
        scores = cells["score"].dropna().to_numpy()
        low, high = interval_of_mean(scores)
        scored = cells[cells["score"].notna()]
        told = scored if len(scored) else cells
        records.append(
            {
                **dict(zip(keys, values, strict=True)),
                "score": scores.mean() if len(scores) else np.nan,
                "low": low,
                "high": high,
                "chance": told["chance"].mean(),
                "n_items": int(told["n_items"].sum()),
                "n_classes": int(told["n_classes"].max()),
                "rows": _in_words(told["rows"]),
                "folds": _in_words(told["folds"]),
                "reason": reason_over_folds(cells["reason"], cells["score"].isna()),
                "n_folds": len(scores),
            }
        )
    return pd.DataFrame(records, columns=[*leakage.COLUMNS, "n_folds"])


def reason_over_folds(reasons: pd.Series, missing: pd.Series) -> str:
    """Why some folds have no score of a cell, and how many; what is said of the others' scores.

    Parameters
    ----------
    reasons : (n_folds,) of str
    missing : (n_folds,) of bool
        Whether the fold has no score.
    """
    told = _in_words(reasons[missing])
    if missing.any() and not missing.all():
        told = f"not in {missing.sum()} of {len(missing)} folds: {told}"
    return _in_words(pd.Series([_in_words(reasons[~missing]), told]))


def _in_words(values: pd.Series) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def swaps_over_folds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of swaps from those of several folds, whose encoders and readers differ.

    Parameters
    ----------
    tables : of DataFrame
        From `swap_test`.

    Returns
    -------
    DataFrame
        The columns of `swap_test`: mean shares over the folds that have them, and the interval of
        that mean by a bootstrap of folds, seeded; ``n_items`` is the sum. ``n_folds`` says how
        many had a share, ``reason`` why the others had none.

    Raises
    ------
    ValueError
        If there is no table.
    """
    if not tables:
        raise ValueError("no table of swaps to take the mean of")
    # A table that was read from a file has no empty texts.
    every = pd.concat(tables, ignore_index=True).fillna({"reason": ""})
    # Where other attributes vary, another code may be the one that an attribute should follow.
    keys = ["swap", "attribute", "clip", "expected"]
    records = []
    for values, rows in every.groupby(keys, sort=False):
        shares = rows["share"].dropna().to_numpy(dtype=float)
        low, high = interval_of_mean(shares)
        records.append(
            {
                **dict(zip(keys, values, strict=True)),
                "share": shares.mean() if len(shares) else np.nan,
                "low": low,
                "high": high,
                "n_items": int(rows["n_items"].sum()),
                "n_classes": int(rows["n_classes"].max()),
                "reason": reason_over_folds(rows["reason"], rows["share"].isna()),
                "n_folds": len(shares),
            }
        )
    return pd.DataFrame(records, columns=[*swaps.COLUMNS, "n_folds"])


def summary_over_folds(folds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Block scores and swaps of several folds, and their mean.

    Parameters
    ----------
    folds : mapping
        Fold to its `disentanglement`.

    Returns
    -------
    dict
        ``{mean, folds}``. The mean has the form of a fold's summary. Each of its numbers is the
        mean over the folds that have it, None if there is none; ``n_items`` is the mean as well,
        and ``reason`` what the folds without scores said.
    """
    return {
        "mean": _mean_of(list(folds.values())) if folds else {},
        "folds": {str(name): dict(summary) for name, summary in folds.items()},
    }


def _mean_of(values: Sequence[Any]) -> Any:
    """Mean of numbers, in nested mappings of them; words and names are told one by one."""
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
        return ", ".join(dict.fromkeys(value for value in values if value))
    return float(np.mean(values))
