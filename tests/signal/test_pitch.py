"""Pitch salience against tones of known period; modes against a decaying sine."""

import numpy as np
import pytest

from disentangled_audio.signal import pitch

SAMPLE_RATE_HZ = 8000


def _harmonic_tone(f0_hz: float, n_samples: int = 400) -> np.ndarray:
    times_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    partials = [np.sin(2.0 * np.pi * n * f0_hz * times_s) / n for n in range(1, 8)]
    return np.sum(partials, axis=0).astype(np.float32)[None, None]


def test_grid_is_logarithmic_and_includes_whole_octaves() -> None:
    grid_hz = pitch.log_f0_grid_hz(100.0, 400.0, 12)

    assert len(grid_hz) == 25
    assert grid_hz[[0, 12, 24]] == pytest.approx([100.0, 200.0, 400.0])


@pytest.mark.parametrize("f0_hz", [100.0, 200.0, 283.0])
def test_salience_of_a_harmonic_tone_peaks_at_its_fundamental(f0_hz: float) -> None:
    grid_hz = pitch.log_f0_grid_hz(70.0, 400.0, 48)
    salience = pitch.f0_salience(_harmonic_tone(f0_hz), grid_hz, SAMPLE_RATE_HZ)

    found_hz, strength = pitch.f0_track(salience, grid_hz)

    assert 12.0 * abs(np.log2(found_hz[0, 0] / f0_hz)) < 0.3  # semitones
    assert strength[0, 0] > 0.95


def test_a_missing_fundamental_is_found() -> None:
    times_s = np.arange(400) / SAMPLE_RATE_HZ
    tone = sum(np.sin(2.0 * np.pi * frequency * times_s) for frequency in (400, 600, 800))
    grid_hz = pitch.log_f0_grid_hz(70.0, 400.0, 24)

    salience = pitch.f0_salience(tone.astype(np.float32)[None, None], grid_hz, SAMPLE_RATE_HZ)

    assert pitch.f0_track(salience, grid_hz)[0][0, 0] == pytest.approx(200.0, rel=0.02)


def test_noise_is_not_voiced_and_silence_has_no_salience() -> None:
    grid_hz = pitch.log_f0_grid_hz(70.0, 400.0, 24)
    noise = np.random.default_rng(0).standard_normal((1, 50, 400)).astype(np.float32)

    strength = pitch.f0_track(pitch.f0_salience(noise, grid_hz, SAMPLE_RATE_HZ), grid_hz)[1]
    silence = pitch.f0_salience(np.zeros((1, 1, 400), np.float32), grid_hz, SAMPLE_RATE_HZ)

    assert np.median(strength) < 0.5
    assert not silence.any()


def test_frames_must_hold_two_periods() -> None:
    with pytest.raises(ValueError, match="two periods of 50 Hz"):
        pitch.f0_salience(np.zeros((1, 1, 200), np.float32), np.array([50.0]), SAMPLE_RATE_HZ)


def test_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="f0_min_hz < f0_max_hz"):
        pitch.log_f0_grid_hz(400.0, 70.0, 12)


def test_median_ignores_unvoiced_frames() -> None:
    f0_hz = np.array([[100.0, 120.0, 400.0, 110.0], [90.0, 90.0, 90.0, 90.0]], np.float32)
    voiced = np.array([[True, True, False, True], [False] * 4])

    median_hz = pitch.median_f0_hz(f0_hz, voiced)

    assert median_hz[0] == 110.0
    assert np.isnan(median_hz[1])


def test_modal_power_peaks_at_a_decaying_resonance() -> None:
    times_s = np.arange(4000) / SAMPLE_RATE_HZ
    mode = np.exp(-6.0 * times_s) * np.sin(2.0 * np.pi * 85.0 * times_s)
    frequencies_hz = np.arange(30.0, 200.0, 5.0)

    power = pitch.modal_power(mode.astype(np.float32)[None, None], frequencies_hz, SAMPLE_RATE_HZ)

    assert frequencies_hz[power[0, 0].argmax()] == 85.0


def test_unknown_frames_are_interpolated_and_ends_are_repeated() -> None:
    values = np.array([[9.0, 1.0, 9.0, 3.0, 9.0], [9.0] * 5])
    known = np.array([[False, True, False, True, False], [False] * 5])

    filled = pitch.interpolated(values, known)

    assert filled.tolist() == [[1.0, 1.0, 2.0, 3.0, 3.0], [0.0] * 5]
