"""Energy decay curves of impulse responses (ISO 3382-1), and filters of octave bands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

# The background noise is taken from this share of the response, at its end.
_NOISE_SHARE = 0.1
# ISO 3382-1, 5.3.3: the evaluated range ends at least 10 dB above the noise.
_NOISE_MARGIN = 10.0
# Edges as steep as those of a third-order Butterworth band-pass.
_BAND_ORDER = 3
# The filter of the lowest band has rung out after this many periods.
_RINGING_PERIODS = 20
# Lundeby et al. (1995): range of the fit to the late slope, and rounds of the iteration.
_LATE_RANGE_DB = 20.0
_KNEE_ROUNDS = 5
_MIN_FIT_WINDOWS = 3
_MIN_WINDOWS = 6


def energy_decay_curve(rir: NDArray[np.floating]) -> NDArray[np.float64]:
    """Schroeder backward integral of squared impulse responses.

    Parameters
    ----------
    rir : (n_items, n_samples)
        Impulse responses, linear amplitude, direct sound first.

    Returns
    -------
    (n_items, n_samples)
        Remaining energy in dB, 0 dB at the first sample.

    Raises
    ------
    ValueError
        If an item is all zeros.

    References
    ----------
    Schroeder (1965), "New method of measuring reverberation time"; ISO 3382-1, 5.3.3.
    """
    return _to_db(_remaining(_power(rir)))


def ringing_samples(
    sample_rate_hz: float, centre_hz: tuple[float, ...], bands_per_octave: int = 1
) -> int:
    """Samples until the filters of all bands have rung out; narrow filters take longer."""
    return round(_RINGING_PERIODS * bands_per_octave * sample_rate_hz / min(centre_hz))


def band_gains(
    n_fft: int, sample_rate_hz: float, centre_hz: tuple[float, ...], bands_per_octave: int = 1
) -> NDArray[np.float64]:
    """Gain of each band at the bins of a real transform, (n_bands, n_fft // 2 + 1)."""
    frequency_hz = fft.rfftfreq(n_fft, 1 / sample_rate_hz)[1:]
    ratio = frequency_hz / np.asarray(centre_hz)[:, None]
    detuning = (ratio - 1 / ratio) / relative_bandwidth(bands_per_octave)
    gains = np.zeros((len(centre_hz), n_fft // 2 + 1))
    gains[:, 1:] = 1 / np.sqrt(1 + detuning ** (2 * _BAND_ORDER))
    return gains


def attenuated_ratio(attenuation_db: float, bands_per_octave: int) -> float:
    """Ratio to the band's centre of the higher frequency where the filter has this attenuation."""
    detuning = (10 ** (attenuation_db / 10) - 1) ** (1 / (2 * _BAND_ORDER))
    half = detuning * relative_bandwidth(bands_per_octave) / 2
    return half + math.sqrt(half**2 + 1)


def relative_bandwidth(bands_per_octave: int) -> float:
    """Bandwidth relative to the centre frequency."""
    half = 2 ** (0.5 / bands_per_octave)
    return half - 1 / half


@dataclass(frozen=True)
class Decay:
    """Noise-free decay of several responses.

    Attributes
    ----------
    remaining : (n_items, n_points)
        Energy from each point on, with the energy behind the knee extrapolated; zero behind the
        knee.
    beyond : (n_items,)
        Extrapolated energy.
    noise : (n_items,)
        Mean energy of the noise in a point.
    reaches_floor : (n_items,)
        Whether the decay ends in noise within the response; if not, no noise is subtracted.
    is_found : (n_items,)
        Whether any decay rises above the noise.
    """

    remaining: NDArray[np.float64]
    beyond: NDArray[np.float64]
    noise: NDArray[np.float64]
    reaches_floor: NDArray[np.bool_]
    is_found: NDArray[np.bool_]


def compensated_decay(
    energy: NDArray[np.float64], n_points: NDArray[np.integer], window: int
) -> Decay:
    """Schroeder integral up to the knee, where the decay meets the noise.

    Lundeby's iteration, on windows of fixed length, finds the noise and the knee. The noise is
    subtracted (Chu), the integral ends at the knee, and the energy behind the knee is that of an
    exponential with the late slope (ISO 3382-1, 5.3.3).

    Parameters
    ----------
    energy : (n_items, n_points)
        Squared responses summed over short, equal intervals, direct sound first.
    n_points : (n_items,)
        Measured points; the others are ignored.
    window : int
        Points averaged to find the knee; 10 to 50 ms.

    References
    ----------
    Lundeby et al. (1995), "Uncertainties of measurements in room acoustics", Acustica 81;
    Chu (1978), J. Acoust. Soc. Am. 63; Guski and Vorländer (2014), "Comparison of noise
    compensation methods for room acoustic impulse response evaluations", Acta Acustica 100
    (method E: the three together).
    """
    n_windows = np.minimum(n_points, energy.shape[1]) // window
    most = energy.shape[1] // window
    means = energy[:, : most * window].reshape(len(energy), most, window).mean(axis=2)
    crossing, slope, offset, noise = _knee(means, n_windows)
    n_quiet = _first_quiet_window(n_windows)
    enough = n_windows >= _MIN_WINDOWS
    with np.errstate(invalid="ignore"):
        is_found = enough & (slope < 0) & (crossing > 0)
        # A noise-free decay crosses the mean of its last tenth near the start of that tenth.
        reaches_floor = is_found & (crossing < n_quiet - 0.5)
    crossing = np.where(is_found, np.minimum(crossing, n_windows), 0)
    slope, offset = np.where(is_found, slope, -1.0), np.where(is_found, offset, 0.0)
    knee = np.round(crossing * window).astype(int)
    # The windows from the knee on are a geometric series.
    at_knee = window * 10 ** ((offset + slope * knee / window) / 10)
    beyond = np.where(is_found, at_knee / (1 - 10 ** (slope / 10)), 0.0)
    behind_knee = np.arange(energy.shape[1]) >= knee[:, None]
    # In place, because allocating arrays would take as long as the arithmetic.
    kept = energy - np.where(reaches_floor, noise, 0.0)[:, None]
    kept[behind_knee] = 0.0
    remaining = _remaining(kept)
    remaining += beyond[:, None]
    remaining[behind_knee] = 0.0
    return Decay(remaining, beyond, noise, reaches_floor, is_found)


def _power(rir: NDArray[np.floating]) -> NDArray[np.float64]:
    power = np.square(np.asarray(rir, dtype=np.float64))
    silent = np.flatnonzero(~power.any(axis=1))
    if len(silent):
        raise ValueError(f"items {silent.tolist()} are all zeros and have no decay")
    return power


def _remaining(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cumsum(power[:, ::-1], axis=1)[:, ::-1]


def _to_db(remaining: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curves in dB; -inf where no energy remains after the noise was subtracted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = remaining / remaining[:, :1]
        return np.where(share > 0, 10 * np.log10(np.maximum(share, 0)), -np.inf)


def _first_quiet_window(n_windows: NDArray[np.integer]) -> NDArray[np.integer]:
    """First window of the last tenth, (n_items,)."""
    return np.minimum(np.floor((1 - _NOISE_SHARE) * n_windows).astype(int), n_windows - 1)


def _knee(
    means: NDArray[np.float64], n_windows: NDArray[np.integer]
) -> tuple[NDArray[np.float64], ...]:
    """Find where the late decay meets the noise, by Lundeby's iteration.

    Returns
    -------
    crossing : (n_items,)
        In windows; NaN without a falling line.
    slope, offset : (n_items,)
        Late decay in dB per window, and its level in dB at the first window.
    noise : (n_items,)
        Mean energy.
    """
    index = np.arange(means.shape[1])
    measured = index < n_windows[:, None]
    level_db = 10 * np.log10(np.maximum(means, np.finfo(float).tiny))
    peak = np.argmax(np.where(measured, means, -1.0), axis=1)
    after_peak = index >= peak[:, None]
    quiet = _first_quiet_window(n_windows)
    first, start = peak, quiet
    slope = offset = crossing = noise = np.full(len(means), np.nan)
    for n_rounds in range(_KNEE_ROUNDS):
        used = measured & (index >= start[:, None])
        noise = np.where(used, means, 0.0).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
        noise_db = 10 * np.log10(np.maximum(noise, np.finfo(float).tiny))
        below = level_db < noise_db[:, None] + _NOISE_MARGIN
        last = _first_of(after_peak & (below | ~measured), n_windows)
        if n_rounds:
            in_range = level_db < (noise_db + _NOISE_MARGIN + _LATE_RANGE_DB)[:, None]
            first = _first_of(after_peak & in_range, last)
            first = np.maximum(peak, np.minimum(first, last - _MIN_FIT_WINDOWS))
        slope, offset = _lines(level_db, first, last)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = np.where(slope < 0, (noise_db - offset) / slope, np.nan)
            clear = crossing - _NOISE_MARGIN / slope
        start = np.where(np.isfinite(clear), np.clip(clear, peak, quiet), quiet).astype(int)
    return crossing, slope, offset, noise


def _first_of(condition: NDArray[np.bool_], otherwise: NDArray[np.integer]) -> NDArray[np.integer]:
    """Index of the first True of each row, or `otherwise` in rows without one."""
    return np.where(condition.any(axis=1), condition.argmax(axis=1), otherwise)


def _lines(
    values: NDArray[np.float64], first: NDArray[np.integer], last: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a line to points `first` to `last` - 1 of each row; NaN for fewer than two points."""
    index = np.arange(values.shape[1])
    used = (index >= first[:, None]) & (index < last[:, None])
    n_used = np.maximum(last - first, 0).astype(float)
    n_used[n_used < 2] = np.nan
    middle = (first + last - 1) / 2
    centred = np.where(used, index - middle[:, None], 0.0)
    # n consecutive integers have the sum of squares n (n² - 1) / 12 around their mean.
    slope = np.einsum("ij,ij->i", centred, values) / (n_used * (n_used**2 - 1) / 12)
    mean = np.where(used, values, 0.0).sum(axis=1) / n_used
    return slope, mean - slope * middle
