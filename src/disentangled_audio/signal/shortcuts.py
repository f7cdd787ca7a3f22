"""What a recording tells beside what it is a recording of: numbers that a shortcut could use."""

import itertools

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.signal.clip import ONSET_DB

# Looked at to tell how a file stores its samples; more would tell the same.
_STORED_SAMPLES = 4096
_FULL_SCALE = 2.0**15
_FRAME_S = 0.01
_QUIET_SHARE = 0.1
_SMALLEST_POWER = 1e-20


def stored_facts(signal: NDArray[np.float32]) -> dict[str, float]:
    """How a file's samples are stored, from some of them.

    Parameters
    ----------
    signal : (n_samples,)
        As decoded, full scale 1.

    Returns
    -------
    dict
        ``lsb_odd_share``: share of odd values among 16-bit steps that are not zero, about one
        half where all bits are used, 0 for fewer bits, NaN where samples lie between the steps
        or all are zero; ``zero_share``: share of exact zeros; ``tail_dbfs``: root mean square of
        the last tenth, dB of full scale.
    """
    steps = signal[:: max(1, len(signal) // _STORED_SAMPLES)] * np.float32(_FULL_SCALE)
    whole = np.rint(steps)
    sounding = whole != 0
    known = bool(sounding.any()) and bool((whole == steps).all())
    tail = signal[-max(1, len(signal) // 10) :]
    power = float(np.dot(tail, tail)) / len(tail)
    return {
        "lsb_odd_share": float((whole[sounding] % 2 != 0).mean()) if known else float("nan"),
        "zero_share": float(1.0 - sounding.mean()),
        "tail_dbfs": 10.0 * float(np.log10(max(power, _SMALLEST_POWER))),
    }


def floor_and_bandwidth(
    clips: NDArray[np.float32], sample_rate_hz: int, share: float
) -> dict[str, NDArray[np.float64]]:
    """Level of the quietest tenth of a clip, and the frequency below which its energy lies.

    Parameters
    ----------
    clips : (n_items, n_samples)
    sample_rate_hz : int
    share : float
        Of the energy, below 1.

    Returns
    -------
    dict of (n_items,)
        ``noise_floor_db``: dB of the quietest tenth of frames of 10 ms below the loudest frame;
        ``bandwidth_hz``.
    """
    n_frame = max(1, round(_FRAME_S * sample_rate_hz))
    n_frames = max(1, clips.shape[1] // n_frame)
    framed = clips[:, : n_frames * n_frame].reshape(len(clips), n_frames, -1)
    energy = np.sort(np.square(framed, dtype=np.float64).mean(axis=2), axis=1)
    quiet = energy[:, : max(1, round(_QUIET_SHARE * n_frames))].mean(axis=1)
    power = _power(clips)
    below = np.cumsum(power, axis=1)
    last = (below < share * below[:, -1:]).sum(axis=1)
    step_hz = sample_rate_hz / 2.0 / (power.shape[1] - 1)
    return {
        "noise_floor_db": 10.0
        * np.log10(np.maximum(quiet, _SMALLEST_POWER) / np.maximum(energy[:, -1], _SMALLEST_POWER)),
        "bandwidth_hz": last * step_hz,
    }


def direct_sound_spectrum(
    clips: NDArray[np.float32], sample_rate_hz: int, duration_s: float, n_bands: int
) -> NDArray[np.float64]:
    """Shape of the spectrum of a clip's first sound, without its level.

    Parameters
    ----------
    clips : (n_items, n_samples)
    sample_rate_hz : int
    duration_s : float
        From where the clip first comes within 20 dB of its peak.
    n_bands : int
        Of equal width in Hz.

    Returns
    -------
    (n_items, n_bands)
        dB about their mean.
    """
    n_direct = max(2 * n_bands, round(duration_s * sample_rate_hz))
    magnitude = np.abs(clips)
    loud = magnitude >= magnitude.max(axis=1, keepdims=True) * 10.0 ** (ONSET_DB / 20.0)
    starts = np.minimum(loud.argmax(axis=1), max(0, clips.shape[1] - n_direct))
    index = starts[:, np.newaxis] + np.arange(min(n_direct, clips.shape[1]))
    edges = np.linspace(0, index.shape[1] // 2 + 1, n_bands + 1).round().astype(int)
    return _band_levels(_power(np.take_along_axis(clips, index, axis=1)), edges)


def long_term_spectrum(
    clips: NDArray[np.float32], sample_rate_hz: int, n_bands: int, min_hz: float
) -> NDArray[np.float64]:
    """Shape of the spectrum of a whole clip, without its level.

    Parameters
    ----------
    clips : (n_items, n_samples)
    sample_rate_hz : int
    n_bands : int
        Of equal width on a logarithmic axis, from `min_hz` to half of the sampling rate.
    min_hz : float

    Returns
    -------
    (n_items, n_bands)
        dB about their mean.
    """
    power = _power(clips)
    edges_hz = np.geomspace(min_hz, sample_rate_hz / 2.0, n_bands + 1)
    edges = np.rint(edges_hz / (sample_rate_hz / 2.0) * (power.shape[1] - 1)).astype(int)
    # Each band has a bin of its own, however short the clip is.
    edges = np.minimum(np.maximum.accumulate(edges), power.shape[1] - 1)
    return _band_levels(power, edges)


def _power(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.square(np.abs(np.fft.rfft(clips, axis=1)))


def _band_levels(power: NDArray[np.floating], edges: NDArray[np.integer]) -> NDArray[np.float64]:
    bands = np.stack(
        [
            power[:, low : max(high, low + 1)].mean(axis=1)
            for low, high in itertools.pairwise(edges)
        ],
        axis=1,
    )
    levels_db = 10.0 * np.log10(np.maximum(bands, _SMALLEST_POWER))
    return levels_db - levels_db.mean(axis=1, keepdims=True)
