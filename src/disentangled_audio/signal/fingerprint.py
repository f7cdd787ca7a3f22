"""Find recordings of the same sound at any level, with a little noise or shift."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

N_FEATURES = 256
_SMALLEST = 1e-12


def fingerprints(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Short vectors whose scalar products approximate those of the clips' magnitude spectra.

    Magnitudes do not change when a sound is shifted within its clip, and hardly with weak noise.
    A count sketch adds each of the thousands of bins to one feature, with a random sign, so that
    the cross terms of different bins cancel on average.

    Parameters
    ----------
    clips : (n_items, n_samples)

    Returns
    -------
    (n_items, 256)
        Unit vectors, zero for silence. Products are near 1 for the same sound, but also for some
        other sounds, which `best_correlation` rules out.

    References
    ----------
    Charikar, Chen and Farach-Colton (2002), "Finding frequent items in data streams";
    Weinberger et al. (2009), "Feature hashing for large scale multitask learning".
    """
    magnitude = np.abs(fft.rfft(clips, axis=1))
    n_bins = magnitude.shape[1]
    rng = np.random.default_rng(0)
    bins_per_feature = -(-n_bins // N_FEATURES)
    mixed = np.zeros((len(clips), bins_per_feature * N_FEATURES), dtype=np.float32)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), n_bins)
    mixed[:, :n_bins] = (magnitude * signs)[:, rng.permutation(n_bins)]
    features = mixed.reshape(len(clips), bins_per_feature, N_FEATURES).sum(axis=1)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(length, _SMALLEST)


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
        1 for the same waveform at any level and shift; sqrt(s / (1 + s)) if one of them has
        independent noise at a signal-to-noise power ratio s.
    """
    n_fft = 2 * first.shape[1]
    spectra = fft.rfft(first, n_fft, axis=1) * np.conj(fft.rfft(second, n_fft, axis=1))
    correlation = np.abs(fft.irfft(spectra, n_fft, axis=1)).max(axis=1)
    energy = np.square(first, dtype=float).sum(axis=1) * np.square(second, dtype=float).sum(axis=1)
    return correlation / np.sqrt(np.maximum(energy, _SMALLEST))
