"""Log spectra of whole clips, and the Hann window for frames."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.blocks import row_blocks


def hann_window(n_samples: int) -> NDArray[np.float64]:
    """Periodic Hann window, (n_samples,).

    Bit-identical to `scipy.signal.get_window`, whose import takes every worker a second.
    """
    phase = np.linspace(-np.pi, np.pi, n_samples + 1)[:-1]
    return 0.5 + 0.5 * np.cos(phase)


def log_spectrum(waveforms: NDArray[np.float32], floor_db: float = -80.0) -> NDArray[np.float32]:
    """Log magnitude of the real FFT, in single precision.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
    floor_db : float
        Lower levels, which hold only rounding noise, are raised to this one.

    Returns
    -------
    (n_items, n_samples // 2 + 1)
        dB; 0 dB is the mean power of white noise with a root mean square of one. Rounding errors
        lie some 130 dB below the clip's level.
    """
    n_samples = waveforms.shape[1]
    spectra = np.empty((len(waveforms), n_samples // 2 + 1), dtype=np.float32)
    floor = np.float32(10 ** (floor_db / 10))
    for rows in row_blocks(waveforms.shape):
        spectrum = fft.rfft(np.asarray(waveforms[rows], dtype=np.float32), axis=1)
        power = (spectrum.real**2 + spectrum.imag**2) / np.float32(n_samples)
        np.log10(np.maximum(power, floor), out=spectra[rows])
        spectra[rows] *= 10
    return spectra
