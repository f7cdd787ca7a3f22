"""Levels of the spectrum against tones and noise."""

import numpy as np
import pytest
from scipy.signal import get_window

from disentangled_audio.signal.blocks import BLOCK_SAMPLES
from disentangled_audio.signal.fourier import hann_window, log_spectrum

N_SAMPLES = 1000


def _noise(n_items: int, n_samples: int = N_SAMPLES) -> np.ndarray:
    noise = np.random.default_rng(5).standard_normal((n_items, n_samples))
    return noise.astype(np.float32)


@pytest.mark.parametrize("cycles", [1, 37, 250, 499])
def test_a_tone_is_one_bin_at_its_analytic_level(cycles: int) -> None:
    amplitude = 0.5
    phase = 2 * np.pi * cycles * np.arange(N_SAMPLES) / N_SAMPLES
    tone = (amplitude * np.cos(phase)).astype(np.float32)[None]

    spectrum = log_spectrum(tone)[0]

    # |X| is amplitude * n / 2, so the power over n is amplitude² * n / 4.
    expected_db = 10 * np.log10(amplitude**2 * N_SAMPLES / 4)
    assert spectrum.argmax() == cycles
    assert spectrum[cycles] == pytest.approx(expected_db, abs=1e-3)
    assert np.delete(spectrum, cycles).max() < expected_db - 60


def test_white_noise_of_unit_energy_has_a_mean_power_of_0_db() -> None:
    power = 10 ** (log_spectrum(_noise(200)) / 10)

    assert 10 * np.log10(power.mean()) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("n_samples", "n_bins"), [(1000, 501), (999, 500), (1, 1)])
def test_a_real_signal_has_half_of_the_bins(n_samples: int, n_bins: int) -> None:
    spectra = log_spectrum(_noise(3, n_samples))

    assert spectra.shape == (3, n_bins)
    assert spectra.dtype == np.float32


def test_nothing_is_below_the_floor_and_silence_is_at_it() -> None:
    clips = np.stack([np.zeros(64, np.float32), np.full(64, 1e-3, np.float32)])

    spectra = log_spectrum(clips, floor_db=-50.0)

    np.testing.assert_allclose(spectra[0], -50.0, atol=1e-4)
    # A constant of 1e-3 is its bin 0: 1e-6 * 64.
    assert spectra[1, 0] == pytest.approx(10 * np.log10(64e-6), abs=1e-3)
    np.testing.assert_allclose(spectra[1, 1:], -50.0, atol=1e-4)


def test_a_row_depends_neither_on_its_neighbours_nor_on_its_block() -> None:
    # Several blocks, the last of them short.
    clips = _noise(2 * (BLOCK_SAMPLES // 8000) + 3, 8000)
    others = clips.copy()
    others[1:] *= 100

    spectra = log_spectrum(clips)

    np.testing.assert_array_equal(spectra[0], log_spectrum(others)[0])
    for row in (0, len(clips) // 2, len(clips) - 1):
        np.testing.assert_allclose(spectra[row], log_spectrum(clips[[row]])[0], atol=1e-4)


@pytest.mark.parametrize("n_samples", [1, 999, 4000, 16000])
def test_levels_agree_with_a_transform_in_double_precision(n_samples: int) -> None:
    clips = _noise(40, n_samples)
    clips[::2] += 10 * np.cos(0.3 * np.arange(n_samples), dtype=np.float32)

    spectra = log_spectrum(clips, floor_db=-200.0)

    power = np.abs(np.fft.fft(clips.astype(np.float64), axis=1)) ** 2 / n_samples
    expected = power[:, : n_samples // 2 + 1]
    # Single precision leaves an error in amplitude of some 1e-6 of the strongest bin.
    error = np.abs(10 ** (spectra.astype(np.float64) / 20) - np.sqrt(expected))
    assert (error <= 2e-6 * np.sqrt(expected.max(axis=1, keepdims=True))).all()
    strong = expected >= 1e-4 * expected.max(axis=1, keepdims=True)
    np.testing.assert_allclose(spectra[strong], 10 * np.log10(expected[strong]), atol=1e-3)


def test_no_rows_give_no_rows() -> None:
    assert log_spectrum(np.empty((0, 10), np.float32)).shape == (0, 6)


@pytest.mark.parametrize("n_samples", [2, 3, 205, 400, 1024])
def test_the_window_is_that_of_scipy_to_the_bit(n_samples: int) -> None:
    np.testing.assert_array_equal(hann_window(n_samples), get_window("hann", n_samples))
