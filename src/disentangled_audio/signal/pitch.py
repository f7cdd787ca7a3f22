"""Pitch salience by normalised autocorrelation, and the modal pattern of low resonances."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.fourier import hann_window

# A periodic signal also repeats at every multiple of its period. A lower octave costs this much,
# so that the shortest period wins (Boersma 1993, "OctaveCost").
_OCTAVE_COST = 0.05
_SILENT_ENERGY = 1e-12


def log_f0_grid_hz(f0_min_hz: float, f0_max_hz: float, bins_per_octave: int) -> NDArray[np.float64]:
    """Candidate fundamental frequencies, equally spaced in log frequency.

    Parameters
    ----------
    f0_min_hz, f0_max_hz : float
        The last candidate is the largest one not above `f0_max_hz`.

    Returns
    -------
    (n_candidates,)

    Raises
    ------
    ValueError
        If the range is empty.
    """
    if not 0.0 < f0_min_hz < f0_max_hz:
        raise ValueError(f"need 0 < f0_min_hz < f0_max_hz, got {f0_min_hz:g} and {f0_max_hz:g}")
    octaves = np.log2(f0_max_hz / f0_min_hz)
    # The small term keeps a range of whole octaves whole in spite of rounding.
    n_candidates = int(np.floor(octaves * bins_per_octave + 1e-9)) + 1
    return f0_min_hz * 2.0 ** (np.arange(n_candidates) / bins_per_octave)


def f0_salience(
    frames: NDArray[np.float32], grid_hz: NDArray[np.float64], sample_rate_hz: int
) -> NDArray[np.float32]:
    """Normalised autocorrelation at the period of each candidate fundamental.

    The autocorrelation of the windowed frame is divided by that of the window, so that a periodic
    signal has salience 1 at its period. It is evaluated at fractional lags, exactly, from the
    power spectrum.

    Parameters
    ----------
    frames : (n_items, n_frames, window_samples)
        At least two periods of the lowest candidate long.
    grid_hz : (n_candidates,)

    Returns
    -------
    (n_items, n_frames, n_candidates)
        Salience, about -1 to 1; 0 for a silent frame.

    References
    ----------
    Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
    harmonics-to-noise ratio of a sampled sound", eq. 9.
    """
    window_samples = frames.shape[-1]
    if window_samples < 2.0 * sample_rate_hz / grid_hz[0]:
        raise ValueError(
            f"frames of {window_samples} samples hold less than two periods of {grid_hz[0]:g} Hz "
            f"at {sample_rate_hz} Hz; raise the lowest fundamental or lengthen the frames"
        )
    window = hann_window(window_samples).astype(np.float32)
    # Twice the length, so that the circular autocorrelation does not wrap.
    n_fft = fft.next_fast_len(2 * window_samples, real=True)
    lags = np.concatenate([[0.0], sample_rate_hz / grid_hz])
    centred = frames - frames.mean(axis=-1, keepdims=True)
    cosines = _lag_cosines(n_fft, tuple(lags.tolist()))
    own = _autocorrelation(window, cosines, n_fft)
    autocorrelation = _autocorrelation(centred * window, cosines, n_fft)
    energy = autocorrelation[..., :1]
    silent = energy <= _SILENT_ENERGY
    ratio = autocorrelation[..., 1:] / np.where(silent, 1.0, energy)
    return np.where(silent, 0.0, ratio * own[0] / own[1:]).astype(np.float32)


def f0_track(
    salience: NDArray[np.float32], grid_hz: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find the best fundamental of each frame and how periodic the frame is.

    Parameters
    ----------
    salience : (n_items, n_frames, n_candidates)
        From `f0_salience`.
    grid_hz : (n_candidates,)

    Returns
    -------
    f0_hz, strength : (n_items, n_frames) each
        Fundamental in Hz (meaningful only where `strength` is high) and its salience, 0 to 1.

    References
    ----------
    Boersma (1993), eq. 25 and 26: an octave cost prefers the shortest of equally good periods.
    """
    octaves = np.log2(grid_hz / grid_hz[0]).astype(np.float32)
    best = (salience + _OCTAVE_COST * octaves).argmax(axis=-1)
    strength = np.take_along_axis(salience, best[..., None], axis=-1)[..., 0]
    return grid_hz[best].astype(np.float32), np.clip(strength, 0.0, 1.0)


def median_f0_hz(f0_hz: NDArray[np.float32], voiced: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Median fundamental of the voiced frames.

    Parameters
    ----------
    f0_hz : (n_items, n_frames)
    voiced : (n_items, n_frames)

    Returns
    -------
    (n_items,)
        Median in Hz, the lower of the two middle values for an even number of frames; NaN where
        no frame is voiced.
    """
    ordered = np.sort(np.where(voiced, f0_hz, np.inf), axis=1)
    middle = np.maximum(voiced.sum(axis=1) - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[:, None], axis=1)[:, 0]
    return np.where(voiced.any(axis=1), median, np.nan).astype(np.float32)


def interpolated(values: NDArray[np.floating], known: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Interpolate unknown frames linearly; the first and last known value are repeated outwards.

    Parameters
    ----------
    values, known : (n_items, n_frames)

    Returns
    -------
    (n_items, n_frames)
        0 in every frame of an item without a known frame.
    """
    frames = np.arange(values.shape[1])
    filled = np.zeros_like(values)
    for row, (own, kept) in enumerate(zip(values, known, strict=True)):
        if kept.any():
            filled[row] = np.interp(frames, frames[kept], own[kept])
    return filled


def modal_power(
    frames: NDArray[np.float32], frequencies_hz: NDArray[np.float64], sample_rate_hz: int
) -> NDArray[np.float32]:
    """Power of Hann-windowed frames at given low frequencies.

    Below a room's Schroeder frequency single modes stand apart, so a long window shows where a
    room resonates; successive frames show which of its resonances last.

    Parameters
    ----------
    frames : (n_items, n_frames, window_samples)
        Cut impulse response.
    frequencies_hz : (n_frequencies,)
        Where the spectrum is evaluated, in Hz.

    Returns
    -------
    (n_items, n_frames, n_frequencies)

    References
    ----------
    Kuttruff (2016), "Room Acoustics", 6th ed., section 3.2.
    """
    basis = _modal_basis(frames.shape[-1], sample_rate_hz, tuple(frequencies_hz.tolist()))
    # One product for all frames: a product for each item would read the basis again every time.
    projected = (frames.reshape(-1, frames.shape[-1]) @ basis).reshape(*frames.shape[:2], -1)
    real, imaginary = np.split(projected, 2, axis=-1)
    return real**2 + imaginary**2


# Cached, because the bases are the same for every block and cost more than a block's transforms.
@lru_cache(maxsize=4)
def _modal_basis(
    window_samples: int, sample_rate_hz: int, frequencies_hz: tuple[float, ...]
) -> NDArray[np.float32]:
    """Hann-windowed cosines, then sines: (window_samples, 2 * n_frequencies)."""
    times_s = np.arange(window_samples) / sample_rate_hz
    phases = 2.0 * np.pi * times_s[:, None] * np.asarray(frequencies_hz)
    window = hann_window(window_samples)[:, None]
    return (window * np.hstack([np.cos(phases), np.sin(phases)])).astype(np.float32)


@lru_cache(maxsize=4)
def _lag_cosines(n_fft: int, lags: tuple[float, ...]) -> NDArray[np.float32]:
    """Matrix from a one-sided power spectrum to the autocorrelation at lags in samples."""
    bins = np.arange(n_fft // 2 + 1)
    # In a one-sided spectrum every bin but the first and the last stands for two.
    weights = np.where((bins == 0) | (2 * bins == n_fft), 1.0, 2.0) / n_fft
    cosines = weights[:, None] * np.cos(2.0 * np.pi * bins[:, None] * np.asarray(lags) / n_fft)
    return cosines.astype(np.float32)


def _autocorrelation(
    frames: NDArray[np.float32], cosines: NDArray[np.float32], n_fft: int
) -> NDArray[np.float32]:
    """Autocorrelation at fractional lags, from the power spectrum (Wiener-Khinchin)."""
    spectra = fft.rfft(frames, n=n_fft, axis=-1)
    return (spectra.real**2 + spectra.imag**2) @ cosines
