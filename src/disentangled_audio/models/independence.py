"""Differentiable losses for the dependence of a code on a factor."""

from __future__ import annotations

from typing import Any

from keras import ops

_SMALLEST = 1e-8


def gaussian_kernel(values: Any) -> Any:
    """Gaussian kernel exp(-d² / mean d²) of squared distances d² between rows.

    The width passes no gradient; otherwise shrinking it would lower the loss.

    Parameters
    ----------
    values : (n_rows, n_dims)

    Returns
    -------
    (n_rows, n_rows)
    """
    squares = ops.sum(ops.square(values), axis=1)
    distances = (
        squares[:, None] + squares[None, :] - 2.0 * ops.matmul(values, ops.transpose(values))
    )
    distances = ops.maximum(distances, 0.0)
    width = ops.stop_gradient(ops.mean(distances))
    return ops.exp(-distances / (width + _SMALLEST))


def centred_within(kernel: Any, cells: Any) -> Any:
    """Centre a kernel within cells.

    Parameters
    ----------
    kernel : (n_rows, n_rows)
    cells : (n_rows, n_cells)
        One-hot; rows of zeros are left out.

    Returns
    -------
    (n_rows, n_rows)
        H K H, where H subtracts the mean of each cell.
    """
    known = ops.sum(cells, axis=1)
    shares = cells / ops.maximum(ops.sum(cells, axis=0, keepdims=True), 1.0)
    residual = ops.diag(known) - ops.matmul(cells, ops.transpose(shares))
    return ops.matmul(residual, ops.matmul(kernel, residual))


def conditional_dependence(code: Any, factor: Any, cells: Any) -> Any:
    """Normalised Hilbert-Schmidt independence criterion of a code and a factor within cells.

    Parameters
    ----------
    code : (n_rows, n_dims)
    factor : (n_rows, n_columns)
        A standardised number in one column, or a one-hot class.
    cells : (n_rows, n_cells)
        One-hot, such as the target; rows of zeros (unknown factor) are left out.

    Returns
    -------
    scalar
        0 to 1; with few rows it is above 0 even if code and factor are independent.

    References
    ----------
    Gretton et al. (2005), "Measuring statistical dependence with Hilbert-Schmidt norms"; Cortes,
    Mohri and Rostamizadeh (2012), "Algorithms for learning kernels based on centered alignment",
    for the normalisation.
    """
    code_kernel = centred_within(gaussian_kernel(code), cells)
    factor_kernel = centred_within(gaussian_kernel(factor), cells)
    norms = ops.sum(ops.square(code_kernel)) * ops.sum(ops.square(factor_kernel))
    return ops.sum(code_kernel * factor_kernel) / ops.sqrt(norms + _SMALLEST)


def share_within(code: Any, cells: Any) -> Any:
    """Share of a code's variance that lies within cells.

    Parameters
    ----------
    code : (n_rows, n_dims)
    cells : (n_rows, n_cells)
        One-hot, such as the target; rows of zeros are left out.

    Returns
    -------
    scalar
        From 0 (all rows of a cell have the same code) to 1 (all cells have the same mean).

    References
    ----------
    Wen et al. (2016), "A discriminative feature learning approach for deep face recognition"
    (center loss), here with the means of a batch and relative to the total variance, so that
    shrinking the code does not lower the loss.
    """
    known = ops.sum(cells, axis=1, keepdims=True)
    n_known = ops.maximum(ops.sum(known), 1.0)
    overall = known * (code - ops.sum(known * code, axis=0, keepdims=True) / n_known)
    counts = ops.maximum(ops.sum(cells, axis=0), 1.0)[:, None]
    means = ops.matmul(ops.transpose(cells), code) / counts
    within = known * code - ops.matmul(cells, means)
    return ops.sum(ops.square(within)) / (ops.sum(ops.square(overall)) + _SMALLEST)
