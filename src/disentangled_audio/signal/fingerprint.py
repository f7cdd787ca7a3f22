"""Finds recordings of the same sound, whatever their level, and a little noise or shift."""

import numpy as np
from numpy.typing import NDArray

_N_FRAMES = 24
_N_BANDS = 24
# Compresses power so that loud parts do not decide alone, and noise far below them does not matter.
_COMPRESSION = 0.25
_SMALLEST = 1e-12


def fingerprints(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coarse shape of each clip's spectrogram, as a vector of length one.

    Parameters
    ----------
    clips : (n_items, n_samples)

    Returns
    -------
    (n_items, n_features)
        Scalar products are cosines: near 1 for the same sound, and for some others, which
        `best_correlation` tells from it.
    """
    n_frame = max(4, clips.shape[1] // _N_FRAMES)
    n_frames = max(1, clips.shape[1] // n_frame)
    frames = clips[:, : n_frames * n_frame].reshape(len(clips), n_frames, -1)
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(frames.shape[2]), axis=2)))[:, :, 1:]
    edges = np.unique(np.rint(np.geomspace(1, power.shape[2], _N_BANDS)).astype(int)) - 1
    bands = np.add.reduceat(power, edges, axis=2)
    bands /= bands.sum(axis=(1, 2), keepdims=True) + _SMALLEST
    shape = (bands**_COMPRESSION).reshape(len(clips), -1)
    shape -= shape.mean(axis=1, keepdims=True)
    shape /= np.linalg.norm(shape, axis=1, keepdims=True) + _SMALLEST
    return shape.astype(np.float32)


def best_correlation(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Largest normalised cross-correlation of pairs of clips over all shifts, sign ignored.

    Parameters
    ----------
    first, second : (n_pairs, n_samples)

    Returns
    -------
    (n_pairs,)
        1 for the same waveform at any level and shift; with independent noise at a ratio of
        s to 1 in power in one of them, sqrt(s / (1 + s)).
    """
    n_fft = 2 * first.shape[1]
    spectra = np.fft.rfft(first, n_fft, axis=1) * np.conj(np.fft.rfft(second, n_fft, axis=1))
    correlation = np.abs(np.fft.irfft(spectra, n_fft, axis=1)).max(axis=1)
    energy = np.square(first, dtype=float).sum(axis=1) * np.square(second, dtype=float).sum(axis=1)
    return correlation / np.sqrt(np.maximum(energy, _SMALLEST))
