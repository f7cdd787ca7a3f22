"""Mel features against spectrograms whose features are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import idct

from disentangled_audio.models.mel_features import cepstra, timbre_statistics

RANGE_DB = 80.0
N_MELS = 20
TRIM = np.array([0.4])


def _word(n_frames: int, first: int, total: int = 60) -> np.ndarray:
    """A ridge that climbs through the bands, with silence before and after; (1, total, bands)."""
    view = np.zeros((1, total, N_MELS), dtype=np.float32)
    ridge = np.linspace(3.0, 16.0, n_frames)[:, None] - np.arange(N_MELS)
    view[0, first : first + n_frames] = 1.0 - 0.02 * np.abs(ridge)
    return view


@given(first=st.integers(0, 20), n_frames=st.integers(17, 40))
def test_cepstra_do_not_depend_on_the_time_and_speed_of_a_word(first: int, n_frames: int) -> None:
    settings = {"n_frames": 9, "trim_db": [30.0]}

    slow = cepstra(_word(33, 5), RANGE_DB, **settings)
    other = cepstra(_word(n_frames, first), RANGE_DB, **settings)

    # The ridge is a kink between bands, which interpolation rounds off a little.
    np.testing.assert_allclose(other, slow, atol=0.06)


def test_cepstra_of_a_word_and_its_reversal_differ() -> None:
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


def test_statistics_do_not_change_where_frames_are_permuted_but_for_their_change() -> None:
    rng = np.random.default_rng(1)
    view = rng.uniform(0.7, 1.0, (2, 20, 6)).astype(np.float32)

    first = timbre_statistics(view, TRIM, RANGE_DB)
    second = timbre_statistics(view[:, rng.permutation(20)], TRIM, RANGE_DB)

    same = np.r_[0:12, 18:24]
    np.testing.assert_allclose(first[:, same], second[:, same], rtol=1e-4, atol=1e-5)
    assert not np.allclose(first[:, 12:18], second[:, 12:18])


def test_silence_around_a_clip_changes_nothing_but_the_power_spectrums_level() -> None:
    view = np.random.default_rng(2).uniform(0.8, 1.0, (1, 10, 6)).astype(np.float32)
    silent = np.zeros((1, 10, 6), dtype=np.float32)

    alone = timbre_statistics(view, TRIM, RANGE_DB)
    padded = timbre_statistics(np.concatenate([silent, view, silent], axis=1), TRIM, RANGE_DB)

    np.testing.assert_allclose(padded[:, :18], alone[:, :18], rtol=1e-5)
    np.testing.assert_allclose(padded[:, 19:], alone[:, 19:], rtol=1e-4, atol=1e-5)


def test_known_moments() -> None:
    """Two levels in turn: mean, deviation and change follow by hand."""
    levels = np.array([0.9, 1.0] * 4, dtype=np.float32)
    view = np.repeat(levels[np.newaxis, :, np.newaxis], 4, axis=2)

    mean, deviation, change, _ = timbre_statistics(view, TRIM, RANGE_DB).reshape(4, 4)

    # The first coefficient of a constant over 4 bands is twice it; the others are 0.
    assert mean[0] == pytest.approx(1.9)
    assert deviation[0] == pytest.approx(0.1, rel=1e-4)
    assert change[0] == pytest.approx(0.2, rel=1e-4)
    np.testing.assert_allclose([mean[1:], deviation[1:], change[1:]], 0, atol=1e-6)


def test_a_silent_clip_has_finite_statistics() -> None:
    assert np.isfinite(timbre_statistics(np.zeros((1, 5, 6), np.float32), TRIM, RANGE_DB)).all()


@pytest.mark.parametrize(
    ("view", "settings", "message"),
    [
        (np.ones((3, 4), np.float32), {}, "n_items"),
        (np.full((2, 30, N_MELS), np.nan, np.float32), {}, "finite"),
        (np.ones((2, 30, N_MELS), np.float32), {"n_cepstra": N_MELS + 1}, "n_cepstra"),
        (np.ones((2, 30, N_MELS), np.float32), {"trim_db": []}, "trim_db"),
    ],
)
def test_invalid_views_and_settings_are_refused(view, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        cepstra(view, RANGE_DB, **settings)
