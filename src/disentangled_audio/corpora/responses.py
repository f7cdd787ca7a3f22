"""Notice impulse responses by their shape."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.audio import audio_info
from disentangled_audio.corpora.reading.decode import decode
from disentangled_audio.corpora.sources.folder import File, RejectedError
from disentangled_audio.parameters import AudioFormat
from disentangled_audio.signal.clip import direct_sound_index
from disentangled_audio.signal.decay import energy_decay_curve

# Recordings that are read, and the longest that can be a response; the slowest rooms, cathedrals,
# decay for about ten seconds.
_MOST_READ = 20
_LONGEST_S = 20.0
_LONGEST_DECAY_S = 12.0
# The direct sound comes early, and the strongest reflection soon after it.
_LATEST_ONSET_S = 0.5
_LATEST_PEAK_S = 0.005
# The least share of the first 30 ms' energy within one millisecond: 39 measured responses have 0.44
# or more, synthesised drum strokes 0.31 or less.
_EARLY_S = 0.03
_IMPULSE_S = 0.001
_LEAST_SHARE = 1 / 3
# The most energy that is left when the decay has ended; another event leaves more.
_MOST_LEFT_DB = -10.0


def are_impulse_responses(paths: Sequence[Path]) -> bool:
    """Whether most recordings of a folder look like impulse responses; some are read."""
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), _MOST_READ)).round().astype(int)
    looks = [_looks_so(paths[place]) for place in chosen]
    return 2 * sum(looks) > len(looks)


def _looks_so(path: Path) -> bool:
    file = File(path, path.name)
    try:
        if audio_info(file).duration_s > _LONGEST_S:
            return False
        decoded = decode([file], AudioFormat(), 0.0)
    except RejectedError:
        return False
    return is_impulse_response(decoded.samples[:, 0], decoded.sample_rate_hz)


def is_impulse_response(signal: NDArray[np.floating], sample_rate_hz: int) -> bool:
    """Whether a signal is an impulse soon after its start, and then one decay into its floor.

    Parameters
    ----------
    signal : (n_samples,)
        One channel, linear amplitude.
    sample_rate_hz : int
        Sampling frequency in Hz.
    """
    if not signal.any():
        return False
    onset = direct_sound_index(signal)
    response = signal[onset:]
    if max(onset / _LATEST_ONSET_S, np.abs(response).argmax() / _LATEST_PEAK_S) > sample_rate_hz:
        return False
    early = np.square(response[: round(_EARLY_S * sample_rate_hz)], dtype=np.float64)
    in_one_ms = np.convolve(early, np.ones(max(1, round(_IMPULSE_S * sample_rate_hz))), "valid")
    if in_one_ms.max() < _LEAST_SHARE * early.sum():
        return False
    decay_s = _decay_time_s(response, sample_rate_hz)
    # NaN if the signal does not fall into its floor.
    if not decay_s < _LONGEST_DECAY_S:
        return False
    remaining_db = energy_decay_curve(response[np.newaxis])[0, round(decay_s * sample_rate_hz) :]
    return bool((remaining_db[:1] < _MOST_LEFT_DB).all())


def _decay_time_s(response: NDArray[np.floating], sample_rate_hz: int) -> float:
    """Time in which the energy falls by 60 dB, from its fall between -5 and -25 dB (ISO 3382-1).

    NaN if the curve does not reach -25 dB, or ends less than 10 dB above the noise of the last
    tenth, which is subtracted before the integration (Chu 1978).
    """
    power = np.square(response, dtype=np.float64)
    noise = power[-max(1, len(power) // 10) :].mean()
    remaining = np.cumsum((power - noise)[::-1])[::-1]
    if remaining[0] <= 0:
        return np.nan
    decay_db = 10 * np.log10(np.maximum(remaining / remaining[0], np.finfo(np.float64).tiny))
    first, last = (int((decay_db <= level_db).argmax()) for level_db in (-5.0, -25.0))
    if not 0 < first < last - 1:
        return np.nan
    slope = np.polyfit(np.arange(first, last), decay_db[first:last], 1)[0]
    # The power of an exponential decay follows from its remaining energy.
    power_at_end = remaining[0] * 10**-2.5 * -slope * np.log(10) / 10
    return -60 / slope / sample_rate_hz if power_at_end >= 10 * noise else np.nan
