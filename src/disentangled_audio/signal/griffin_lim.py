"""From mel spectrograms back to sound: band powers to spectra, and spectra to waveforms."""

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
    """Power spectra whose mel bands are as near as may be to given ones, and that stay positive.

    Near by the Kullback-Leibler divergence, to which a weak band beside a strong one matters as
    well. Its multiplicative updates keep smooth what starts smooth, where a pseudo-inverse rings
    below zero between bands and has to be clipped.

    Parameters
    ----------
    bands : (n_items, n_frames, n_mels)
        Linear power in each band.
    filters : (n_mels, n_bins)
        Band weights of the power spectrum.
    n_iterations : int

    Returns
    -------
    (n_items, n_frames, n_bins)
        Linear power; zero in bins that no band sees.

    References
    ----------
    Lee and Seung (2001), "Algorithms for non-negative matrix factorization", eq. 5, with the
    factor that is known kept.
    """
    wanted = np.maximum(np.asarray(bands, dtype=np.float64), 0.0).reshape(-1, filters.shape[0]).T
    # A start that no bin's scale distorts: each bin the mean of the bands that see it.
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
    """Waveforms whose short-time spectra are as near as may be to given magnitudes.

    Frames are those of `centred_frames`, Hann-windowed and zero-padded to the FFT length.

    Parameters
    ----------
    magnitude : (n_items, n_frames, n_bins)
        Magnitudes of one-sided spectra of an even FFT length, 2 * (n_bins - 1).
    window_samples, hop_samples : int
        Length of a frame and from one to the next; a hop of at most half a window.
    rng : numpy.random.Generator
        Draws the phases to start from.
    n_iterations : int
    momentum : float
        0 is Griffin and Lim's own algorithm, in which the error never rises; more than that is
        faster and mostly ends lower.

    Returns
    -------
    (n_items, n_frames * hop_samples)

    Raises
    ------
    ValueError
        If the hop is more than half a window, or the FFT is shorter than the window.

    References
    ----------
    Griffin and Lim (1984), "Signal estimation from modified short-time Fourier transform", IEEE
    Trans. ASSP 32, eq. 6 and section III. Perraudin, Balazs and Søndergaard (2013), "A fast
    Griffin-Lim algorithm", WASPAA, algorithm 2.
    """
    magnitude = np.asarray(magnitude, dtype=np.float64)
    if not 0 < 2 * hop_samples <= window_samples:
        raise ValueError(f"a hop of {hop_samples} needs a window twice as long or longer")
    if 2 * (magnitude.shape[-1] - 1) < window_samples:
        raise ValueError(f"{magnitude.shape[-1]} bins are too few for {window_samples} samples")
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
    window_samples, hop_samples : int
    n_bins : int
        Half the FFT length, and one.

    Returns
    -------
    (n_items, ceil(n_samples / hop_samples), n_bins)
    """
    frames = centred_frames(waveforms, hop_samples, window_samples)
    return fft.rfft(frames * hann_window(window_samples), n=2 * (n_bins - 1), axis=-1)


def inverse_spectra(
    spectra: NDArray[np.complexfloating], window_samples: int, hop_samples: int
) -> NDArray[np.float64]:
    """Waveforms whose `short_time_spectra` have the least squared distance to given ones.

    Parameters
    ----------
    spectra : (n_items, n_frames, n_bins)
    window_samples, hop_samples : int

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
    """Sound of mel spectrograms on the scale of the views, to be listened to.

    Where the hop is longer than a quarter of the window, frames are put between those that are
    there (at levels in between, in decibels): frames that overlap by half leave phases loose.

    Parameters
    ----------
    log_mel : (n_items, n_frames, n_mels)
        0 at `dynamic_range_db` below the peak, 1 at the peak.
    filters : (n_mels, n_bins)
        Band weights of the power spectrum.
    window_samples, hop_samples : int
        Of the spectrogram.
    dynamic_range_db : float
        What is that far down, or further, is silent.
    rng : numpy.random.Generator
    n_iterations : int

    Returns
    -------
    (n_items, n_frames * hop_samples)
        Peak 1, silence where all is at 0.
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
    """Frames at fractional positions, linearly between their neighbours; the last is held."""
    last = values.shape[1] - 1
    before = np.minimum(positions.astype(np.intp), last)
    after = np.minimum(before + 1, last)
    share = (positions - before)[:, np.newaxis]
    return values[:, before] * (1.0 - share) + values[:, after] * share
