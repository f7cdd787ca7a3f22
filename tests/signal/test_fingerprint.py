"""The same sound is found again whatever its level, with a little noise, a little later."""

import numpy as np
import pytest

from disentangled_audio.evaluation.shortcuts.leaks import SAME_SOUND
from disentangled_audio.signal.fingerprint import best_correlation, fingerprints

N_CLIPS, N_SAMPLES, RATE_HZ = 200, 8000, 16_000


@pytest.fixture(scope="module")
def clips():
    """Decaying noises, all with the same decay and spectrum: only their fine structure differs."""
    decay = np.exp(-6.9 * np.arange(N_SAMPLES) / RATE_HZ / 0.3)
    noises = np.random.default_rng(0).standard_normal((N_CLIPS, N_SAMPLES))
    return (noises * decay).astype(np.float32)


def changed(clips, gain=1.0, shift_s=0.0, snr_db=None):
    n_shift = round(shift_s * RATE_HZ)
    copies = np.zeros_like(clips)
    copies[:, n_shift:] = gain * clips[:, : clips.shape[1] - n_shift]
    if snr_db is not None:
        level = np.sqrt(np.square(copies).mean(axis=1, keepdims=True)) * 10 ** (-snr_db / 20)
        copies += level * np.random.default_rng(1).standard_normal(copies.shape)
    return copies.astype(np.float32)


@pytest.mark.parametrize(
    "change",
    [
        {"gain": -0.01},
        {"shift_s": 0.005},
        {"snr_db": 30},
        {"gain": 20, "shift_s": 0.005, "snr_db": 30},
    ],
)
def test_changed_copies_are_found_and_others_are_not(clips, change):
    copies = changed(clips, **change)
    products = fingerprints(copies) @ fingerprints(clips).T
    assert (products.argmax(axis=1) == np.arange(N_CLIPS)).all()
    assert (best_correlation(copies, clips) >= SAME_SOUND).all()
    np.fill_diagonal(products, -1)
    assert (best_correlation(copies, clips[products.argmax(axis=1)]) < 0.6).all()


def test_correlation_under_noise_is_the_analytic_one(clips):
    copies = changed(clips, snr_db=10)
    np.testing.assert_allclose(best_correlation(clips, copies), np.sqrt(10 / 11), atol=0.01)


def test_products_are_those_of_the_spectra(clips):
    magnitude = np.abs(np.fft.rfft(clips, axis=1))
    magnitude /= np.linalg.norm(magnitude, axis=1, keepdims=True)
    sketched = fingerprints(clips) @ fingerprints(clips).T
    # The sketch's standard deviation is at most 1 / sqrt(256).
    assert np.abs(sketched - magnitude @ magnitude.T).mean() < 1 / 16


def test_silence_has_a_zero_fingerprint():
    assert (fingerprints(np.zeros((1, 100), np.float32)) == 0).all()
