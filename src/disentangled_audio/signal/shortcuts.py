"""Properties of the recording chain that a classifier could use as a shortcut."""

from math import log10

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.clip import ONSET_DB

# This many samples show how a file stores them; more would give the same answer.
_STORED_SAMPLES = 1024
_FULL_SCALE = 2.0**15
_N_BITS = 16
_BANDWIDTH_SAMPLES = 2048
_BANDWIDTH_SHARE = 0.99
_FRAME_S = 0.01
# With fewer frames, the quietest tenth would be empty.
_LEAST_FRAMES = 10
_SMALLEST_POWER = 1e-20
# Bands further below the loudest one count as empty.
_FLOOR_DB = -100.0


def recording_facts(
    signal: NDArray[np.float32], sample_rate_hz: int, arrival: int
) -> dict[str, float]:
    """Measure how a file was recorded and stored, before any analysis.

    Parameters
    ----------
    signal : (n_samples,)
        One decoded channel, full scale 1.
    arrival : int
        Sample of the first arrival.

    Returns
    -------
    dict
        ``tail_dbfs``: root mean square of the last tenth, dB of full scale. ``noise_floor_db``:
        level of the quietest tenth of 10 ms frames, dB relative to the loudest frame; NaN for
        digital silence or fewer than ten frames. ``bandwidth_hz``: frequency below which 99 % of
        the energy of 2048 samples from the first arrival lies; NaN if they are zero.
        ``lsb_odd_share``, ``effective_bits`` and ``zero_share`` as in `stored_facts`.
    """
    tail = signal[-max(1, len(signal) // 10) :]
    power = float(np.einsum("i,i->", tail, tail, dtype=np.float64)) / len(tail)
    return {
        "tail_dbfs": 10.0 * log10(max(power, _SMALLEST_POWER)),
        "noise_floor_db": _noise_floor_db(signal, max(1, round(_FRAME_S * sample_rate_hz))),
        "bandwidth_hz": _bandwidth_hz(signal[arrival:], sample_rate_hz),
        **stored_facts(signal),
    }


def stored_facts(signal: NDArray[np.float32]) -> dict[str, float]:
    """Measure how a file stores its samples.

    Parameters
    ----------
    signal : (n_samples,)
        Decoded, full scale 1.

    Returns
    -------
    dict
        ``lsb_odd_share``: share of odd values among non-zero 16-bit samples, about one half if
        all bits are used, 0 for fewer bits. ``effective_bits``: 16 less the lowest bits that no
        sample uses. Both are NaN if samples lie between 16-bit steps, or all are zero.
        ``zero_share``: share of exact zeros.
    """
    steps = signal[:: max(1, len(signal) // _STORED_SAMPLES)] * np.float32(_FULL_SCALE)
    n_sounding = int(np.count_nonzero(steps))
    facts = {"zero_share": 1.0 - n_sounding / len(steps)}
    # Floating-point files may exceed the range of int32.
    whole = np.clip(steps, -_FULL_SCALE, _FULL_SCALE).astype(np.int32)
    if not n_sounding or not np.array_equal(whole, steps):
        return {"lsb_odd_share": float("nan"), "effective_bits": float("nan"), **facts}
    used = int(np.bitwise_or.reduce(whole))
    unused = (used & -used).bit_length() - 1
    odd = np.count_nonzero(whole & 1)
    return {
        "lsb_odd_share": odd / n_sounding,
        "effective_bits": float(max(1, _N_BITS - unused)),
        **facts,
    }


def _noise_floor_db(signal: NDArray[np.float32], n_frame: int) -> float:
    n_frames = len(signal) // n_frame
    if n_frames < _LEAST_FRAMES:
        return float("nan")
    frames = signal[: n_frames * n_frame].reshape(n_frames, n_frame)
    # Corrupt values may overflow when squared; the noise floor is then NaN.
    with np.errstate(over="ignore", invalid="ignore"):
        energy = np.einsum("ij,ij->i", frames, frames)
    n_quiet = n_frames // _LEAST_FRAMES
    quiet = float(np.partition(energy, n_quiet)[:n_quiet].mean(dtype=np.float64))
    return 10.0 * log10(quiet / float(energy.max())) if quiet > 0 else float("nan")


def _bandwidth_hz(signal: NDArray[np.float32], sample_rate_hz: int) -> float:
    part = signal[:_BANDWIDTH_SAMPLES]
    peak = np.abs(part).max(initial=0.0)
    if peak == 0:
        return float("nan")
    # Scaled, because squares of very large or small samples would leave the range of float32.
    spectrum = fft.rfft(part / peak, _BANDWIDTH_SAMPLES)
    below = np.cumsum(spectrum.real**2 + spectrum.imag**2)
    last = int(np.searchsorted(below, _BANDWIDTH_SHARE * below[-1]))
    return last * sample_rate_hz / _BANDWIDTH_SAMPLES


def direct_sound_spectrum(
    clips: NDArray[np.float32], sample_rate_hz: int, duration_s: float, n_bands: int
) -> NDArray[np.float64]:
    """Spectral shape of a clip's first sound, without its level.

    Parameters
    ----------
    clips : (n_items, n_samples)
    duration_s : float
        Counted from the first sample within 20 dB of the peak.
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
    """Spectral shape of a whole clip, without its level.

    Parameters
    ----------
    clips : (n_items, n_samples)
    n_bands : int
        Of equal width on a logarithmic axis, from `min_hz` to half of the sampling rate.

    Returns
    -------
    (n_items, n_bands)
        dB about their mean.
    """
    power = _power(clips)
    edges_hz = np.geomspace(min_hz, sample_rate_hz / 2.0, n_bands + 1)
    edges = np.rint(edges_hz / (sample_rate_hz / 2.0) * (power.shape[1] - 1)).astype(int)
    return _band_levels(power, edges)


def _power(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.square(np.abs(np.fft.rfft(clips, axis=1)))


def _band_levels(power: NDArray[np.floating], edges: NDArray[np.integer]) -> NDArray[np.float64]:
    # Each band has at least one bin, even in very short clips.
    lows = np.minimum(edges[:-1], power.shape[1] - 1)
    highs = np.maximum(edges[1:], lows + 1)
    bands = np.stack(
        [power[:, low:high].mean(axis=1) for low, high in zip(lows, highs, strict=True)], axis=1
    )
    loudest = np.maximum(bands.max(axis=1, keepdims=True), _SMALLEST_POWER)
    levels_db = 10.0 * np.log10(np.maximum(bands / loudest, 10.0 ** (_FLOOR_DB / 10.0)))
    return levels_db - levels_db.mean(axis=1, keepdims=True)
