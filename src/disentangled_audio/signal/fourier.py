"""Spectrum of the whole clip."""

import numpy as np
from numpy.typing import NDArray


def log_spectrum(
    waveforms: NDArray[np.float32], floor_db: float = -80.0, batch_items: int = 64
) -> NDArray[np.float32]:
    """Log magnitude of the real FFT.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
        A real signal's spectrum is conjugate-symmetric, so half of the bins hold it all.
    floor_db : float
        Lowest level kept; below it, bins hold rounding noise.
    batch_items : int
        Items transformed at a time; bounds memory and keeps the work in cache.

    Returns
    -------
    (n_items, n_samples // 2 + 1)
        dB, float32; 0 dB is the mean power of white noise with a root mean square of one.
    """
    n_samples = waveforms.shape[1]
    spectra = np.empty((len(waveforms), n_samples // 2 + 1), dtype=np.float32)
    floor = 10 ** (floor_db / 10)
    for first in range(0, len(waveforms), batch_items):
        part = slice(first, first + batch_items)
        power = np.abs(np.fft.rfft(waveforms[part], axis=1)) ** 2 / n_samples
        spectra[part] = 10 * np.log10(np.maximum(power, floor))
    return spectra
