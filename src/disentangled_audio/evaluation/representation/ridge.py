"""Linear probes of numbers, and the variance they explain."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from disentangled_audio.evaluation.representation.probes import MAX_SINGLE_GROUP_FOLDS
from disentangled_audio.evaluation.scores.intervals import draw_sums, percentile_interval

RIDGE_ALPHAS = np.logspace(-3, 4, 15)
N_RIDGE_FOLDS = 5


def ridge_predictions(
    code: NDArray[np.floating],
    values: NDArray[np.floating],
    unseen_code: NDArray[np.floating],
    groups: NDArray[Any],
) -> NDArray[np.float64]:
    """Fit a linear probe of a number to some rows, and predict it for others.

    The penalty is chosen by leaving out groups. Rows of a room share one reverberation time, so a
    probe chosen by single rows could memorise the rooms.

    Parameters
    ----------
    code : (n_items, n_dims)
    values : (n_items,)
        Rows with NaN are left out.
    unseen_code : (n_unseen, n_dims)
    groups : (n_items,)
        If there is only one group, single rows are left out instead.

    Returns
    -------
    (n_unseen,)

    References
    ----------
    Hoerl and Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems".
    """
    known = np.isfinite(values)
    scaler = StandardScaler().fit(code[known])
    scaled, values = scaler.transform(code[known]), np.asarray(values)[known]
    penalty = _ridge_penalty(scaled, values, np.asarray(groups)[known])
    return Ridge(alpha=penalty).fit(scaled, values).predict(scaler.transform(unseen_code))


def _ridge_penalty(
    scaled: NDArray[np.floating], values: NDArray[np.floating], groups: NDArray[Any]
) -> float:
    """Penalty with the smallest squared error on left-out groups."""
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        return float(RidgeCV(alphas=RIDGE_ALPHAS).fit(scaled, values).alpha_)
    n_folds = n_groups if n_groups <= MAX_SINGLE_GROUP_FOLDS else N_RIDGE_FOLDS
    # One column per penalty, so that one decomposition solves them all.
    columns = np.tile(values[:, np.newaxis], len(RIDGE_ALPHAS))
    probe = Ridge(alpha=RIDGE_ALPHAS, solver="svd")
    errors = [
        mean_squared_error(
            columns[left_out],
            probe.fit(scaled[seen], columns[seen]).predict(scaled[left_out]),
            multioutput="raw_values",
        )
        for seen, left_out in GroupKFold(n_folds).split(scaled, groups=groups)
    ]
    # Squared error, because r2 is undefined within groups of one value.
    return float(RIDGE_ALPHAS[np.argmin(np.mean(errors, axis=0))])


def r2_by_group(
    values: NDArray[np.floating],
    predicted: NDArray[np.floating],
    groups: NDArray[Any],
    *,
    rng: np.random.Generator,
) -> Mapping[str, float | int | str | None]:
    """Share of a number's variance that held-out predictions explain, with an interval.

    Parameters
    ----------
    values, predicted : (n_items,)
        Missing values are NaN.
    groups : (n_items,)
        Whole groups are drawn, with replacement.

    Returns
    -------
    dict
        ``r2`` (at most 1; 0 for predicting the mean), ``low``, ``high``, ``n_items``,
        ``n_groups``, and ``reason`` if the numbers are None.

    References
    ----------
    Davison and Hinkley (1997), "Bootstrap methods and their application", 3.8 (resampling whole
    groups).
    """
    known = np.isfinite(values)
    values, predicted = np.asarray(values)[known], np.asarray(predicted)[known]
    names, members = np.unique(np.asarray(groups)[known].astype(str), return_inverse=True)
    result = {"n_items": int(known.sum()), "n_groups": len(names)}
    reason = _no_r2(values, len(names))
    if reason:
        return {"r2": None, "low": None, "high": None, **result, "reason": reason}
    # A resample of groups needs only the sums by group.
    terms = np.stack([np.ones(len(values)), values, values**2, (values - predicted) ** 2])
    by_group = np.stack(
        [np.bincount(members, weights=term) for term in terms], axis=1, dtype=np.float64
    )
    resampled = _r2(draw_sums(by_group, n_resamples=1000, rng=rng))
    # Resamples without variance have no r2.
    low, high = percentile_interval(resampled[np.isfinite(resampled)])
    whole = float(_r2(by_group.sum(axis=0)))
    return {"r2": whole, "low": low, "high": high, **result, "reason": ""}


def _no_r2(values: NDArray[np.floating], n_groups: int) -> str:
    if n_groups < 2:
        return f"{n_groups} group with values" if n_groups else "no value"
    return "constant" if np.ptp(values) == 0 else ""


def _r2(sums: NDArray[np.floating]) -> NDArray[np.floating]:
    """r2 from the number of rows and the sums of values, their squares, and squared errors."""
    count, total, squares, errors = np.moveaxis(sums, -1, 0)
    variation = squares - total**2 / count
    variation = np.where(variation > 1e-9 * squares, variation, np.nan)
    return 1.0 - errors / variation
