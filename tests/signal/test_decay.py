"""Decay curves against exponential decays whose reverberation time is known, and octave bands."""

import numpy as np
import pytest

from disentangled_audio.signal import decay
from tests.signal.octaves import octave_bands

SAMPLE_RATE_HZ = 16_000


def exponential(time_s: float, length_s: float) -> np.ndarray:
    """Amplitude that falls by exactly 60 dB in `time_s`."""
    return 10 ** (-3 * np.arange(round(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ / time_s)


def test_the_decay_curve_of_an_exponential_is_a_line() -> None:
    curve = decay.energy_decay_curve(exponential(0.5, 2.0)[None])
    assert curve[0, 0] == 0
    time_s = np.arange(8000) / SAMPLE_RATE_HZ
    np.testing.assert_allclose(curve[0, :8000], -60 * time_s / 0.5, atol=1e-3)


def test_the_decay_curve_ends_at_minus_infinity_without_a_warning() -> None:
    curve = decay.energy_decay_curve(np.array([[1.0, 1.0, 0.0]]))
    np.testing.assert_allclose(curve[0], [0, 10 * np.log10(0.5), -np.inf])


def test_an_item_of_zeros_is_refused() -> None:
    items = np.zeros((2, 100))
    items[0, 0] = 1
    with pytest.raises(ValueError, match=r"\[1\].*zeros"):
        decay.energy_decay_curve(items)


def test_octave_bands_pass_their_octave_only() -> None:
    time_s = np.arange(16_000) / SAMPLE_RATE_HZ
    tones = np.stack([np.sin(2 * np.pi * hz * time_s) for hz in (500, 1000, 4000)])
    power = np.mean(
        octave_bands(tones, SAMPLE_RATE_HZ, (500.0, 1000.0))[..., 2000:-2000] ** 2, axis=-1
    )
    assert power.shape == (3, 2)
    level_db = 10 * np.log10(power / 0.5)
    np.testing.assert_allclose(np.diag(level_db), 0, atol=0.05)
    assert level_db[0, 1] < -15
    assert level_db[1, 0] < -15
    assert np.all(level_db[2] < -40)


def test_octave_bands_are_3_db_down_at_their_edges() -> None:
    time_s = np.arange(32_000) / SAMPLE_RATE_HZ
    edge = np.sin(2 * np.pi * 1000 * np.sqrt(2) * time_s)[None]
    band = octave_bands(edge, SAMPLE_RATE_HZ, (1000.0,))[0, 0, 2000:-2000]
    assert 10 * np.log10(np.mean(band**2) / 0.5) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("bands_per_octave", [1, 3])
def test_the_filter_reaches_the_attenuation_at_the_given_ratio(bands_per_octave: int) -> None:
    place_hz = 1000 * decay.attenuated_ratio(50.0, bands_per_octave)
    # One bin of a transform of so many seconds.
    gains = decay.band_gains(16_000, 16_000, (1000.0,), bands_per_octave)[0]
    around_db = 20 * np.log10(gains[[int(place_hz), int(place_hz) + 1]])
    assert around_db[0] > -50 > around_db[1]
