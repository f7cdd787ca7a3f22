"""Each change measured: the ratio, gain, offset, speed and slope that it promises."""

from collections.abc import Callable

import numpy as np
import pytest

from disentangled_audio.signal import augment

SAMPLE_RATE_HZ = 8000
N_SAMPLES = 4000

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def all_changes(snr_db: float, strength: float) -> Change:
    return lambda clips, rng: augment.augment(
        clips,
        SAMPLE_RATE_HZ,
        rng,
        snr_db=(snr_db, 2 * snr_db),
        max_gain_db=6.0 * strength,
        max_shift_s=0.005 * strength,
        max_speed_change=0.03 * strength,
        max_tilt_db_per_octave=strength,
    )


CHANGES: dict[str, Change] = {
    "noise": lambda clips, rng: augment.add_noise(clips, 10.0, 20.0, rng),
    "gain": lambda clips, rng: augment.change_gain(clips, 6.0, rng),
    "shift": lambda clips, rng: augment.shift(clips, 40, rng),
    "speed": lambda clips, rng: augment.change_speed(clips, 0.05, rng),
    "tilt": lambda clips, rng: augment.tilt(clips, 3.0, rng),
    "all": all_changes(snr_db=15.0, strength=1.0),
}

NOTHING: dict[str, Change] = {
    "gain": lambda clips, rng: augment.change_gain(clips, 0.0, rng),
    "shift": lambda clips, rng: augment.shift(clips, 0, rng),
    "speed": lambda clips, rng: augment.change_speed(clips, 0.0, rng),
    "tilt": lambda clips, rng: augment.tilt(clips, 0.0, rng),
    # Noise at 200 dB is far below the resolution of float32.
    "all": all_changes(snr_db=200.0, strength=0.0),
}


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _noise(n_items: int = 8, n_samples: int = N_SAMPLES) -> np.ndarray:
    return _rng(9).standard_normal((n_items, n_samples)).astype(np.float32)


def _level_db(clips: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.mean(np.square(clips, dtype=np.float64), axis=1))


@pytest.mark.parametrize("n_samples", [N_SAMPLES, N_SAMPLES - 1])
@pytest.mark.parametrize("name", CHANGES)
def test_shape_and_float32_are_kept_and_the_input_is_not_touched(name: str, n_samples: int) -> None:
    clips = _noise(n_samples=n_samples)
    before = clips.copy()

    changed = CHANGES[name](clips, _rng())

    assert changed.shape == clips.shape
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert not np.array_equal(changed, before)
    np.testing.assert_array_equal(clips, before)


@pytest.mark.parametrize("name", CHANGES)
def test_the_seed_determines_the_result(name: str) -> None:
    clips = _noise()

    np.testing.assert_array_equal(CHANGES[name](clips, _rng(1)), CHANGES[name](clips, _rng(1)))
    assert not np.array_equal(CHANGES[name](clips, _rng(1)), CHANGES[name](clips, _rng(2)))


@pytest.mark.parametrize("name", CHANGES)
def test_each_item_gets_its_own_change(name: str) -> None:
    clips = np.repeat(_noise(1), 6, axis=0)

    changed = CHANGES[name](clips, _rng())

    assert len(np.unique(changed, axis=0)) > 1


@pytest.mark.parametrize("name", NOTHING)
def test_zero_strength_changes_nothing(name: str) -> None:
    clips = _noise()

    np.testing.assert_allclose(NOTHING[name](clips, _rng()), clips, atol=1e-5)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_the_signal_to_noise_ratio_is_the_one_asked_for(snr_db: float) -> None:
    clips = _noise() * np.float32(0.01)

    noise = augment.add_noise(clips, snr_db, snr_db, _rng()) - clips

    np.testing.assert_allclose(_level_db(clips) - _level_db(noise), snr_db, atol=0.01)


def test_ratios_fill_their_range_and_do_not_leave_it() -> None:
    clips = _noise(300, 200)

    measured_db = _level_db(clips) - _level_db(augment.add_noise(clips, 10.0, 20.0, _rng()) - clips)

    assert 9.99 < measured_db.min() < 10.5
    assert 19.5 < measured_db.max() < 20.01


def test_gains_fill_their_range_and_do_not_leave_it() -> None:
    clips = _noise(300, 200)

    gain_db = _level_db(augment.change_gain(clips, 6.0, _rng())) - _level_db(clips)

    assert -6.001 < gain_db.min() < -5.5
    assert 5.5 < gain_db.max() < 6.001


@pytest.mark.parametrize(("n_samples", "max_shift"), [(10, 3), (3, 50)])
def test_a_shift_moves_exactly_and_fills_with_zeros(n_samples: int, max_shift: int) -> None:
    clip = np.arange(1, n_samples + 1, dtype=np.float32)

    shifted = augment.shift(np.repeat(clip[None], 200, axis=0), max_shift, _rng())

    most = min(max_shift, n_samples)
    padded = np.pad(clip, most)
    possible = {tuple(padded[first : first + n_samples]) for first in range(2 * most + 1)}
    assert {tuple(row) for row in shifted} == possible


def test_speed_moves_the_frequency_of_a_tone_by_as_much() -> None:
    max_change = 0.05
    times_s = np.arange(N_SAMPLES) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * 500 * times_s).astype(np.float32)

    changed = augment.change_speed(np.repeat(tone[None], 50, axis=0), max_change, _rng())

    # Without the last tenth, where zeros may have moved in.
    spectra = np.abs(np.fft.rfft(changed[:, :3600] * np.hanning(3600), n=1 << 16, axis=1))
    ratios = spectra.argmax(axis=1) * SAMPLE_RATE_HZ / (1 << 16) / 500
    assert 0.949 < ratios.min() < 0.96
    assert 1.04 < ratios.max() < 1.051


def test_a_faster_clip_ends_in_zeros() -> None:
    clips = np.ones((200, 1000), np.float32)

    changed = augment.change_speed(clips, 0.1, _rng())

    n_silent = (changed == 0).sum(axis=1)
    assert 0.3 < np.mean(n_silent == 0) < 0.7, "half of the speeds are below one"
    # Played 1.1 times as fast, 1000 samples end after 909.
    assert 80 < n_silent.max() <= 91
    for clip, silent in zip(changed, n_silent, strict=True):
        np.testing.assert_array_equal(clip[: 1000 - silent], 1.0)


@pytest.mark.parametrize("n_samples", [1024, 1023])
def test_the_slope_of_the_tilt_is_in_db_per_octave(n_samples: int) -> None:
    clips = np.zeros((100, n_samples), np.float32)
    clips[:, 7] = 1.0

    spectra = np.fft.rfft(augment.tilt(clips, 3.0, _rng()), axis=1)

    levels_db = 20 * np.log10(np.abs(spectra))
    octaves_apart = [(8, 16), (32, 64), (200, 400)]
    slopes = np.array([levels_db[:, high] - levels_db[:, low] for low, high in octaves_apart])
    np.testing.assert_allclose(slopes, np.broadcast_to(slopes[0], slopes.shape), atol=0.01)
    assert -3.001 < slopes.min() < -2.7
    assert 2.7 < slopes.max() < 3.001


def test_the_tilt_keeps_the_phase() -> None:
    clips = _noise(4, 512)

    before, after = np.fft.rfft(clips)[:, 1:-1], np.fft.rfft(augment.tilt(clips, 3.0, _rng()))
    turned = np.angle(after[:, 1:-1] / before)

    assert np.abs(turned).max() < 1e-3


def test_jitter_has_the_spread_of_each_feature() -> None:
    spread = np.array([0.0, 0.1, 5.0])
    features = _rng(1).normal(size=(4000, 3))

    noise = augment.jitter(features, spread, _rng()) - features

    np.testing.assert_array_equal(noise[:, 0], 0.0)
    np.testing.assert_allclose(noise[:, 1:].std(axis=0), spread[1:], rtol=0.05)
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=0.3)
