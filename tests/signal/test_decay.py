"""Decay measures against exponential decays whose reverberation time is known."""

import numpy as np
import pytest

from disentangled_audio.signal import decay

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


@pytest.mark.parametrize("time_s", [0.1, 0.5, 1.3])
@pytest.mark.parametrize("end_db", [-25.0, -35.0])
def test_an_exponential_gives_its_reverberation_time_back(time_s: float, end_db: float) -> None:
    measured = decay.reverberation_time_s(
        exponential(time_s, 2 * time_s)[None], SAMPLE_RATE_HZ, end_db=end_db
    )
    assert measured[0] == pytest.approx(time_s, rel=1e-3)


def test_items_are_measured_one_by_one_and_after_any_silence() -> None:
    items = np.zeros((2, 20_000))
    items[0, 3000:] = exponential(0.2, 17_000 / SAMPLE_RATE_HZ)
    items[1] = exponential(0.6, 1.25)
    measured = decay.reverberation_time_s(items, SAMPLE_RATE_HZ)
    np.testing.assert_allclose(measured, [0.2, 0.6], rtol=5e-3)


def test_noise_45_db_down_does_not_bend_the_decay() -> None:
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((20, 24_000)) * exponential(0.5, 1.5)
    noisy = clean + 10 ** (-45 / 20) * rng.standard_normal(clean.shape)
    measured = decay.reverberation_time_s(noisy, SAMPLE_RATE_HZ)
    assert np.median(measured) == pytest.approx(0.5, rel=0.02)
    # The curve itself ends far too high: it is the subtraction that does it.
    assert np.median(decay.energy_decay_curve(noisy)[:, 16_000]) > -40


def test_too_little_range_above_the_noise_is_nan() -> None:
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((2, 24_000)) * exponential(0.5, 1.5)
    clean[0] += 10 ** (-25 / 20) * rng.standard_normal(24_000)
    measured = decay.reverberation_time_s(clean, SAMPLE_RATE_HZ)
    assert np.isnan(measured).tolist() == [True, False]


def test_a_response_cut_off_too_early_is_nan() -> None:
    assert np.isnan(decay.reverberation_time_s(exponential(1.0, 0.3)[None], SAMPLE_RATE_HZ)[0])


@pytest.mark.parametrize(
    "measure",
    [decay.energy_decay_curve, lambda rir: decay.reverberation_time_s(rir, SAMPLE_RATE_HZ)],
)
def test_an_item_of_zeros_is_refused(measure) -> None:
    items = np.zeros((2, 100))
    items[0, 0] = 1
    with pytest.raises(ValueError, match=r"\[1\].*zeros"):
        measure(items)


def test_a_range_that_rises_is_refused() -> None:
    with pytest.raises(ValueError, match="descend"):
        decay.reverberation_time_s(np.ones((1, 9)), 1.0, start_db=-25, end_db=-5)


def test_octave_bands_pass_their_octave_only() -> None:
    time_s = np.arange(16_000) / SAMPLE_RATE_HZ
    tones = np.stack([np.sin(2 * np.pi * hz * time_s) for hz in (500, 1000, 4000)])
    power = np.mean(decay.octave_bands(tones, SAMPLE_RATE_HZ)[..., 2000:-2000] ** 2, axis=-1)
    assert power.shape == (3, 2)
    level_db = 10 * np.log10(power / 0.5)
    np.testing.assert_allclose(np.diag(level_db), 0, atol=0.05)
    assert level_db[0, 1] < -15
    assert level_db[1, 0] < -15
    assert np.all(level_db[2] < -40)


def test_octave_bands_are_3_db_down_at_their_edges() -> None:
    time_s = np.arange(32_000) / SAMPLE_RATE_HZ
    edge = np.sin(2 * np.pi * 1000 * np.sqrt(2) * time_s)[None]
    band = decay.octave_bands(edge, SAMPLE_RATE_HZ, (1000.0,))[0, 0, 2000:-2000]
    assert 10 * np.log10(np.mean(band**2) / 0.5) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("bands_per_octave", [1, 3])
def test_the_filter_reaches_the_attenuation_at_the_given_ratio(bands_per_octave: int) -> None:
    place_hz = 1000 * decay.attenuated_ratio(50.0, bands_per_octave)
    # One bin of a transform of so many seconds.
    gains = decay.band_gains(16_000, 16_000, (1000.0,), bands_per_octave)[0]
    around_db = 20 * np.log10(gains[[int(place_hz), int(place_hz) + 1]])
    assert around_db[0] > -50 > around_db[1]


def test_each_band_has_its_own_reverberation_time() -> None:
    rng = np.random.default_rng(0)
    fast = decay.octave_bands(rng.standard_normal((20, 24_000)), SAMPLE_RATE_HZ, (1000.0,))[:, 0]
    slow = decay.octave_bands(rng.standard_normal((20, 24_000)), SAMPLE_RATE_HZ, (250.0,))[:, 0]
    signal = fast * exponential(0.3, 1.5) + slow * exponential(0.6, 1.5)
    bands = decay.octave_bands(signal, SAMPLE_RATE_HZ, (250.0, 1000.0))
    measured = [np.median(decay.reverberation_time_s(bands[:, i], 16_000)) for i in (0, 1)]
    np.testing.assert_allclose(measured, [0.6, 0.3], rtol=0.05)
