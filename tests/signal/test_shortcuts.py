"""Facts of a recording's chain against signals of which they are known."""

import numpy as np
import pytest

from disentangled_audio.signal.shortcuts import (
    direct_sound_spectrum,
    long_term_spectrum,
    recording_facts,
    stored_facts,
)

pytestmark = pytest.mark.filterwarnings("error")
RATE_HZ = 16_000


def noise(n_samples=RATE_HZ, level=0.1, seed=0):
    signal = level * np.random.default_rng(seed).standard_normal(n_samples)
    return (np.rint(signal * 2**15) / 2**15).astype(np.float32)


def test_a_full_16_bit_file_has_odd_values_and_all_bits():
    facts = stored_facts(noise())
    assert facts["effective_bits"] == 16
    assert facts["lsb_odd_share"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("bits", [8, 12, 15])
def test_unused_low_bits_are_found(bits):
    step = 2.0 ** (1 - bits)
    facts = stored_facts((np.rint(noise() / step) * step).astype(np.float32))
    assert facts["effective_bits"] == bits
    assert facts["lsb_odd_share"] == 0


def test_samples_between_the_steps_have_no_last_bit():
    facts = stored_facts(noise() + np.float32(2**-17))
    assert np.isnan(facts["lsb_odd_share"])
    assert np.isnan(facts["effective_bits"])


def test_values_beyond_whole_numbers_are_no_error():
    assert np.isnan(stored_facts(noise() * np.float32(1e30))["effective_bits"])
    assert np.isfinite(recording_facts(noise() * np.float32(1e30), RATE_HZ, 0)["bandwidth_hz"])


def test_share_of_exact_zeros():
    signal = noise(level=0.5)
    signal[::2] = 0
    # Some of the noise's own values are zero, too.
    assert stored_facts(signal)["zero_share"] == pytest.approx(0.5, abs=0.02)
    assert stored_facts(np.zeros(100, np.float32))["zero_share"] == 1


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_the_noise_floor_is_that_below_a_burst_whatever_the_gain(gain):
    signal = np.random.default_rng(1).standard_normal(RATE_HZ)
    signal[RATE_HZ // 4 :] *= 10 ** (-60 / 20)
    floor = recording_facts((gain * signal).astype(np.float32), RATE_HZ, 0)["noise_floor_db"]
    # The quietest frames and the loudest one are each some tenths of a dB from the mean.
    assert floor == pytest.approx(-60, abs=3)


def test_no_noise_floor_in_digital_silence_or_a_short_file():
    silent_end = noise()
    silent_end[RATE_HZ // 2 :] = 0
    assert np.isnan(recording_facts(silent_end, RATE_HZ, 0)["noise_floor_db"])
    assert np.isnan(recording_facts(noise(RATE_HZ // 20), RATE_HZ, 0)["noise_floor_db"])


@pytest.mark.parametrize("limit_hz", [1000, 4000, 7000])
def test_the_bandwidth_of_band_limited_noise(limit_hz):
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(RATE_HZ))
    spectrum[limit_hz:] = 0
    signal = np.fft.irfft(spectrum).astype(np.float32)
    bandwidth_hz = recording_facts(signal, RATE_HZ, 0)["bandwidth_hz"]
    assert bandwidth_hz == pytest.approx(0.99 * limit_hz, rel=0.03)


def test_bandwidth_is_in_hz_of_the_file():
    signal = noise()
    narrow = recording_facts(signal, 8_000, 0)["bandwidth_hz"]
    assert recording_facts(signal, 48_000, 0)["bandwidth_hz"] == pytest.approx(6 * narrow)


def test_a_silent_channel_has_no_bandwidth():
    assert np.isnan(recording_facts(np.zeros(RATE_HZ, np.float32), RATE_HZ, 0)["bandwidth_hz"])


def test_level_of_the_tail():
    signal = np.full(1000, 0.5, np.float32)
    signal[900:] = 0.001
    assert recording_facts(signal, RATE_HZ, 0)["tail_dbfs"] == pytest.approx(-60, abs=0.01)


def test_spectra_have_no_level_and_follow_a_tone():
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    clips = np.sin(2 * np.pi * np.array([[500.0], [5000.0]]) * time_s).astype(np.float32)
    for spectrum in (
        long_term_spectrum(clips, RATE_HZ, 24, 50.0),
        direct_sound_spectrum(clips, RATE_HZ, 0.005, 16),
    ):
        np.testing.assert_allclose(spectrum.mean(axis=1), 0, atol=1e-3)
        assert spectrum[0].argmax() < spectrum[1].argmax()
    louder = long_term_spectrum(10 * clips, RATE_HZ, 24, 50.0)
    np.testing.assert_allclose(louder, long_term_spectrum(clips, RATE_HZ, 24, 50.0), atol=1e-3)


def test_sound_after_5_ms_does_not_change_the_direct_sound():
    clips = np.stack([noise(4000, seed=3), noise(4000, seed=3)])
    clips[:, 300] = 0.9
    clips[:, :300] *= 0.01
    clips[1, 400:] = 0.1 * noise(3600, seed=4)
    first, second = direct_sound_spectrum(clips, RATE_HZ, 0.005, 16)
    np.testing.assert_allclose(first, second)


@pytest.mark.parametrize("n_samples", [10, 40])
def test_very_short_clips_have_finite_spectra(n_samples):
    clips = noise(n_samples)[np.newaxis]
    assert np.isfinite(direct_sound_spectrum(clips, 1000, 0.005, 16)).all()
    assert np.isfinite(long_term_spectrum(clips, 1000, 24, 50.0)).all()
