"""Numbers as classes: the lowest, middle and highest third."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

N_TERCILES = 3


def terciles_within(values: ArrayLike, cells: ArrayLike | None = None) -> NDArray[np.float64]:
    """Lowest, middle and highest third of a number, over all rows or within each cell.

    Parameters
    ----------
    values : (n_items,)
        Missing values are NaN.
    cells : (n_items,), optional
        Rows are ranked only within their cell, so that the third is independent of the cell.

    Returns
    -------
    (n_items,)
        0, 1 or 2; equal values share a third. NaN for missing values and for cells with fewer
        than three values or only equal ones.
    """
    table = pd.DataFrame({"value": np.asarray(values, dtype=np.float64)})
    table.loc[~np.isfinite(table["value"]), "value"] = np.nan
    table["cell"] = 0 if cells is None else np.asarray(cells)
    by_cell = table.groupby("cell")["value"]
    # Middle rank of a value, relative to its cell, between 0 and 1.
    place = (by_cell.rank(method="average") - 0.5) / by_cell.transform("count")
    thirds = np.floor(N_TERCILES * place)
    scarce = (by_cell.transform("count") < N_TERCILES) | (by_cell.transform("nunique") < 2)
    return thirds.mask(scarce).to_numpy(dtype=np.float64)


def thirds_of_training(values: ArrayLike, training: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lowest, middle and highest third of a number, between bounds from training rows.

    The thirds are absolute, not relative to a speaker or a room, because a reader sees only one
    spectrogram. Rows of an unseen group may therefore all lie in one third.

    Parameters
    ----------
    values : (n_items,)
        Missing values are NaN.
    training : (n_items,)

    Returns
    -------
    (n_items,)
        0, 1 or 2; NaN for missing values, and everywhere if training rows do not vary.
    """
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    seen = values[known & training]
    if len(np.unique(seen)) < 2:
        return np.full(len(values), np.nan)
    edges = np.quantile(seen, np.arange(1, N_TERCILES) / N_TERCILES)
    return np.where(known, np.searchsorted(edges, values, side="right"), np.nan)
