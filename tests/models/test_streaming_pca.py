"""PCA from chunks beside the exact one, whatever the chunks, and which rows are read."""

import logging
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from skops import io

from disentangled_audio.models import streaming_pca
from disentangled_audio.models.streaming_pca import fit_scaled_pca, project
from disentangled_audio.signal.fourier import log_spectrum
from tests.arrays import chunked

N_ROWS, N_COMPONENTS = 5000, 20


def _decaying_noise() -> np.ndarray:
    """Log spectra of noise that decays at several rates, through a few low-pass filters."""
    rng = np.random.default_rng(0)
    time_s = np.arange(512) / 1000
    decays = np.exp(-time_s / rng.uniform(0.02, 0.3, (N_ROWS, 1)))
    noise = rng.standard_normal((N_ROWS, 512)) * decays
    slopes = rng.uniform(0.0, 0.1, (N_ROWS, 1))
    return log_spectrum(noise.astype(np.float32)) - slopes.astype(np.float32) * np.arange(257)


def _flat() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((N_ROWS, 257)).astype(np.float32)


@pytest.fixture(scope="module", params=[_decaying_noise, _flat], ids=["decaying", "flat"])
def spectra(request: pytest.FixtureRequest) -> np.ndarray:
    return request.param()


def _every(values: np.ndarray) -> np.ndarray:
    return np.ones(len(values), dtype=bool)


def _streamed(values: Any, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, n_rows: int) -> Any:
    """Fitted on chunks of `n_rows` rows."""
    monkeypatch.setattr(streaming_pca, "_FIT_BYTES", n_rows * 4 * values.shape[1])
    return fit_scaled_pca(values, rows, N_COMPONENTS, max_exact_rows=100, seed=0)


def test_explained_variance_is_that_of_the_exact_pca(
    spectra: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = StandardScaler().fit_transform(spectra.astype(np.float64))
    exact = PCA(N_COMPONENTS, svd_solver="full").fit(scaled)

    model = _streamed(spectra, _every(spectra), monkeypatch, 700)

    pca = model[-1]
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
        np.testing.assert_allclose(getattr(pca, name), getattr(exact, name), rtol=1e-4)
    assert pca.noise_variance_ == pytest.approx(exact.noise_variance_, rel=1e-4)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(N_COMPONENTS), atol=1e-9)


def test_leading_components_are_those_of_the_exact_pca_signs_included(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = _flat() * np.linspace(4.0, 1.0, 257, dtype=np.float32)
    # Columns of equal scale would have no leading component: mix them first.
    values[:, 1:] += values[:, :1]
    values[:, 200:] += 3 * values[:, 100:101]
    scaled = StandardScaler().fit_transform(values.astype(np.float64))
    exact = PCA(N_COMPONENTS, svd_solver="full").fit(scaled)

    model = _streamed(values, _every(values), monkeypatch, 700)

    np.testing.assert_allclose(model[-1].components_[:2], exact.components_[:2], atol=1e-3)
    np.testing.assert_allclose(
        model.transform(values)[:, :2], exact.transform(scaled)[:, :2], atol=1e-2
    )


def test_neither_chunks_nor_the_order_of_rows_matter(
    spectra: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = _every(spectra)
    one = _streamed(spectra, every, monkeypatch, 5000)
    others = [
        _streamed(chunked(spectra), every, monkeypatch, 333),
        _streamed(np.random.default_rng(0).permutation(spectra), every, monkeypatch, 700),
    ]

    for other in others:
        np.testing.assert_allclose(
            other[-1].explained_variance_, one[-1].explained_variance_, rtol=1e-5
        )
        np.testing.assert_allclose(other[0].scale_, one[0].scale_, rtol=1e-6)


@pytest.mark.parametrize("max_exact_rows", [100, 5000])
def test_only_wanted_rows_are_read(max_exact_rows: int) -> None:
    values = _flat()
    wanted = np.arange(N_ROWS) % 3 > 0
    clean = fit_scaled_pca(values[wanted], _every(values[wanted]), 5, max_exact_rows, 0)
    values[~wanted] = np.nan

    model = fit_scaled_pca(values, wanted, 5, max_exact_rows, 0)

    np.testing.assert_allclose(
        model[-1].explained_variance_, clean[-1].explained_variance_, rtol=1e-5
    )
    assert np.isfinite(model.transform(values[wanted])).all()


def test_few_rows_are_fitted_as_scikit_learn_does() -> None:
    values = _flat()[:300]
    expected = PCA(10, random_state=3).fit(StandardScaler().fit_transform(values))

    model = fit_scaled_pca(chunked(values), _every(values), 10, max_exact_rows=300, seed=3)

    np.testing.assert_array_equal(model[-1].components_, expected.components_)


def test_covariances_that_are_too_large_are_not_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streaming_pca, "MAX_COVARIANCE_FEATURES", 256)
    values = _flat()

    with caplog.at_level(logging.WARNING):
        model = fit_scaled_pca(values, _every(values), 5, max_exact_rows=400, seed=0)

    assert model[-1].n_samples_ == 400
    assert "400 of 5000 training rows" in caplog.text


def test_rows_projected_chunk_by_chunk_are_those_projected_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = _decaying_noise()
    model = fit_scaled_pca(values, _every(values), 5, max_exact_rows=100, seed=0)
    at_once = project(model, values)

    monkeypatch.setattr(streaming_pca, "_PROJECT_BYTES", 1)

    assert at_once.shape == (N_ROWS, 5)
    np.testing.assert_allclose(project(model, chunked(values)), at_once, atol=1e-3)


def test_a_streamed_pca_is_loaded_without_pickle() -> None:
    values = _flat()
    model = fit_scaled_pca(values, _every(values), 5, max_exact_rows=100, seed=0)

    stored = io.dumps(model)

    assert io.get_untrusted_types(data=stored) == []
    np.testing.assert_array_equal(io.loads(stored).transform(values), model.transform(values))
