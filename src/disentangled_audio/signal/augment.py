"""Random changes to clips that keep their class.

All functions but `jitter` take and return float32 arrays of shape (n_items, n_samples).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.blocks import row_blocks
from disentangled_audio.signal.clip import levels

Clips = NDArray[np.float32]


def augment(
    clips: Clips,
    sample_rate_hz: int,
    rng: np.random.Generator,
    *,
    snr_db: tuple[float, float],
    max_gain_db: float,
    max_shift_s: float,
    max_speed_change: float,
    max_tilt_db_per_octave: float,
) -> Clips:
    """Apply every change once, in the order in which they happen in a room.

    Source (speed), then room and equipment (tilt, noise), then recorder (gain, shift).
    """
    clips = change_speed(clips, max_speed_change, rng)
    clips = tilt(clips, max_tilt_db_per_octave, rng)
    clips = add_noise(clips, *snr_db, rng)
    clips = change_gain(clips, max_gain_db, rng)
    return shift(clips, round(max_shift_s * sample_rate_hz), rng)


def add_noise(
    clips: Clips, min_snr_db: float, max_snr_db: float, rng: np.random.Generator
) -> Clips:
    """Add white noise at a signal-to-noise ratio drawn uniformly per item, in dB."""
    snr_db = rng.uniform(min_snr_db, max_snr_db, (len(clips), 1))
    noise = rng.standard_normal(clips.shape, dtype=np.float32)
    # Scaled by the level of the drawn noise, so that the ratio is exact.
    scale = levels(clips) / levels(noise) * 10 ** (-snr_db / 20)
    noise *= scale.astype(np.float32)
    noise += clips
    return noise


def change_gain(clips: Clips, max_gain_db: float, rng: np.random.Generator) -> Clips:
    """Scale each item by a gain drawn uniformly from ±`max_gain_db`."""
    gain_db = rng.uniform(-max_gain_db, max_gain_db, (len(clips), 1))
    return clips * (10 ** (gain_db / 20)).astype(np.float32)


def shift(clips: Clips, max_shift: int, rng: np.random.Generator) -> Clips:
    """Move each item by up to ±`max_shift` samples and fill with zeros."""
    shifted = np.zeros_like(clips)
    n_samples = clips.shape[1]
    max_shift = min(max_shift, n_samples)
    for item, offset in enumerate(rng.integers(-max_shift, max_shift + 1, len(clips))):
        moved = clips[item, max(-offset, 0) : n_samples - max(offset, 0)]
        shifted[item, max(offset, 0) : max(offset, 0) + len(moved)] = moved
    return shifted


def change_speed(clips: Clips, max_change: float, rng: np.random.Generator) -> Clips:
    """Play each item faster or slower by up to `max_change` (0.03 is 3 %), pitch included.

    Samples are interpolated linearly, and zero behind the end of the clip.
    """
    positions = np.arange(clips.shape[1], dtype=np.float64)
    speeds = rng.uniform(1 - max_change, 1 + max_change, len(clips))
    changed = np.empty_like(clips)
    for item, speed in enumerate(speeds):
        changed[item] = np.interp(positions * speed, positions, clips[item], right=0.0)
    return changed


def tilt(clips: Clips, max_db_per_octave: float, rng: np.random.Generator) -> Clips:
    """Tilt the spectrum by up to ±`max_db_per_octave` dB, at constant phase."""
    n_samples = clips.shape[1]
    octaves = np.log2(np.arange(1, n_samples // 2 + 1))
    octaves -= octaves.mean()
    slopes = rng.uniform(-max_db_per_octave, max_db_per_octave, (len(clips), 1))
    # 20 log10 of a gain is some 6 dB times its log2.
    exponents = (slopes / (20 * np.log10(2))).astype(np.float32)
    octaves = octaves.astype(np.float32)
    tilted = np.empty_like(clips)
    for rows in row_blocks(clips.shape):
        spectra = fft.rfft(clips[rows], axis=1)
        spectra[:, 1:] *= np.exp2(exponents[rows] * octaves)
        tilted[rows] = fft.irfft(spectra, n=n_samples, axis=1)
    return tilted


def jitter(
    features: NDArray[np.float64], spread: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Add Gaussian noise to features, (n_items, n_features), with the given standard deviations."""
    return features + spread * rng.standard_normal(features.shape)
