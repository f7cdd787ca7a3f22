"""The background of a clip is measured where the sound pauses, and nowhere else."""

import numpy as np
import pytest

from disentangled_audio.signal.quiet_parts import quiet_parts
from disentangled_audio.signal.shortcuts import long_term_spectrum

pytestmark = pytest.mark.filterwarnings("error")
RATE_HZ = 16_000
BANDS = (RATE_HZ, 24, 50.0)


def noise(seed=0, n_samples=RATE_HZ):
    return np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)


def low_noise(seed=0):
    """Noise that falls by 6 dB an octave from 200 Hz."""
    spectrum = np.fft.rfft(noise(seed))
    low = np.fft.irfft(spectrum / (1 + np.arange(len(spectrum)) / 200)).astype(np.float32)
    return low / low.std()


def burst(hz=1000.0, level=100.0):
    """A tone of a quarter of a second within a second of silence."""
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = level * np.sin(2 * np.pi * hz * time_s)
    return np.where((time_s >= 0.25) & (time_s < 0.5), tone, 0).astype(np.float32)


def measured(*clips, recorded=None):
    stacked = np.stack(clips)
    whole = np.tile([0, stacked.shape[1]], (len(clips), 1))
    return quiet_parts(stacked, whole if recorded is None else np.array(recorded), *BANDS)


@pytest.mark.parametrize("background", [noise, low_noise])
def test_level_and_spectrum_are_those_of_the_background_whatever_the_sound(background):
    values = measured(burst(440.0) + background(), burst(3000.0) + background())
    np.testing.assert_allclose(values[0, 1:], values[1, 1:])
    # A sine's mean square is half of its squared amplitude.
    np.testing.assert_allclose(values[:, 0], -10 * np.log10(100**2 / 2), atol=0.5)
    # Frames of 20 ms do not resolve the lower half of the bands.
    (alone,) = long_term_spectrum(background()[np.newaxis], *BANDS)
    bands, expected = values[0, 13:], alone[12:]
    np.testing.assert_allclose(bands - bands.mean(), expected - expected.mean(), atol=1.5)


@pytest.mark.parametrize("gain", [1e-3, 1e3])
def test_gain_changes_nothing(gain):
    clip = burst() + noise()
    np.testing.assert_allclose(measured(np.float32(gain) * clip), measured(clip), atol=1e-3)


def test_a_steady_sound_has_no_quiet_part():
    assert np.isnan(measured(noise(), burst(level=3.0) + noise())).all()


@pytest.mark.parametrize("fall_db", [20, 30, 60, 90])
def test_a_decay_that_does_not_reach_the_noise_has_none(fall_db):
    decay = 10 ** (-fall_db / 20 * np.arange(RATE_HZ) / RATE_HZ)
    clips = [(noise(seed) * decay).astype(np.float32) for seed in range(8)]
    assert np.isnan(measured(*clips)).all()


def test_a_decay_that_ends_in_noise_has_the_noise():
    decay = 10 ** (-120 / 20 * np.arange(RATE_HZ) / RATE_HZ)
    values = measured((noise(1) * decay + 1e-3 * noise(2)).astype(np.float32))
    assert values[0, 0] == pytest.approx(-60 + 1.2, abs=1.5)


def test_digital_silence_is_no_noise():
    padded = burst() + noise()
    padded[:2000] = padded[14_000:] = 0
    assert measured(padded)[0, 0] == pytest.approx(-37, abs=1)
    assert np.isnan(measured(burst(), np.zeros(RATE_HZ, np.float32))).all()


def test_what_was_filled_in_is_not_looked_at():
    clip = burst() + noise()
    filled = clip.copy()
    filled[:1600], filled[12_800:] = 0.1 * low_noise()[:1600], 0.1 * low_noise()[12_800:]
    part = [[1600, 12_800]]
    np.testing.assert_array_equal(measured(filled, recorded=part), measured(clip, recorded=part))


@pytest.mark.parametrize("n_samples", [1, 10, 400])
def test_very_short_clips_have_none(n_samples):
    assert np.isnan(measured(noise(n_samples=n_samples))).all()
