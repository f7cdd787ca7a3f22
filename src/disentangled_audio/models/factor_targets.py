"""Factors for the losses: standardised numbers, one-hot classes, and one-hot cells of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_N_TERCILES = 3


@dataclass(frozen=True)
class FactorTarget:
    """One factor of all rows; rows without a value are zero.

    Attributes
    ----------
    values : (n_items, n_columns)
        A number in one column, with zero mean and unit variance in the training rows; or a one-hot
        class, where classes of further rows follow those of training rows.
    known : (n_items,)
        1 if the row has a value, otherwise 0.
    cells : (n_items, n_cells)
        One-hot class, or third of the number; the training rows set the limits.
    """

    values: NDArray[np.float32]
    known: NDArray[np.float32]
    cells: NDArray[np.float32]

    @property
    def is_number(self) -> bool:
        """Whether the factor is a number."""
        return self.values.shape[1] == 1


def factor_target(
    values: pd.Series, train_rows: NDArray[np.bool_], rows: NDArray[np.bool_] | None = None
) -> FactorTarget | None:
    """Prepare a factor; only training rows decide its scale, thirds and first classes.

    Parameters
    ----------
    values : (n_items,)
        Floating-point values are numbers, NaN if missing; other values are classes. Numbers that
        are positive in all training rows are replaced by their logarithms.
    train_rows : (n_items,)
    rows : (n_items,), optional
        Training rows and further rows of a refit; the classes of these are appended.

    Returns
    -------
    FactorTarget or None
        None if the factor does not vary in the training rows.
    """
    if pd.api.types.is_float_dtype(values):
        return _number(values.to_numpy(dtype=np.float64), train_rows)
    return _classes(values.astype("string"), train_rows, train_rows if rows is None else rows)


def _number(values: NDArray[np.float64], train_rows: NDArray[np.bool_]) -> FactorTarget | None:
    finite = np.isfinite(values)
    training = values[train_rows & finite]
    if len(training) == 0:
        return None
    if training.min() > 0.0:
        finite &= values > 0.0
        values = np.log(np.where(finite, values, 1.0))
        training = values[train_rows & finite]
    spread = training.std()
    if spread < 1e-9 * max(1.0, float(np.abs(training).max())):
        return None
    scaled = np.where(finite, (np.where(finite, values, 0.0) - training.mean()) / spread, 0.0)
    edges = np.quantile(training, np.arange(1, _N_TERCILES) / _N_TERCILES)
    third = np.searchsorted(edges, values, side="right")
    known = finite.astype(np.float32)
    cells = np.eye(_N_TERCILES, dtype=np.float32)[third] * known[:, None]
    return FactorTarget(scaled.astype(np.float32)[:, None], known, cells)


def _classes(
    values: pd.Series, train_rows: NDArray[np.bool_], rows: NDArray[np.bool_]
) -> FactorTarget | None:
    classes = sorted(values[train_rows].dropna().unique())
    if len(classes) < 2:
        return None
    classes += sorted(set(values[rows].dropna()) - set(classes))
    one_hot = np.stack([(values == name).fillna(False) for name in classes], axis=1)
    one_hot = one_hot.astype(np.float32)
    return FactorTarget(one_hot, one_hot.sum(axis=1), one_hot)
