"""Turn mel spectrograms back into sound: band powers to spectra, spectra to waveforms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.sparse import csr_array

from disentangled_audio.signal.fourier import hann_window
from disentangled_audio.signal.mel import centred_frames

# Perraudin et al. (2013) found 0.99 best on speech and music.
MOMENTUM = 0.99
_SMALLEST = 1e-12


def power_from_bands(
    bands: NDArray[np.floating], filters: csr_array, n_iterations: int = 50
) -> NDArray[np.float64]:
    """Find non-negative power spectra whose mel bands match the given ones.

    Multiplicative updates minimise the Kullback-Leibler divergence, which also counts weak bands
    next to strong ones. They keep a smooth start smooth, where a pseudo-inverse would ring below
    zero between bands and need clipping.

    Parameters
    ----------
    bands : (n_items, n_frames, n_mels)
        Linear power in each band.
    filters : (n_mels, n_bins)
        Band weights of the power spectrum.

    Returns
    -------
    (n_items, n_frames, n_bins)
        Linear power; zero in bins that no band sees.

    References
    ----------
    Lee and Seung (2001), "Algorithms for non-negative matrix factorization", eq. 5, with one
    factor fixed.
    """
    wanted = np.maximum(np.asarray(bands, dtype=np.float64), 0.0).reshape(-1, filters.shape[0]).T
    # Each bin starts at the weighted mean of the bands that contain it.
    weights = filters.sum(axis=1)[:, np.newaxis]
    seen = np.asarray(filters.sum(axis=0))[:, np.newaxis]
    power = (filters.T @ (wanted / np.maximum(weights, _SMALLEST))) / np.maximum(seen, _SMALLEST)
    for _ in range(n_iterations):
        ratio = wanted / np.maximum(filters @ power, _SMALLEST)
        power *= (filters.T @ ratio) / np.maximum(seen, _SMALLEST)
    return power.T.reshape(*bands.shape[:2], filters.shape[1])


def griffin_lim(
    magnitude: NDArray[np.floating],
    window_samples: int,
    hop_samples: int,
    *,
    rng: np.random.Generator,
    n_iterations: int = 60,
    momentum: float = MOMENTUM,
) -> NDArray[np.float32]:
    """Find waveforms whose short-time spectra match the given magnitudes.

    Frames come from `centred_frames`, Hann-windowed and zero-padded to the FFT length.

    Parameters
    ----------
    magnitude : (n_items, n_frames, n_bins)
        Magnitudes of one-sided spectra of an even FFT length, 2 * (n_bins - 1).
    window_samples, hop_samples : int
        The hop is at most half a window.
    rng : numpy.random.Generator
        Draws the initial phases.
    momentum : float
        0 is the original algorithm, whose error never rises; larger values converge faster and
        mostly to a smaller error.

    Returns
    -------
    (n_items, n_frames * hop_samples)

    References
    ----------
    Griffin and Lim (1984), "Signal estimation from modified short-time Fourier transform", IEEE
    Trans. ASSP 32, eq. 6 and section III. Perraudin, Balazs and Søndergaard (2013), "A fast
    Griffin-Lim algorithm", WASPAA, algorithm 2.
    """
    magnitude = np.asarray(magnitude, dtype=np.float64)
    if not 0 < 2 * hop_samples <= window_samples:
        raise ValueError(
            f"window_samples {window_samples} must be at least twice hop_samples {hop_samples}"
        )
    if 2 * (magnitude.shape[-1] - 1) < window_samples:
        raise ValueError(
            f"{magnitude.shape[-1]} bins are too few for a window of {window_samples} samples"
        )
    phase = np.exp(2j * np.pi * rng.random(magnitude.shape))
    waveform = inverse_spectra(magnitude * phase, window_samples, hop_samples)
    before = np.zeros_like(phase)
    for _ in range(n_iterations):
        found = short_time_spectra(waveform, window_samples, hop_samples, magnitude.shape[-1])
        ahead = found + momentum * (found - before)
        before = found
        phase = ahead / np.maximum(np.abs(ahead), _SMALLEST)
        waveform = inverse_spectra(magnitude * phase, window_samples, hop_samples)
    return waveform.astype(np.float32)


def short_time_spectra(
    waveforms: NDArray[np.floating], window_samples: int, hop_samples: int, n_bins: int
) -> NDArray[np.complex128]:
    """Spectra of Hann-windowed frames.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
    n_bins : int
        Half the FFT length plus one.

    Returns
    -------
    (n_items, ceil(n_samples / hop_samples), n_bins)
    """
    frames = centred_frames(waveforms, hop_samples, window_samples)
    return fft.rfft(frames * hann_window(window_samples), n=2 * (n_bins - 1), axis=-1)


def inverse_spectra(
    spectra: NDArray[np.complexfloating], window_samples: int, hop_samples: int
) -> NDArray[np.float64]:
    """Invert `short_time_spectra` with the least squared error.

    Parameters
    ----------
    spectra : (n_items, n_frames, n_bins)

    Returns
    -------
    (n_items, n_frames * hop_samples)

    References
    ----------
    Griffin and Lim (1984), eq. 6.
    """
    n_items, n_frames, n_bins = spectra.shape
    window = hann_window(window_samples)
    frames = fft.irfft(spectra, n=2 * (n_bins - 1), axis=-1)[..., :window_samples] * window
    added = np.zeros((n_items, (n_frames - 1) * hop_samples + window_samples))
    weight = np.zeros(added.shape[1])
    for number in range(n_frames):
        part = slice(number * hop_samples, number * hop_samples + window_samples)
        added[:, part] += frames[:, number]
        weight[part] += window**2
    inside = slice(window_samples // 2, window_samples // 2 + n_frames * hop_samples)
    return added[:, inside] / np.maximum(weight[inside], _SMALLEST)


def waveforms_from_log_mel(
    log_mel: NDArray[np.floating],
    filters: csr_array,
    window_samples: int,
    hop_samples: int,
    dynamic_range_db: float,
    *,
    rng: np.random.Generator,
    n_iterations: int = 60,
) -> NDArray[np.float32]:
    """Make mel spectrograms, on the scale of the views, audible.

    If the hop is longer than a quarter of the window, frames are interpolated (in decibels),
    because frames that overlap by only half do not determine the phases.

    Parameters
    ----------
    log_mel : (n_items, n_frames, n_mels)
        0 at `dynamic_range_db` below the peak, 1 at the peak.
    filters : (n_mels, n_bins)
        Band weights of the power spectrum.
    window_samples, hop_samples : int
    dynamic_range_db : float
        Levels this far below the peak, or further, are silent.

    Returns
    -------
    (n_items, n_frames * hop_samples)
        Peak 1; silent for a spectrogram of zeros.
    """
    n_samples = log_mel.shape[1] * hop_samples
    finer_hop = min(hop_samples, max(1, window_samples // 4))
    shown = np.clip(np.asarray(log_mel, dtype=np.float64), 0.0, 1.0)
    finer = _frames_at(shown, np.arange(-(-n_samples // finer_hop)) * (finer_hop / hop_samples))
    bands = np.where(finer > 0.0, 10.0 ** (dynamic_range_db * (finer - 1.0) / 10.0), 0.0)
    magnitude = np.sqrt(power_from_bands(bands, filters))
    sound = griffin_lim(magnitude, window_samples, finer_hop, rng=rng, n_iterations=n_iterations)
    sound = sound[:, :n_samples]
    peak = np.abs(sound).max(axis=1, keepdims=True)
    return np.divide(sound, np.where(peak > 0.0, peak, 1.0), dtype=np.float32)


def _frames_at(values: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate frames linearly at fractional positions; the last frame is held."""
    last = values.shape[1] - 1
    before = np.minimum(positions.astype(np.intp), last)
    after = np.minimum(before + 1, last)
    share = (positions - before)[:, np.newaxis]
    return values[:, before] * (1.0 - share) + values[:, after] * share
