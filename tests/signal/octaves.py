"""Octave bands at the full sampling rate, which `measure` reduces."""

import numpy as np
from scipy import fft

from disentangled_audio.signal.decay import band_gains, ringing_samples


def octave_bands(
    rir: np.ndarray, rate_hz: float, centre_hz: tuple[float, ...], bands_per_octave: int = 1
) -> np.ndarray:
    """Bands of each response, (n_items, n_bands, n_samples), without phase shift."""
    n_samples = rir.shape[-1]
    ringing = ringing_samples(rate_hz, centre_hz, bands_per_octave)
    n_fft = fft.next_fast_len(n_samples + ringing, real=True)
    gains = band_gains(n_fft, rate_hz, centre_hz, bands_per_octave)
    return fft.irfft(fft.rfft(rir, n_fft)[:, None] * gains, n_fft)[..., :n_samples]
