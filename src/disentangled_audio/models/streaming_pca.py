"""Scaler and PCA for more rows than fit into memory; arrays are read chunk by chunk."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import svd_flip

_logger = logging.getLogger(__name__)

_FIT_BYTES = 2**25
# Smaller arrays are projected in one piece.
_PROJECT_BYTES = 2**27
# A covariance matrix of this size has 1.25 GB.
MAX_COVARIANCE_FEATURES = 12_500


def fit_scaled_pca(
    values: Any,
    rows: NDArray[np.bool_],
    n_components: int,
    max_exact_rows: int,
    seed: int,
) -> Pipeline:
    """Standardise each feature, then take the principal components.

    Up to `max_exact_rows` rows are fitted at once. With more rows, two passes over the chunks
    compute the scaler and the exact covariance, whose leading eigenvectors are the components:
    memory grows with the square of the features, not with the rows. With more than
    `MAX_COVARIANCE_FEATURES` features the covariance would be too large; then a random sample of
    `max_exact_rows` rows is fitted.

    Parameters
    ----------
    values : (n_items, n_features)
        NumPy or zarr array; only chunks with wanted rows are read.
    rows : (n_items,)
        Mask of the rows to fit.
    n_components : int
        At most the number of rows and of features.
    max_exact_rows : int
    seed : int

    Returns
    -------
    Pipeline
        Fitted `StandardScaler` and `PCA`.

    Notes
    -----
    The variance of spectra falls off slowly. scikit-learn's `IncrementalPCA` misses 4 to 10 % of
    that of the first 60 components, with an oversampling of 60 to 240.
    """
    if rows.sum() > max_exact_rows and values.shape[1] > MAX_COVARIANCE_FEATURES:
        _logger.warning(
            "PCA of %d features is fitted on %d of %d training rows, drawn at random",
            *(values.shape[1], max_exact_rows, rows.sum()),
        )
        chosen = np.random.default_rng(seed).choice(np.flatnonzero(rows), max_exact_rows, False)
        rows = np.isin(np.arange(len(rows)), chosen)
    if rows.sum() <= max_exact_rows:
        # The solver that scikit-learn would choose misses some percent of the variance of spectra.
        model = make_pipeline(StandardScaler(), PCA(n_components, svd_solver="full"))
        return model.fit(np.concatenate(list(_chunks(values, rows, _FIT_BYTES))))
    scaler = StandardScaler()
    for chunk in _chunks(values, rows, _FIT_BYTES):
        scaler.partial_fit(chunk)
    covariance = np.zeros((values.shape[1], values.shape[1]))
    for chunk in _chunks(values, rows, _FIT_BYTES):
        scaled = scaler.transform(chunk.astype(np.float64))
        covariance += scaled.T @ scaled
    n_rows = int(rows.sum())
    covariance /= n_rows - 1
    return make_pipeline(scaler, _pca_of(covariance, n_components, n_rows))


def project(model: Pipeline, values: Any) -> NDArray[np.floating]:
    """Project every row onto the components, (n_items, n_components), chunk by chunk."""
    every = np.ones(values.shape[0], dtype=bool)
    return np.concatenate(
        [model.transform(chunk) for chunk in _chunks(values, every, _PROJECT_BYTES)]
    )


def _pca_of(covariance: NDArray[np.float64], n_components: int, n_rows: int) -> PCA:
    """PCA from the covariance of centred rows; overwrites the covariance.

    Attributes and signs are those that scikit-learn documents for `PCA.fit`.
    """
    n_features = len(covariance)
    total = float(np.trace(covariance))
    variances, vectors = eigh(
        covariance,
        subset_by_index=[n_features - n_components, n_features - 1],
        overwrite_a=True,
        check_finite=False,
    )
    # Rounding can make a variance of zero negative.
    variances = np.maximum(variances[::-1], 0.0)
    _, components = svd_flip(None, np.ascontiguousarray(vectors[:, ::-1].T), u_based_decision=False)
    pca = PCA(n_components, svd_solver="covariance_eigh")
    pca.mean_ = np.zeros(n_features)
    pca.components_ = components
    pca.explained_variance_ = variances
    pca.explained_variance_ratio_ = variances / total
    pca.singular_values_ = np.sqrt(variances * (n_rows - 1))
    left_out = min(n_features, n_rows) - n_components
    pca.noise_variance_ = max(total - variances.sum(), 0.0) / left_out if left_out else 0.0
    pca.n_components_ = n_components
    pca.n_features_in_ = n_features
    pca.n_samples_ = n_rows
    return pca


def _chunks(values: Any, rows: NDArray[np.bool_], n_bytes: int) -> Iterator[NDArray[np.floating]]:
    """Yield the wanted rows in order; at most `n_bytes` are read at a time."""
    stored = getattr(values, "chunks", (1,))[0]
    n_items = max(1, n_bytes // (values.dtype.itemsize * values.shape[1]))
    # A multiple of the stored chunks, so that none is read twice.
    n_items = max(n_items // stored, 1) * stored
    for first in range(0, len(rows), n_items):
        wanted = rows[first : first + n_items]
        if wanted.any():
            yield values[first : first + n_items][wanted]
