"""The synthesis blocks against analytic truth."""

import numpy as np
import pytest
from scipy import fft

from disentangled_audio.signal import equipment, room_sound

SAMPLE_RATE_HZ = 16_000
ONE_CHANNEL = np.ones((1, 1, 1), dtype=np.complex64)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def measured_rt60_s(signal: np.ndarray, first_db: float = -5, last_db: float = -35) -> float:
    """Reverberation time from the slope of the Schroeder integral (ISO 3382-1, 5.3.3)."""
    energy = np.cumsum(np.sum(signal.astype(float) ** 2, axis=0)[::-1])[::-1]
    decay_db = 10 * np.log10(energy / energy[0])
    used = (decay_db < first_db) & (decay_db > last_db)
    slope_db_s = np.polyfit(np.flatnonzero(used) / SAMPLE_RATE_HZ, decay_db[used], 1)[0]
    return -60 / slope_db_s


def test_eyring_absorption_gives_the_reverberation_time_back() -> None:
    absorption = room_sound.eyring_absorption((5.0, 4.0, 3.0), 0.5)
    # Eyring's formula with 24 ln(10) / c written as 0.161 s/m.
    assert -0.161 * 60 / (94 * np.log(1 - absorption)) == pytest.approx(0.5, rel=0.01)


def test_eyring_absorption_rejects_a_room_without_reverberation() -> None:
    with pytest.raises(ValueError, match="above 0"):
        room_sound.eyring_absorption((5.0, 4.0, 3.0), 0.0)


def test_mixing_time_of_100_cubic_metres_is_10_ms() -> None:
    assert room_sound.mixing_time_s(100.0) == pytest.approx(0.01)


def test_octave_band_weights_add_up_to_one_and_peak_at_their_centres() -> None:
    frequency_hz = np.linspace(0, 8000, 1001)
    weights = room_sound.octave_band_weights(frequency_hz)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-6)
    centres = np.array(room_sound.OCTAVE_BANDS_HZ)
    np.testing.assert_allclose(room_sound.octave_band_weights(centres), np.eye(7), atol=1e-6)


def test_decay_envelope_falls_by_60_db_in_the_reverberation_time() -> None:
    envelope = room_sound.decay_envelope(8001, 0.5, SAMPLE_RATE_HZ)
    assert 20 * np.log10(envelope[8000] / envelope[0]) == pytest.approx(-60, abs=1e-3)


def tail_of(rt60_s, rng: np.random.Generator, volume_m3: float = 100.0, n_channels: int = 8):
    return room_sound.diffuse_tail(
        16_000,
        rt60_s=np.broadcast_to(rt60_s, 7),
        volume_m3=volume_m3,
        sample_rate_hz=SAMPLE_RATE_HZ,
        mixing=np.eye(n_channels, dtype=np.complex64)[None],
        rng=rng,
    )


def test_diffuse_tail_has_its_reverberation_time(rng: np.random.Generator) -> None:
    tail = tail_of(0.5, rng)
    assert measured_rt60_s(tail) == pytest.approx(0.5, rel=0.03)


def test_diffuse_tail_decays_by_band(rng: np.random.Generator) -> None:
    tail = tail_of([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3], rng)
    # Padded, so that the narrow filter's ringing does not wrap round into the decay.
    spectrum = fft.rfft(tail, 32_000)
    frequency_hz = fft.rfftfreq(32_000, 1 / SAMPLE_RATE_HZ)
    for centre_hz, expected_s in ((1000.0, 0.6), (4000.0, 0.4)):
        near = np.abs(np.log2(np.maximum(frequency_hz, 1) / centre_hz)) < 0.1
        band = fft.irfft(spectrum * near)[:, :16_000]
        assert measured_rt60_s(band, last_db=-25) == pytest.approx(expected_s, rel=0.1)


def test_diffuse_tail_has_the_energy_of_image_sources(rng: np.random.Generator) -> None:
    tail = tail_of(0.4, rng, volume_m3=80.0, n_channels=16)
    # The integral of c / (4 pi V) * 10^(-6 t / T) over all time.
    expected = 343 / (4 * np.pi * 80) * 0.4 / (6 * np.log(10))
    assert np.mean(np.sum(tail**2, axis=1)) == pytest.approx(expected, rel=0.05)


def test_diffuse_spectrum_is_white_with_variance_one(rng: np.random.Generator) -> None:
    noise = fft.irfft(room_sound.diffuse_spectrum(2**17, ONE_CHANNEL, rng), 2**17)
    assert noise.dtype == np.float32
    assert np.var(noise) == pytest.approx(1, rel=0.02)
    power = np.abs(fft.rfft(noise[0])[1:-1]) ** 2 / 2**17
    np.testing.assert_allclose([part.mean() for part in np.array_split(power, 8)], 1, rtol=0.05)


def test_diffuse_spectrum_has_the_coherence_of_an_isotropic_field(
    rng: np.random.Generator,
) -> None:
    positions_m = np.array([[0.0, 0, 0], [0.1, 0, 0]])
    mixing = room_sound.diffuse_mixing(positions_m, SAMPLE_RATE_HZ)
    first, second = room_sound.diffuse_spectrum(2**18, mixing, rng)
    frequency_hz = fft.rfftfreq(2**18, 1 / SAMPLE_RATE_HZ)
    for centre_hz in (300.0, 1000.0, 1715.0, 2500.0):
        near = np.abs(frequency_hz - centre_hz) < 50
        cross = np.mean(first[near] * second[near].conj()).real
        power = np.sqrt(np.mean(np.abs(first[near]) ** 2) * np.mean(np.abs(second[near]) ** 2))
        expected = np.sinc(2 * centre_hz * 0.1 / 343)
        assert cross / power == pytest.approx(expected, abs=0.06)


def test_room_modes_begin_with_the_longest_side() -> None:
    modes = room_sound.room_modes((6.0, 4.0, 3.0), 10)
    assert modes.frequency_hz[0] == pytest.approx(343 / 12)
    assert modes.orders[0].tolist() == [1, 0, 0]
    assert np.all(np.diff(modes.frequency_hz) >= 0)


def test_modal_response_rings_at_its_mode_and_decays() -> None:
    dimensions_m = (6.0, 4.0, 3.0)
    response = room_sound.modal_response(
        16_000,
        modes=room_sound.room_modes(dimensions_m, 1),
        dimensions_m=dimensions_m,
        source_m=np.array([0.5, 2.0, 1.5]),
        microphones_m=np.array([[5.0, 2.0, 1.5], [3.0, 2.0, 1.5]]),
        rt60_s=0.8,
        sample_rate_hz=SAMPLE_RATE_HZ,
    )
    strongest_hz = np.argmax(np.abs(fft.rfft(response[0], 160_000))) / 10
    assert strongest_hz == pytest.approx(343 / 12, abs=0.5)
    assert measured_rt60_s(response[:1]) == pytest.approx(0.8, rel=0.05)
    # The second microphone stands in the node of the first mode.
    assert np.max(np.abs(response[1])) < 1e-4 * np.max(np.abs(response[0]))


def test_crossfade_keeps_the_energy() -> None:
    leaving, coming = room_sound.crossfade_gains(1000, 200, 500)
    np.testing.assert_allclose(leaving**2 + coming**2, 1, atol=1e-6)
    assert leaving[:200].min() == 1
    assert coming[:201].max() == 0
    assert coming[500:].min() == pytest.approx(1)


def test_pink_weights_fall_by_their_slope() -> None:
    low, high = equipment.pink_weights(np.array([500.0, 1000.0]), 3.0)
    assert 20 * np.log10(low / high) == pytest.approx(3.0, abs=1e-4)


def test_peaking_section_reaches_its_gain_at_the_centre_only() -> None:
    sections = equipment.peaking_section(1000.0, 6.0, 1.0, SAMPLE_RATE_HZ)
    gains = equipment.section_gains(np.array([0.0, 1000.0]), sections, SAMPLE_RATE_HZ)
    np.testing.assert_allclose(20 * np.log10(gains), [0, 6], atol=0.01)


def test_band_limits_are_3_db_down_at_their_frequencies() -> None:
    sections = equipment.band_limits(100.0, 6000.0, SAMPLE_RATE_HZ)
    gains = equipment.section_gains(np.array([100.0, 1000.0, 6000.0]), sections, SAMPLE_RATE_HZ)
    np.testing.assert_allclose(20 * np.log10(gains), [-3.01, 0, -3.01], atol=0.05)


def test_filter_sections_matches_the_predicted_gains() -> None:
    sections = equipment.band_limits(100.0, 6000.0, SAMPLE_RATE_HZ)
    impulse = np.zeros((1, 16_000), dtype=np.float32)
    impulse[0, 0] = 1
    response = np.abs(fft.rfft(equipment.filter_sections(impulse, sections)[0]))
    expected = equipment.section_gains(np.arange(8001.0), sections, SAMPLE_RATE_HZ)
    np.testing.assert_allclose(response[50:7000], expected[50:7000], atol=2e-3)


def test_dither_keeps_a_level_below_one_step(rng: np.random.Generator) -> None:
    signal = np.full(200_000, 0.3 / 32767, dtype=np.float32)
    samples = equipment.quantise_16_bit(signal, rng)
    assert samples.mean() == pytest.approx(0.3, abs=0.01)
    # Total error of triangular dither: a quarter of a squared step, whatever the signal.
    assert samples.var() == pytest.approx(0.25, abs=0.01)


def test_dither_at_full_scale_does_not_wrap_round(rng: np.random.Generator) -> None:
    loudest = np.full(200_000, equipment.MAX_AMPLITUDE, dtype=np.float32)
    samples = equipment.quantise_16_bit(np.stack([loudest, -loudest]), rng)
    assert (samples[0].min(), samples[0].max()) == (32765, 32767)
    assert (samples[1].min(), samples[1].max()) == (-32767, -32765)


def test_quantise_16_bit_refuses_to_clip(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="clip"):
        equipment.quantise_16_bit(np.array([0.1, -1.2], dtype=np.float32), rng)


@pytest.mark.parametrize("centre_hz", [0.0, 8000.0, 9000.0])
def test_a_resonance_at_half_the_sample_rate_or_beyond_is_refused(centre_hz: float) -> None:
    with pytest.raises(ValueError, match="must lie below 8000 Hz"):
        equipment.peaking_section(centre_hz, 3.0, 1.0, 16000)
