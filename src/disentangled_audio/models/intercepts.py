"""Intercepts of support vector machines that libsvm leaves to chance.

With a small C and few rows, every coefficient may lie at its bound. Then each intercept within a
range is optimal. libsvm takes the middle of that range, but rounding leaves coefficients a hair
below their bound; it calls these free, and one such row sets the intercept. So the middle is
computed here where no coefficient lies clearly inside its bounds.

References
----------
Chang and Lin (2011), "LIBSVM: a library for support vector machines", ACM TIST 2 (3), 4.1.5.
"""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

# Share of its bound by which a coefficient must differ from both bounds to be free.
_MARGIN = 1e-6


def centre_intercepts(svm: SVC, given: NDArray[np.float64], target: NDArray[Any]) -> SVC:
    """Move intercepts to the middle of their range where no coefficient is free.

    Parameters
    ----------
    svm : SVC
        Fitted, with an RBF or a precomputed kernel; changed in place.
    given : (n_rows, n_features) or (n_rows, n_rows)
        Rows, or the kernel between them, that the machine was fitted to.
    target : (n_rows,)

    Returns
    -------
    The machine.
    """
    ends = np.cumsum(svm.n_support_)
    parts = [slice(end - n, end) for end, n in zip(ends, svm.n_support_, strict=True)]
    bounds = svm.C * svm.class_weight_
    pairs = combinations(range(len(svm.classes_)), 2)
    for number, (first, second) in enumerate(pairs):
        # Coefficients of the pair's support vectors, positive for the first class.
        coefficients = np.concatenate(
            [svm._dual_coef_[second - 1, parts[first]], svm._dual_coef_[first, parts[second]]]
        )
        bound = np.repeat(bounds[[first, second]], svm.n_support_[[first, second]])
        share = np.abs(coefficients) / bound
        if ((share > _MARGIN) & (share < 1 - _MARGIN)).any():
            continue
        support = np.concatenate([svm.support_[parts[first]], svm.support_[parts[second]]])
        rows = np.flatnonzero(np.isin(target, svm.classes_[[first, second]]))
        kernel = (
            given[np.ix_(rows, support)]
            if svm.kernel == "precomputed"
            else rbf_kernel(given[rows], given[support], gamma=svm.gamma)
        )
        middle = _middle(
            kernel @ coefficients,
            target[rows] == svm.classes_[first],
            np.isin(rows, support[share > 0.5]),
        )
        svm._intercept_[number] = middle
        # With two classes, scikit-learn turns the sign of what it shows.
        svm.intercept_[number] = -middle if len(svm.classes_) == 2 else middle
    return svm


def _middle(
    values: NDArray[np.float64], is_first: NDArray[np.bool_], is_bound: NDArray[np.bool_]
) -> float:
    """Middle of the intercepts that satisfy the optimality conditions of all rows."""
    # Rows at the upper bound lie on the margin or inside it, the others on it or outside.
    on_margin = np.where(is_first, 1.0, -1.0) - values
    is_lower = is_first != is_bound
    return float((on_margin[is_lower].max() + on_margin[~is_lower].min()) / 2)
