"""Shortcut measures of signals whose values are known."""

import numpy as np
import pytest

from disentangled_audio.signal.shortcuts import (
    direct_sound_spectrum,
    floor_and_bandwidth,
    long_term_spectrum,
    stored_facts,
)

RATE_HZ = 16000


def _steps(values: np.ndarray) -> np.ndarray:
    return (values / 2.0**15).astype(np.float32)


def test_all_bits_in_use_are_odd_half_of_the_time() -> None:
    values = np.random.default_rng(0).integers(-3000, 3000, 4000)
    assert stored_facts(_steps(values))["lsb_odd_share"] == pytest.approx(0.5, abs=0.04)


def test_shifted_samples_are_never_odd() -> None:
    values = 4 * np.random.default_rng(0).integers(-700, 700, 4000)
    assert stored_facts(_steps(values))["lsb_odd_share"] == 0.0


def test_samples_between_steps_and_silence_have_no_bits() -> None:
    between = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    assert np.isnan(stored_facts(between)["lsb_odd_share"])
    silence = stored_facts(np.zeros(4000, dtype=np.float32))
    assert np.isnan(silence["lsb_odd_share"])
    assert silence["zero_share"] == 1.0


def test_the_last_tenth_has_its_level() -> None:
    signal = np.ones(1000, dtype=np.float32)
    signal[900:] = 0.1
    assert stored_facts(signal)["tail_dbfs"] == pytest.approx(-20.0, abs=1e-4)


def test_noise_floor_and_bandwidth_of_a_tone_that_stops() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * time_s)
    tone[RATE_HZ // 2 :] *= 0.01
    found = floor_and_bandwidth(tone[np.newaxis].astype(np.float32), RATE_HZ, 0.99)
    assert found["noise_floor_db"] == pytest.approx([-40.0], abs=0.1)
    assert found["bandwidth_hz"] == pytest.approx([1000.0], abs=25.0)


def test_the_direct_sounds_spectrum_knows_no_level_and_no_later_sound() -> None:
    rng = np.random.default_rng(1)
    clip = np.zeros((1, 4000), dtype=np.float32)
    clip[0, 500:580] = rng.uniform(0.5, 1.0, 80)
    later = clip.copy()
    later[0, 1000:] = 0.5 * rng.standard_normal(3000).astype(np.float32).clip(-1, 1)

    alone, with_later, louder = (
        direct_sound_spectrum(one, RATE_HZ, 0.005, 8) for one in (clip, later, 3 * clip)
    )

    np.testing.assert_allclose(alone, with_later)
    np.testing.assert_allclose(alone, louder, atol=1e-4)
    np.testing.assert_allclose(alone.mean(axis=1), 0.0, atol=1e-5)


def test_a_tone_is_in_its_band_of_the_long_term_spectrum() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)[np.newaxis]
    spectrum = long_term_spectrum(tone.astype(np.float32), RATE_HZ, 12, 50.0)
    edges_hz = np.geomspace(50.0, RATE_HZ / 2, 13)
    band = spectrum[0].argmax()
    assert edges_hz[band] <= 1000.0 <= edges_hz[band + 1]


def test_short_clips_have_all_bands() -> None:
    clips = np.random.default_rng(2).standard_normal((2, 100)).astype(np.float32)
    assert np.isfinite(long_term_spectrum(clips, RATE_HZ, 24, 50.0)).all()
    assert np.isfinite(direct_sound_spectrum(clips, RATE_HZ, 0.005, 16)).all()
