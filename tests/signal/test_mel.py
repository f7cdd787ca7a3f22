"""Mel power against tones whose place is known."""

import numpy as np
import pytest

from disentangled_audio.signal import mel

SAMPLE_RATE_HZ = 8000
WINDOW_SAMPLES = 256


def _tone(frequency_hz: float, duration_s: float = 0.5) -> np.ndarray:
    times_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.sin(2.0 * np.pi * frequency_hz * times_s).astype(np.float32)[None]


def test_mel_scale_is_anchored_at_1000_hz_and_inverts() -> None:
    assert mel.hz_to_mel(1000.0) == pytest.approx(1000.0, abs=0.1)
    frequencies_hz = np.array([0.0, 120.0, 999.0, 7900.0])
    np.testing.assert_allclose(mel.mel_to_hz(mel.hz_to_mel(frequencies_hz)), frequencies_hz)


@pytest.mark.parametrize("band", [3, 12, 25, 38])
def test_a_tone_at_a_band_centre_is_loudest_in_that_band(band: int) -> None:
    edges_hz = mel.mel_edges_hz(40, 40.0, 4000.0)
    n_fft = mel.fft_length(WINDOW_SAMPLES, SAMPLE_RATE_HZ, edges_hz)
    filters = mel.mel_filter_bank(edges_hz, n_fft, SAMPLE_RATE_HZ)
    frames = mel.take_frames(_tone(edges_hz[band + 1]), np.array([1000, 2000]), WINDOW_SAMPLES)

    power = mel.mel_power(frames, filters)

    assert (power.argmax(axis=2) == band).all()


@pytest.mark.parametrize(
    ("sample_rate_hz", "n_mels", "window_s"), [(8000, 40, 0.032), (48000, 80, 0.008)]
)
def test_no_band_is_without_a_frequency_bin(
    sample_rate_hz: int, n_mels: int, window_s: float
) -> None:
    edges_hz = mel.mel_edges_hz(n_mels, 40.0, sample_rate_hz / 2.0)
    window_samples = round(window_s * sample_rate_hz)
    n_fft = mel.fft_length(window_samples, sample_rate_hz, edges_hz)

    assert (mel.mel_filter_bank(edges_hz, n_fft, sample_rate_hz).sum(axis=1) > 0.0).all()


def test_neighbouring_bands_sum_to_one_between_the_outer_centres() -> None:
    edges_hz = mel.mel_edges_hz(20, 100.0, 4000.0)
    total = mel.mel_filter_bank(edges_hz, 2048, SAMPLE_RATE_HZ).sum(axis=0)
    bins_hz = np.fft.rfftfreq(2048, 1.0 / SAMPLE_RATE_HZ)
    inside = (bins_hz >= edges_hz[1]) & (bins_hz <= edges_hz[-2])

    np.testing.assert_allclose(total[inside], 1.0, atol=1e-5)


def test_empty_ranges_are_refused() -> None:
    with pytest.raises(ValueError, match="min_hz < max_hz"):
        mel.mel_edges_hz(10, 4000.0, 4000.0)


def test_frames_outside_the_clip_read_as_zero() -> None:
    clip = np.arange(1.0, 5.0, dtype=np.float32)[None]

    frames = mel.take_frames(clip, np.array([-2, 0, 3]), 3)

    np.testing.assert_array_equal(frames[0], [[0, 0, 1], [1, 2, 3], [4, 0, 0]])


@pytest.mark.parametrize(("n_samples", "hop", "window"), [(10, 3, 4), (9, 3, 5), (4, 7, 4)])
def test_centred_frames_are_the_frames_cut_around_every_hop(
    n_samples: int, hop: int, window: int
) -> None:
    clips = np.random.default_rng(1).standard_normal((2, n_samples)).astype(np.float32)
    centres = np.arange(0, n_samples, hop)

    frames = mel.centred_frames(clips, hop, window)

    np.testing.assert_array_equal(frames, mel.take_frames(clips, centres - window // 2, window))


def test_each_clip_has_its_own_frame_positions() -> None:
    clips = np.arange(10, dtype=np.float32).reshape(2, 5)

    frames = mel.take_frames(clips, np.array([[0, 1], [2, 3]]), 2)

    np.testing.assert_array_equal(frames, [[[0, 1], [1, 2]], [[7, 8], [8, 9]]])


def test_decibels_are_relative_to_each_clips_peak() -> None:
    power = np.array([[1.0, 10.0], [5.0, 0.05], [0.0, 0.0]])

    decibels = mel.relative_db(power, (1,))

    np.testing.assert_allclose(decibels[:2], [[-10.0, 0.0], [0.0, -20.0]], atol=1e-5)
    assert np.isfinite(decibels).all()


def test_active_span_runs_from_the_first_to_the_last_loud_frame() -> None:
    energy = np.array([[0.0, 1e-3, 1.0, 1e-9, 0.1, 1e-5], [0.0] * 6])

    first, last = mel.active_span(energy, trim_db=35.0)

    assert (first.tolist(), last.tolist()) == ([1, 0], [4, 5])
