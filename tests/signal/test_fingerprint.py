"""The same sound is found again, and another is not."""

import numpy as np
import pytest

from disentangled_audio.signal.fingerprint import best_correlation, fingerprints


def _clips(n_items: int = 20) -> np.ndarray:
    """Decaying noise, filtered differently."""
    rng = np.random.default_rng(0)
    decay = np.exp(-np.arange(8000) / rng.uniform(500, 3000, (n_items, 1)))
    noise = rng.standard_normal((n_items, 8000)) * decay
    weights = rng.uniform(-0.9, 0.9, (n_items, 1))
    return (noise + weights * np.roll(noise, 1, axis=1)).astype(np.float32)


def _changed(clips: np.ndarray) -> np.ndarray:
    """Louder, a millisecond later, with noise 30 dB below."""
    rng = np.random.default_rng(1)
    level = np.sqrt(np.mean(np.square(clips), axis=1, keepdims=True)) * 10 ** (-30 / 20)
    noisy = clips + level * rng.standard_normal(clips.shape)
    return (3.0 * np.roll(noisy, 8, axis=1)).astype(np.float32)


def test_the_changed_copy_is_the_nearest() -> None:
    clips = _clips()
    cosines = fingerprints(_changed(clips)) @ fingerprints(clips).T
    assert (cosines.argmax(axis=1) == np.arange(len(clips))).all()


def test_correlation_tells_the_same_sound_from_a_like_one() -> None:
    clips = _clips()
    same = best_correlation(clips, _changed(clips))
    assert same == pytest.approx(np.sqrt(1000 / 1001), abs=0.01)
    assert best_correlation(clips, np.roll(clips, 1, axis=0)).max() < 0.5


def test_fingerprints_have_length_one_and_know_no_level() -> None:
    clips = _clips(3)
    found = fingerprints(clips)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(found, fingerprints(5 * clips), atol=1e-4)


def test_short_and_silent_clips_have_fingerprints() -> None:
    assert np.isfinite(fingerprints(np.zeros((2, 30), dtype=np.float32))).all()
