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
        NaN where there is none.
    cells : (n_items,), optional
        Rows are ranked against rows of their own cell alone, so that the third is independent of
        the cell.

    Returns
    -------
    (n_items,)
        0, 1 or 2; NaN where there is no value, or where a cell's values are all the same or fewer
        than three. Equal values share a third.
    """
    table = pd.DataFrame({"value": np.asarray(values, dtype=np.float64)})
    table.loc[~np.isfinite(table["value"]), "value"] = np.nan
    table["cell"] = 0 if cells is None else np.asarray(cells)
    of_cell = table.groupby("cell")["value"]
    # The middle of a value's ranks, as a share of the cell's: (0, 1).
    place = (of_cell.rank(method="average") - 0.5) / of_cell.transform("count")
    thirds = np.floor(N_TERCILES * place)
    scarce = (of_cell.transform("count") < N_TERCILES) | (of_cell.transform("nunique") < 2)
    return thirds.mask(scarce).to_numpy(dtype=np.float64)


def thirds_of_training(values: ArrayLike, training: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lowest, middle and highest third of a number, between bounds that training rows set.

    The thirds are of the number itself, not relative to a speaker or a room: they are to be read
    from one spectrogram, which does not know whose it is. So rows of an unseen group may all lie
    in one third.

    Parameters
    ----------
    values : (n_items,)
        NaN where there is none.
    training : (n_items,)

    Returns
    -------
    (n_items,)
        0, 1 or 2; NaN where there is no value, and everywhere if training rows do not vary.
    """
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    seen = values[known & training]
    if len(np.unique(seen)) < 2:
        return np.full(len(values), np.nan)
    edges = np.quantile(seen, np.arange(1, N_TERCILES) / N_TERCILES)
    return np.where(known, np.searchsorted(edges, values, side="right"), np.nan)
