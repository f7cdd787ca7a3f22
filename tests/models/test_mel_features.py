"""Mel features against spectrograms whose features are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import idct

from disentangled_audio.models.mel_features import cepstra, timbre_statistics

RANGE_DB = 80.0
N_MELS = 20


def _word(n_frames: int, first: int, total: int = 60) -> np.ndarray:
    """A ridge that climbs through the bands, with silence before and after; (1, total, bands)."""
    view = np.zeros((1, total, N_MELS), dtype=np.float32)
    ridge = np.linspace(3.0, 16.0, n_frames)[:, None] - np.arange(N_MELS)
    view[0, first : first + n_frames] = 1.0 - 0.02 * np.abs(ridge)
    return view


def _random_view(n_items: int = 4, n_frames: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n_items, n_frames, N_MELS)).astype(np.float32)


def test_shapes_and_type() -> None:
    view = _random_view()

    course = cepstra(view, RANGE_DB, n_cepstra=13, n_frames=16, trim_db=(20.0, 40.0))
    sound = timbre_statistics(view, RANGE_DB)

    assert course.shape == (4, 2 * 16 * 13)
    assert sound.shape == (4, 7 * N_MELS)
    assert course.dtype == sound.dtype == np.float32


@given(first=st.integers(0, 20), n_frames=st.integers(17, 40))
def test_cepstra_tell_neither_when_nor_how_fast_a_word_was_said(first: int, n_frames: int) -> None:
    settings = {"n_frames": 9, "trim_db": [30.0]}

    slow = cepstra(_word(33, 5), RANGE_DB, **settings)
    other = cepstra(_word(n_frames, first), RANGE_DB, **settings)

    # The ridge is a kink between bands, which interpolation rounds off a little.
    np.testing.assert_allclose(other, slow, atol=0.06)


def test_cepstra_tell_a_word_from_its_reversal() -> None:
    word = _word(33, 5)
    difference = cepstra(word[:, ::-1], RANGE_DB) - cepstra(word, RANGE_DB)

    assert np.abs(difference).max() > 0.3


def test_a_deeper_trim_keeps_a_weak_ending() -> None:
    view = _word(20, 10)
    # 28 dB below the loudest.
    view[:, 30:40] = 1.0 - 28.0 / RANGE_DB
    shallow, deep = (
        cepstra(view, RANGE_DB, n_cepstra=1, n_frames=5, trim_db=[depth])[0]
        for depth in (15.0, 35.0)
    )
    # The 0th coefficient is the level: constant within the word, lower in the ending.
    assert shallow[-1] > 0.9 * shallow[0]
    assert deep[-1] < 0.8 * deep[0]


def test_an_overall_spectrum_moves_the_cepstra_of_all_frames_alike() -> None:
    view = np.full((1, 10, N_MELS), 0.9, dtype=np.float32)
    curve = idct(np.eye(N_MELS)[2], norm="ortho").astype(np.float32)

    moved = cepstra(view + 0.05 * curve, RANGE_DB, n_frames=4, trim_db=[30.0])
    change = (moved - cepstra(view, RANGE_DB, n_frames=4, trim_db=[30.0])).reshape(4, 13)

    np.testing.assert_allclose(change, 0.05 * np.eye(13)[[2] * 4], atol=1e-5)


def test_statistics_of_a_steady_sound_are_its_cepstra() -> None:
    spectrum = 0.8 + 0.1 * idct(np.eye(N_MELS)[1], norm="ortho")
    view = np.broadcast_to(spectrum, (1, 12, N_MELS)).astype(np.float32)

    mean, std, low, median, high, *changes = np.split(timbre_statistics(view, RANGE_DB)[0], 7)

    wanted = np.zeros(N_MELS)
    wanted[:2] = 0.8 * np.sqrt(N_MELS), 0.1
    for level in (mean, low, median, high):
        np.testing.assert_allclose(level, wanted, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([std, *changes]), 0.0, atol=1e-5)


def test_statistics_of_a_ramp() -> None:
    view = np.zeros((1, 11, N_MELS), dtype=np.float32)
    view += np.linspace(0.5, 1.0, 11, dtype=np.float32)[None, :, None]

    first = np.array(np.split(timbre_statistics(view, RANGE_DB)[0], 7))[:, 0] / np.sqrt(N_MELS)

    spread = 0.05 * np.sqrt(10.0)
    np.testing.assert_allclose(first, [0.75, spread, 0.55, 0.75, 0.95, 0.05, 0.0], atol=1e-5)


def test_silence_around_a_sound_does_not_count() -> None:
    view = _word(20, 10)
    longer = np.concatenate([np.zeros_like(view), view, np.zeros_like(view)], axis=1)

    np.testing.assert_allclose(
        timbre_statistics(longer, RANGE_DB), timbre_statistics(view, RANGE_DB), atol=1e-5
    )


def test_a_clip_with_next_to_no_active_frame_counts_in_full() -> None:
    view = np.zeros((1, 10, N_MELS), dtype=np.float32)
    view[0, 4] = 1.0

    mean = timbre_statistics(view, RANGE_DB)[0, 0]

    assert mean == pytest.approx(0.1 * np.sqrt(N_MELS), rel=1e-4)


def test_rows_do_not_depend_on_each_other() -> None:
    view = _random_view()
    for features in (cepstra, timbre_statistics):
        np.testing.assert_array_equal(
            features(view, RANGE_DB)[2:3], features(view[2:3].copy(), RANGE_DB)
        )


@pytest.mark.parametrize("features", [cepstra, timbre_statistics])
def test_what_is_no_view_is_refused(features: object) -> None:
    with pytest.raises(ValueError, match="n_items"):
        features(np.ones((3, 4), np.float32), RANGE_DB)
    view = _random_view()
    view[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        features(view, RANGE_DB)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="n_cepstra"):
        cepstra(_random_view(), RANGE_DB, n_cepstra=N_MELS + 1)
    with pytest.raises(ValueError, match="trim_db"):
        cepstra(_random_view(), RANGE_DB, trim_db=[])
    with pytest.raises(ValueError, match="two frames"):
        timbre_statistics(_random_view(n_frames=1), RANGE_DB)
