"""Direct sound, cutting, level and band of a clip, against signals whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.signal.clip import (
    band_limit,
    clipped_run,
    cut,
    direct_sound_index,
    normalise_energy,
    rms,
)

SAMPLE_RATE_HZ = 16000


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)


def _tone(frequency_hz: float, n_samples: int = 8000) -> np.ndarray:
    times_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    return np.sin(2 * np.pi * frequency_hz * times_s).astype(np.float32)


def _response(early_level_db: float) -> np.ndarray:
    rir = np.zeros(400, np.float32)
    rir[90] = 10 ** (early_level_db / 20)
    rir[120] = -1.0
    return rir


def test_the_direct_sound_is_the_first_sample_within_20_db_of_the_peak() -> None:
    assert direct_sound_index(_response(early_level_db=-19.9)) == 90
    assert direct_sound_index(_response(early_level_db=-20.0)) == 90
    assert direct_sound_index(_response(early_level_db=-20.1)) == 120


def test_a_negative_peak_counts_by_its_magnitude() -> None:
    assert direct_sound_index(-_response(early_level_db=-60.0)) == 120
    assert direct_sound_index(_response(early_level_db=-60.0)) == 120


@pytest.mark.parametrize("rir", [np.zeros(10, np.float32), np.empty(0, np.float32)])
def test_silence_has_no_direct_sound(rir: np.ndarray) -> None:
    with pytest.raises(ValueError, match="silent"):
        direct_sound_index(rir)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 3, [1, 2, 3]),
        (1, 3, [2, 3, 4]),
        (-2, 4, [0, 0, 1, 2]),
        (3, 4, [4, 5, 0, 0]),
        (-1, 7, [0, 1, 2, 3, 4, 5, 0]),
        (-5, 3, [0, 0, 0]),
        (9, 2, [0, 0]),
    ],
)
def test_samples_outside_the_signal_are_zero(start: int, length: int, expected: list[int]) -> None:
    clip = cut(np.arange(1, 6, dtype=np.float32), start, length)

    np.testing.assert_array_equal(clip, expected)
    assert clip.dtype == np.float32


@given(
    n_samples=st.integers(1, 60),
    start=st.integers(-150, 150),
    length=st.integers(0, 100),
    fill=st.sampled_from(["zeros", "noise_floor"]),
)
def test_a_cut_has_the_asked_length_and_keeps_the_samples_inside(
    n_samples: int, start: int, length: int, fill: str
) -> None:
    signal = np.arange(1, n_samples + 1, dtype=np.float32)

    clip = cut(signal, start, length, fill=fill, rng=_rng())

    assert clip.shape == (length,)
    assert np.isfinite(clip).all()
    kept = [sample for sample in range(length) if 0 <= start + sample < n_samples]
    np.testing.assert_array_equal(clip[kept], signal[[start + sample for sample in kept]])


def test_the_fill_has_the_level_of_the_last_tenth() -> None:
    noise = _rng().standard_normal(10000).astype(np.float32)
    signal = np.concatenate([noise[:9000], 0.01 * noise[9000:]])

    clip = cut(signal, -20000, 60000, fill="noise_floor", rng=_rng())

    for filled in (clip[:20000], clip[30000:]):
        assert 20 * np.log10(rms(filled)) == pytest.approx(-40.0, abs=0.3)


def test_the_seed_determines_the_fill() -> None:
    signal = np.ones(50, np.float32)
    one, same, other = (
        cut(signal, 0, 200, fill="noise_floor", rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_cut_is_a_copy() -> None:
    signal = np.ones(10, np.float32)
    cut(signal, 0, 5)[:] = 7.0

    np.testing.assert_array_equal(signal, 1.0)


def test_every_clip_has_unit_energy_and_its_own_shape() -> None:
    clips = _rng().standard_normal((3, 500)).astype(np.float32) * np.float32([[1e-4], [1], [300]])

    normalised = normalise_energy(clips)

    assert normalised.dtype == np.float32
    np.testing.assert_allclose([rms(clip) for clip in normalised], 1.0, rtol=1e-5)
    for clip, original in zip(normalised, clips, strict=True):
        np.testing.assert_allclose(clip * rms(original), original, rtol=1e-4)


def test_a_silent_clip_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="silent"):
        normalise_energy(np.stack([np.ones(5, np.float32), np.zeros(5, np.float32)]))


@pytest.mark.parametrize(
    ("frequency_hz", "level_db", "tolerance_db"),
    [(1000, 0.0, 0.1), (300, -6.0, 0.3), (3000, -6.0, 0.3)],
)
def test_the_band_keeps_a_tone_inside_and_halves_one_at_its_corner(
    frequency_hz: float, level_db: float, tolerance_db: float
) -> None:
    tone = _tone(frequency_hz, n_samples=16000)

    limited = band_limit(tone[None], SAMPLE_RATE_HZ, 300.0, 3000.0)[0]

    middle = slice(4000, 12000)
    measured_db = 20 * np.log10(rms(limited[middle]) / rms(tone[middle]))
    assert measured_db == pytest.approx(level_db, abs=tolerance_db)
    assert limited.dtype == np.float32


@pytest.mark.parametrize("frequency_hz", [60, 7000])
def test_the_band_removes_a_tone_outside(frequency_hz: float) -> None:
    limited = band_limit(_tone(frequency_hz)[None], SAMPLE_RATE_HZ, 300.0, 3000.0)[0]

    assert rms(limited[2000:6000]) < 1e-3


def test_the_band_moves_nothing_in_time() -> None:
    tone = _tone(1000)

    limited = band_limit(tone[None], SAMPLE_RATE_HZ, 300.0, 3000.0)[0]

    np.testing.assert_allclose(limited[2000:6000], tone[2000:6000], atol=0.01)


def test_a_band_up_to_half_the_sampling_rate_leaves_the_top_open() -> None:
    both = np.stack([_tone(7900), _tone(40)])

    high, low = band_limit(both, SAMPLE_RATE_HZ, 300.0, 8000.0)

    assert rms(high[2000:6000]) == pytest.approx(rms(both[0, 2000:6000]), rel=0.01)
    assert rms(low[2000:6000]) < 1e-3


def test_a_clip_shorter_than_the_filter_is_still_filtered() -> None:
    assert band_limit(np.ones((2, 5), np.float32), SAMPLE_RATE_HZ, 300.0, 3000.0).shape == (2, 5)


@given(st.floats(1.01, 10), st.sampled_from([1.0, -1.0]))
def test_clipping_leaves_a_run_at_full_scale(gain: float, sign: float) -> None:
    clipped = np.clip(gain * sign * _tone(100.0), -1.0, 1.0)
    # A sine is beyond 1 / gain for this share of half a period, which is 80 samples.
    expected = 80 * (1 - 2 / np.pi * np.arcsin(1 / gain))
    assert clipped_run(clipped) == pytest.approx(expected, abs=2.5)


@given(
    rate_hz=st.sampled_from([8000, 16_000, 44_100, 48_000, 96_000]),
    frequency_hz=st.floats(20, 3000),
    phase=st.floats(0, 2 * np.pi),
    n_bits=st.sampled_from([8, 16, 24]),
)
def test_a_tone_that_was_scaled_to_full_scale_is_not_clipped(
    rate_hz: int, frequency_hz: float, phase: float, n_bits: int
) -> None:
    tone = np.sin(2 * np.pi * frequency_hz * np.arange(9600) / rate_hz + phase)
    most = 2 ** (n_bits - 1) - 1
    stored = np.round(tone / np.abs(tone).max() * most) / (most + 1)
    assert clipped_run(stored) == 0


@pytest.mark.parametrize(
    ("signal", "run"),
    [
        ([0.0, 0.5], 0),
        ([1.0], 0),
        ([0.2, 1.0, 0.3, -1.0], 0),
        ([1.0, -1.0, 1.0, -1.0], 0),
        ([0.0, -1.0, -1.0, -1.0, 0.0, 1.0, 1.0], 3),
        ([1.0, 1.0, -1.0, -1.0, -1.0, -1.0], 4),
        ([0.5, 1.0, 1.0, 1.0], 3),
        ([1.0, 1.0, 1.0], 0),
    ],
)
def test_runs_of_either_sign_are_counted_one_by_one(signal: list[float], run: int) -> None:
    assert clipped_run(np.array(signal, np.float32)) == run
