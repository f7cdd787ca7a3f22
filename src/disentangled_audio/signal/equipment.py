"""Effects of equipment on simulated sound: colour, band limits, resonances, 16 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfreqz

# Full scale of 16 bits, less one step for the dither.
MAX_AMPLITUDE = 32766 / 32767


def pink_weights(
    frequency_hz: NDArray[np.floating], slope_db_per_octave: float, corner_hz: float = 40.0
) -> NDArray[np.float32]:
    """Amplitude weights of a spectrum that falls evenly per octave and is flat below a corner.

    Parameters
    ----------
    frequency_hz : (n_bins,)
    slope_db_per_octave
        Fall of the power spectrum, 3 for pink noise.
    Returns
    -------
    (n_bins,)
        Weights, 1 up to the corner.
    """
    octaves = np.log2(np.maximum(frequency_hz, corner_hz) / corner_hz)
    return (10.0 ** (-slope_db_per_octave * octaves / 20)).astype(np.float32)


def peaking_section(
    centre_hz: float, gain_db: float, quality: float, sample_rate_hz: int
) -> NDArray[np.float64]:
    """Second-order section that lifts or lowers the spectrum around one frequency.

    Parameters
    ----------
    quality
        Centre frequency over bandwidth.

    Returns
    -------
    (1, 6)
        Numerator and denominator, as SciPy's second-order sections.

    Raises
    ------
    ValueError
        If the centre is not below half the sample rate, where the section would not be stable.

    References
    ----------
    Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients".
    """
    if not 0 < centre_hz < sample_rate_hz / 2:
        raise ValueError(f"centre_hz={centre_hz:g} must lie below {sample_rate_hz / 2:g} Hz")
    omega = 2 * np.pi * centre_hz / sample_rate_hz
    amplitude = 10 ** (gain_db / 40)
    alpha = np.sin(omega) / (2 * quality)
    numerator = np.array([1 + alpha * amplitude, -2 * np.cos(omega), 1 - alpha * amplitude])
    denominator = np.array([1 + alpha / amplitude, -2 * np.cos(omega), 1 - alpha / amplitude])
    return np.concatenate([numerator, denominator])[None] / denominator[0]


def band_limits(low_cut_hz: float, high_cut_hz: float, sample_rate_hz: int) -> NDArray[np.float64]:
    """Sections of a loudspeaker or recorder: second order at low, fourth at high frequencies.

    The cuts are -3 dB frequencies, ascending, below half the sample rate.

    Returns
    -------
    (3, 6)
        Butterworth filters as second-order sections.
    """
    low = butter(2, low_cut_hz, "highpass", fs=sample_rate_hz, output="sos")
    high = butter(4, high_cut_hz, "lowpass", fs=sample_rate_hz, output="sos")
    return np.concatenate([low, high])


def filter_sections(
    signal: NDArray[np.floating], sections: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Filter along the last axis, causally.

    Parameters
    ----------
    signal : (..., n_samples)
    sections : (n_sections, 6)

    Returns
    -------
    (..., n_samples)
    """
    return sosfilt(sections, signal.astype(np.float64)).astype(np.float32)


def section_gains(
    frequency_hz: NDArray[np.floating], sections: NDArray[np.floating], sample_rate_hz: int
) -> NDArray[np.float32]:
    """Amplitude response of second-order sections.

    Parameters
    ----------
    frequency_hz : (n_bins,)
    sections : (n_sections, 6)

    Returns
    -------
    (n_bins,)
    """
    # A coarse grid is enough for filters this smooth, and forty times faster.
    grid_hz = np.linspace(0, sample_rate_hz / 2, 2049)
    _, response = sosfreqz(sections, grid_hz, fs=sample_rate_hz)
    return np.interp(frequency_hz, grid_hz, np.abs(response)).astype(np.float32)


def quantise_16_bit(signal: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int16]:
    """Quantise to 16 bits with triangular dither, so that the error does not follow the signal.

    Parameters
    ----------
    signal : (...)
        Amplitudes, full scale is 1; magnitudes up to `MAX_AMPLITUDE`.

    Returns
    -------
    (...)

    Raises
    ------
    ValueError
        If the signal would clip.

    References
    ----------
    Lipshitz, Wannamaker and Vanderkooy (1992), "Quantization and dither": two uniform random
    numbers make the error's mean and variance independent of the signal.
    """
    peak = float(np.max(np.abs(signal)))
    if peak > MAX_AMPLITUDE + 1e-6:  # the rounding of 32-bit floats
        raise ValueError(f"the signal would clip: its peak is {peak:.5f} of full scale")
    scaled = signal * np.float32(32767)
    scaled += rng.random(signal.shape, dtype=np.float32)
    scaled -= rng.random(signal.shape, dtype=np.float32)
    return np.rint(scaled).astype(np.int16)
