"""Mel-band power at any frame positions, and decibels relative to the clip's own peak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from disentangled_audio.signal.fourier import hann_window

# Below this a band counts as silent; it keeps the logarithm finite.
_SMALLEST_POWER = 1e-20


def hz_to_mel(frequency_hz: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Mel value of a frequency.

    Parameters
    ----------
    frequency_hz : (...)
        Frequencies in Hz, not negative.

    Returns
    -------
    (...)

    References
    ----------
    O'Shaughnessy (1987), "Speech Communication: Human and Machine", p. 150.
    """
    return 2595.0 * np.log10(1.0 + np.asarray(frequency_hz, dtype=np.float64) / 700.0)


def mel_to_hz(mel: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Frequency in Hz of a mel value, the inverse of `hz_to_mel`."""
    return 700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0)


def mel_edges_hz(n_mels: int, min_hz: float, max_hz: float) -> NDArray[np.float64]:
    """Corner frequencies of triangular bands that are equally wide in mel.

    Parameters
    ----------
    min_hz, max_hz : float
        Lower corner of the first band and upper corner of the last.

    Returns
    -------
    (n_mels + 2,)
        Band `m` rises from edge `m`, peaks at edge `m + 1` and falls to edge `m + 2`, in Hz.
    """
    if not 0.0 <= min_hz < max_hz:
        raise ValueError(f"need 0 <= min_hz < max_hz, got {min_hz:g} and {max_hz:g}")
    return mel_to_hz(np.linspace(hz_to_mel(min_hz), hz_to_mel(max_hz), n_mels + 2))


def fft_length(window_samples: int, sample_rate_hz: int, edges_hz: NDArray[np.float64]) -> int:
    """FFT length at which every mel band has a frequency bin.

    Zero padding is needed where low bands are narrower than the bins of the window alone.

    Parameters
    ----------
    edges_hz : (n_mels + 2,)
        Corner frequencies of the bands.

    Returns
    -------
    int
        A power of two, at least `window_samples`.
    """
    narrowest_hz = float(np.min(np.diff(edges_hz)))
    needed = max(float(window_samples), sample_rate_hz / narrowest_hz)
    return 1 << int(np.ceil(np.log2(needed)))


def mel_filter_bank(edges_hz: NDArray[np.float64], n_fft: int, sample_rate_hz: int) -> csr_array:
    """Triangular band weights, 1 at the centre of a band.

    Parameters
    ----------
    edges_hz : (n_mels + 2,)
        Corner frequencies in Hz, ascending.

    Returns
    -------
    (n_mels, n_fft // 2 + 1)
        Weights of the power spectrum, sparse: a bin belongs to two bands at most.

    References
    ----------
    Davis and Mermelstein (1980), "Comparison of parametric representations", fig. 1.
    """
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate_hz)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    return csr_array(np.clip(np.minimum(rising, falling), 0.0, None))


def centred_frames(
    waveforms: NDArray[np.float32], hop_samples: int, window_samples: int
) -> NDArray[np.float32]:
    """Frames centred on the first sample and on every `hop_samples`-th one after it.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
        Signals; samples outside read as zero.

    Returns
    -------
    (n_items, ceil(n_samples / hop_samples), window_samples)
        Read-only, overlapping views of one padded copy.
    """
    before = window_samples // 2
    padded = np.pad(waveforms, ((0, 0), (before, window_samples - before)))
    every = np.lib.stride_tricks.sliding_window_view(padded, window_samples, axis=1)
    return every[:, : waveforms.shape[1] : hop_samples]


def take_frames(
    waveforms: NDArray[np.float32], starts: NDArray[np.integer], window_samples: int
) -> NDArray[np.float32]:
    """Cut frames at given positions.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
    starts : (n_items, n_frames) or (n_frames,)
        First sample of each frame; samples outside the clip read as zero.

    Returns
    -------
    (n_items, n_frames, window_samples)
        Frames, without a window function.
    """
    n_items, n_samples = waveforms.shape
    starts = np.broadcast_to(starts, (n_items, np.shape(starts)[-1]))
    before = max(0, -int(starts.min()))
    after = max(0, int(starts.max()) + window_samples - n_samples)
    padded = np.pad(waveforms, ((0, 0), (before, after)))
    every = np.lib.stride_tricks.sliding_window_view(padded, window_samples, axis=1)
    return every[np.arange(n_items)[:, None], starts + before]


def mel_power(frames: NDArray[np.float32], filters: csr_array) -> NDArray[np.float32]:
    """Power in each band of Hann-windowed frames.

    Parameters
    ----------
    frames : (n_items, n_frames, window_samples)
        Cut signal.
    filters : (n_mels, n_fft // 2 + 1)
        Band weights of the power spectrum, for an even FFT length.

    Returns
    -------
    (n_items, n_frames, n_mels)
    """
    # Double precision: in single, rounding errors of a strong tone mask bands 80 dB below it.
    windowed = frames * hann_window(frames.shape[-1])
    spectra = np.fft.rfft(windowed, n=2 * (filters.shape[1] - 1), axis=-1)
    power = spectra.real**2
    power += spectra.imag**2
    bands = (filters @ power.reshape(-1, power.shape[-1]).T).T
    return np.ascontiguousarray(bands, dtype=np.float32).reshape(*frames.shape[:2], -1)


def relative_db(power: NDArray[np.floating], axes: tuple[int, ...]) -> NDArray[np.float32]:
    """Decibels below the largest value along `axes`.

    Parameters
    ----------
    power : (...)
        Linear power, not negative.
    axes : tuple of int
        Axes that share a reference.

    Returns
    -------
    (...)
        dB, at most 0; zeros give a very low floor, never NaN.
    """
    reference = np.maximum(power.max(axis=axes, keepdims=True), _SMALLEST_POWER)
    decibels = 10.0 * np.log10(np.maximum(power / reference, _SMALLEST_POWER))
    return decibels.astype(np.float32, copy=False)


def active_span(
    frame_energy: NDArray[np.floating], trim_db: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last frame that is louder than `trim_db` below the clip's loudest frame.

    Parameters
    ----------
    frame_energy : (n_items, n_frames)
        Linear energy of each frame.
    Returns
    -------
    first, last : (n_items,) each
        Inclusive frame indices. A silent clip is active from end to end.
    """
    silent = frame_energy.max(axis=1, keepdims=True) <= 0.0
    active = (relative_db(frame_energy, (1,)) >= -trim_db) | silent
    n_frames = frame_energy.shape[1]
    return active.argmax(axis=1), n_frames - 1 - active[:, ::-1].argmax(axis=1)
