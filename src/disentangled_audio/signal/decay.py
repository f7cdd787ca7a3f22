"""Energy decay curves and reverberation times of impulse responses (ISO 3382-1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

MID_FREQUENCY_HZ = (500.0, 1000.0)
# The background noise is taken from this share of the response, at its end.
_NOISE_SHARE = 0.1
# ISO 3382-1, 5.3.3: the noise lies at least 10 dB below the end of the evaluated range.
_NOISE_MARGIN = 10.0
# Edges as steep as those of a third-order Butterworth band-pass.
_BAND_ORDER = 3
# Periods of the lowest band after which its filter has rung out.
_RINGING_PERIODS = 20


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


def reverberation_time_s(
    rir: NDArray[np.floating],
    sample_rate_hz: float,
    *,
    start_db: float = -5.0,
    end_db: float = -25.0,
) -> NDArray[np.float64]:
    """Time in which the energy falls by 60 dB, from a line fitted to a part of its decay.

    The mean power of the last tenth of the response is taken for background noise and
    subtracted before the integration, so that noise does not bend the curve.

    Parameters
    ----------
    rir : (n_items, n_samples)
        Impulse responses or bands of them, linear amplitude. Silence before the direct sound
        does no harm.
    sample_rate_hz
        Sample rate in Hz.
    start_db, end_db
        Part of the curve that the line is fitted to; the defaults give T20, an end at -35 dB
        gives T30.

    Returns
    -------
    (n_items,)
        Reverberation times in seconds. NaN where the curve does not reach the end, or where
        the power there is less than 10 dB above the noise.

    Raises
    ------
    ValueError
        If an item is all zeros, or the range does not fall.

    References
    ----------
    ISO 3382-1, 5.3.3 and 6; Chu (1978), "Comparison of reverberation measurements using
    Schroeder's impulse method and decay-curve averaging method" (subtraction of the noise).
    """
    if not end_db < start_db <= 0:
        raise ValueError(f"start_db {start_db} and end_db {end_db} do not descend from 0")
    power = _power(rir)
    n_noise = max(1, round(_NOISE_SHARE * power.shape[-1]))
    noise = power[:, -n_noise:].mean(axis=1)
    remaining = _remaining(power - noise[:, None])
    decay_db = _to_db(remaining)
    slope = _slope(decay_db, start_db, end_db)
    with np.errstate(divide="ignore", invalid="ignore"):
        time_s = np.where(slope < 0, -60 / slope, np.nan) / sample_rate_hz
        # An exponential decay's power follows from the energy that remains of it.
        per_sample = 6 * np.log(10) / (time_s * sample_rate_hz)
        power_at_end = remaining[:, 0] * 10 ** (end_db / 10) * per_sample
        return np.where(power_at_end >= _NOISE_MARGIN * noise, time_s, np.nan)


def octave_bands(
    rir: NDArray[np.floating],
    sample_rate_hz: float,
    centre_hz: tuple[float, ...] = MID_FREQUENCY_HZ,
) -> NDArray[np.float64]:
    """Responses split into octave bands, without phase shift, by one transform.

    Parameters
    ----------
    rir : (n_items, n_samples)
        Impulse responses, linear amplitude.
    sample_rate_hz
        Sample rate in Hz.
    centre_hz
        Band centres in Hz; the edges lie half an octave to either side.

    Returns
    -------
    (n_items, n_bands, n_samples)
        One signal a band.

    References
    ----------
    IEC 61260-1 (octave bands); the magnitude is a Butterworth band-pass's.
    """
    n_samples = rir.shape[-1]
    ringing = round(_RINGING_PERIODS * sample_rate_hz / min(centre_hz))
    n_fft = fft.next_fast_len(n_samples + ringing, real=True)
    frequency_hz = fft.rfftfreq(n_fft, 1 / sample_rate_hz)[1:]
    ratio = frequency_hz / np.asarray(centre_hz)[:, None]
    detuning = (ratio - 1 / ratio) / (np.sqrt(2) - np.sqrt(0.5))
    gains = np.zeros((len(centre_hz), n_fft // 2 + 1))
    gains[:, 1:] = 1 / np.sqrt(1 + detuning ** (2 * _BAND_ORDER))
    spectrum = fft.rfft(np.asarray(rir, dtype=np.float64), n_fft)
    return fft.irfft(spectrum[:, None] * gains, n_fft)[..., :n_samples]


def _power(rir: NDArray[np.floating]) -> NDArray[np.float64]:
    power = np.square(np.asarray(rir, dtype=np.float64))
    silent = np.flatnonzero(~power.any(axis=1))
    if len(silent):
        raise ValueError(f"items {silent.tolist()} are all zeros and have no decay")
    return power


def _remaining(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cumsum(power[:, ::-1], axis=1)[:, ::-1]


def _to_db(remaining: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curves in dB; -inf where nothing, or with subtracted noise less than nothing, remains."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = remaining / remaining[:, :1]
        return np.where(share > 0, 10 * np.log10(np.maximum(share, 0)), -np.inf)


def _slope(decay_db: NDArray[np.float64], start_db: float, end_db: float) -> NDArray[np.float64]:
    """Least-squares slope in dB a sample between two levels; NaN where the curve misses one."""
    index = np.arange(decay_db.shape[1])
    first = np.argmax(decay_db <= start_db, axis=1)[:, None]
    last = np.argmax(decay_db < end_db, axis=1)[:, None]
    used = (index >= first) & (index < last)
    n_used = used.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        centred = np.where(used, index - (first + last - 1) / 2, 0.0)
        slope = np.sum(centred * np.where(used, decay_db, 0.0), axis=1) / np.sum(centred**2, axis=1)
    return np.where(n_used > 1, slope, np.nan)
