"""How well a linear probe predicts a number, such as a reverberation time, from a code."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.evaluation.representation.ridge import r2_by_group, ridge_predictions

KEYS = ["control", "code", "factor"]
PREDICTED_COLUMNS = (*KEYS, "group", "value", "predicted")
SCORE_COLUMNS = (*KEYS, "r2", "low", "high", "n_items", "n_groups", "reason")


def predicted_numbers(
    codes: Mapping[str, Mapping[str, NDArray[np.floating]]],
    factors: pd.DataFrame,
    group: pd.Series,
    fitted: NDArray[np.bool_],
    scored: NDArray[np.bool_],
) -> pd.DataFrame:
    """Predict the numbers of some rows by linear probes fitted to other rows.

    Parameters
    ----------
    codes : mapping of control (empty for codes under test) to code to (n_items, n_dims)
    factors : DataFrame of n_items rows
        Only floating-point columns are used. A number that is positive in all fitted rows is
        predicted in octaves (log2), and scored rows where it is not positive are left out.
    group : (n_items,)
        Groups of fitted rows are left out in turn to choose a probe's penalty; those of scored
        rows are kept for the intervals.
    fitted, scored : (n_items,)
        Rows that probes are fitted to, and rows whose predictions are kept.

    Returns
    -------
    DataFrame
        ``control, code, factor, group, value, predicted``, for each scored row with the number.
        Numbers with fewer than two fitted rows, or constant in them, are left out.
    """
    tables = []
    groups = group.astype(str).to_numpy()
    for factor in factors:
        if not pd.api.types.is_float_dtype(factors[factor]):
            continue
        values = _in_octaves(factors[factor].to_numpy(dtype=np.float64), fitted)
        known = np.isfinite(values)
        if (known & fitted).sum() < 2 or np.ptp(values[known & fitted]) == 0.0:
            continue
        rows = known & scored
        for control, blocks in codes.items():
            for code, block in blocks.items():
                predicted = ridge_predictions(
                    block[fitted], values[fitted], block[rows], groups[fitted]
                )
                table = {"group": group[rows].astype("string"), "value": values[rows]}
                table = pd.DataFrame({**table, "predicted": predicted})
                tables.append(table.assign(control=control, code=code, factor=str(factor)))
    if not tables:
        return pd.DataFrame(columns=list(PREDICTED_COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(PREDICTED_COLUMNS)]


def regression_scores(predicted: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Explained variance (`r2_by_group`) of the table of `predicted_numbers`, of one fold or more.

    Columns are ``control, code, factor, r2, low, high, n_items, n_groups, reason``.
    """
    rows = []
    for keys, table in predicted.groupby(KEYS, sort=False):
        score = r2_by_group(
            table["value"].to_numpy(dtype=np.float64),
            table["predicted"].to_numpy(dtype=np.float64),
            table["group"].to_numpy(),
            rng=np.random.default_rng(seed),
        )
        rows.append({**dict(zip(KEYS, keys, strict=True)), **score})
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _in_octaves(values: NDArray[np.float64], fitted: NDArray[np.bool_]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    if not (known & fitted).any() or values[known & fitted].min() <= 0.0:
        return np.where(known, values, np.nan)
    positive = known & (values > 0.0)
    return np.where(positive, np.log2(np.where(positive, values, 1.0)), np.nan)
