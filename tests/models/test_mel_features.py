"""Features of spectrograms whose cepstra are known."""

import numpy as np
import pytest

from disentangled_audio.models.mel_features import cepstra_over_time, timbre_statistics

RANGE_DB = 80.0


def test_a_cosine_over_the_bands_is_one_coefficient() -> None:
    bands = (np.arange(8) + 0.5) / 8
    view = np.tile(np.cos(2 * np.pi * bands), (2, 6, 1)).astype(np.float32)

    features = cepstra_over_time(view, n_cepstra=4, n_frames=3).reshape(2, 3, 4)

    # Orthonormal: the cosine of index 2 over 8 bands has norm 2.
    np.testing.assert_allclose(features, np.broadcast_to([0, 0, 2, 0], (2, 3, 4)), atol=1e-6)


def test_steps_are_means_of_neighbouring_frames() -> None:
    view = np.arange(7, dtype=np.float32)[np.newaxis, :, np.newaxis] * np.ones((1, 1, 4))

    features = cepstra_over_time(view, n_cepstra=1, n_frames=3)

    # Frames 0-1, 2-3 and 4-6; the first coefficient of a constant over 4 bands is twice it.
    np.testing.assert_allclose(features, [[1.0, 5.0, 10.0]])


def test_more_steps_than_frames_are_the_frames() -> None:
    view = np.random.default_rng(0).random((3, 5, 8)).astype(np.float32)

    assert cepstra_over_time(view, n_cepstra=8, n_frames=16).shape == (3, 40)


def test_statistics_do_not_change_where_frames_are_permuted_but_for_their_change() -> None:
    rng = np.random.default_rng(1)
    view = rng.uniform(0.7, 1.0, (2, 20, 6)).astype(np.float32)

    first = timbre_statistics(view, 0.4, RANGE_DB)
    second = timbre_statistics(view[:, rng.permutation(20)], 0.4, RANGE_DB)

    same = np.r_[0:12, 18:24]
    np.testing.assert_allclose(first[:, same], second[:, same], rtol=1e-4, atol=1e-5)
    assert not np.allclose(first[:, 12:18], second[:, 12:18])


def test_silence_around_a_clip_changes_nothing_but_the_power_spectrums_level() -> None:
    view = np.random.default_rng(2).uniform(0.8, 1.0, (1, 10, 6)).astype(np.float32)
    silent = np.zeros((1, 10, 6), dtype=np.float32)

    alone = timbre_statistics(view, 0.4, RANGE_DB)
    padded = timbre_statistics(np.concatenate([silent, view, silent], axis=1), 0.4, RANGE_DB)

    np.testing.assert_allclose(padded[:, :18], alone[:, :18], rtol=1e-5)
    np.testing.assert_allclose(padded[:, 19:], alone[:, 19:], rtol=1e-4, atol=1e-5)


def test_known_moments() -> None:
    """Two levels in turn: mean, deviation and change follow by hand."""
    levels = np.array([0.9, 1.0] * 4, dtype=np.float32)
    view = np.repeat(levels[np.newaxis, :, np.newaxis], 4, axis=2)

    mean, deviation, change, _ = timbre_statistics(view, 0.4, RANGE_DB).reshape(4, 4)

    # The first coefficient of a constant over 4 bands is twice it; the others are 0.
    assert mean[0] == pytest.approx(1.9)
    assert deviation[0] == pytest.approx(0.1, rel=1e-4)
    assert change[0] == pytest.approx(0.2, rel=1e-4)
    np.testing.assert_allclose([mean[1:], deviation[1:], change[1:]], 0, atol=1e-6)


def test_a_silent_clip_has_finite_statistics() -> None:
    assert np.isfinite(timbre_statistics(np.zeros((1, 5, 6), np.float32), 0.4, RANGE_DB)).all()
