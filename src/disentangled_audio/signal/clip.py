"""Cut recordings of any length and level to clips of fixed length and unit energy."""

import numpy as np
from numpy.typing import NDArray

# ISO 3382-1, 5.3.3: a response starts where it first rises to within 20 dB of its maximum.
ONSET_DB = -20.0
# The largest value of an integer format lies one step below one.
FULL_SCALE = 0.9999
# One or two samples in a row can reach full scale without clipping.
_CLIPPED_RUN = 3
# A loudest part begins at one of so many places in each clip's length.
_STEPS = 100
# If three samples of an unclipped sinusoid reach full scale, the next but one is less than 0.0009
# below it.
_CORNER = 0.001


def direct_sound_index(rir: NDArray[np.float32]) -> int:
    """Index of the direct sound of one impulse response.

    Parameters
    ----------
    rir : (n_samples,)
        Impulse response, linear amplitude.

    Returns
    -------
    int
        First sample whose magnitude is within 20 dB of the maximum (ISO 3382-1, 5.3.3).

    Raises
    ------
    ValueError
        If all samples are zero.
    """
    peak = peak_of(rir)
    if peak == 0:
        raise ValueError("a silent signal has no direct sound")
    least = peak * 10 ** (ONSET_DB / 20)
    return int(np.argmax((rir >= least) | (rir <= -least)))


def peak_of(signal: NDArray[np.floating]) -> np.floating:
    """Largest magnitude; 0 without samples."""
    # Not of the absolute values, which would be a copy of a whole recording.
    return max(signal.max(initial=0), -signal.min(initial=0))


def loudest_start(signal: NDArray[np.float32], length: int) -> int:
    """First sample of the loudest part of a signal, to a hundredth of its length.

    Parameters
    ----------
    signal : (n_samples,)
    length : int
        Number of samples of the part.

    Returns
    -------
    int
        0 if the signal is not longer than the part; of equally loud parts, the first.
    """
    if len(signal) <= length:
        return 0
    step = max(1, length // _STEPS)
    # einsum converts in pieces; the part after the last whole step is left to the last place.
    steps = signal[: len(signal) // step * step].reshape(-1, step)
    energy = np.append(0.0, np.cumsum(np.einsum("ij,ij->i", steps, steps, dtype=np.float64)))
    n_steps = length // step
    start = int(np.argmax(energy[n_steps:] - energy[:-n_steps])) * step
    return min(start, len(signal) - length)


def cut(
    signal: NDArray[np.float32],
    start: int,
    length: int,
    *,
    fill: str = "zeros",
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Take `length` samples from `start` and fill those outside the signal.

    Parameters
    ----------
    signal : (n_samples,)
    start : int
        First sample of the clip; may be negative.
    fill : {"zeros", "noise_floor"}
        `noise_floor` continues with white noise at the level of the signal's last tenth, so that
        the clip does not show where the file ends.
    rng : numpy.random.Generator
        Needed for `noise_floor` only.

    Returns
    -------
    (length,)
    """
    inside = signal[max(start, 0) : max(start + length, 0)]
    before = min(max(-start, 0), length)
    if len(inside) == length and before == 0:
        return inside.astype(np.float32)
    clip = np.zeros(length, dtype=np.float32)
    if fill == "noise_floor":
        if rng is None:
            raise ValueError("fill='noise_floor' needs rng")
        tail = signal[-max(len(signal) // 10, 1) :]
        # Most clips need noise only before the signal.
        n_drawn = before if before + len(inside) >= length else length
        clip[:n_drawn] = rms(tail) * rng.standard_normal(n_drawn, dtype=np.float32)
    clip[before : before + len(inside)] = inside[: length - before]
    return clip


def clipped_run(signal: NDArray[np.floating]) -> int:
    """Length of the longest run of clipped samples; 0 without clipping.

    Clipping leaves a run at full scale whose neighbours lie clearly below it. A smooth sound that
    was scaled to full scale has at most a short run with near neighbours. A single clipped sample,
    such as a response's direct sound, looks like a scaled one.
    """
    reaches = (signal >= FULL_SCALE) | (signal <= -FULL_SCALE)
    if not reaches.any():
        return 0
    side = np.sign(signal) * reaches
    edges = np.flatnonzero(np.diff(side, prepend=0.0, append=0.0))
    starts, ends = edges[:-1], edges[1:]
    at_full_scale = side[starts] != 0
    starts, ends = starts[at_full_scale], ends[at_full_scale]
    # Nothing is known beyond the file's ends. The next sample may lie just below full scale.
    around = np.pad(signal, 2, mode="edge")
    beside = np.minimum(side[starts] * around[starts], side[starts] * around[ends + 3])
    lengths = (ends - starts)[beside < FULL_SCALE - _CORNER]
    longest = int(lengths.max(initial=0))
    return longest if longest >= _CLIPPED_RUN else 0


def rms(signal: NDArray[np.floating]) -> float:
    """Root mean square over all samples."""
    # einsum converts in pieces; squares of a whole recording would be twice as large as it is.
    return float(np.sqrt(np.einsum("i,i->", signal, signal, dtype=np.float64) / len(signal)))


def levels(clips: NDArray[np.float32]) -> NDArray[np.float64]:
    """Root mean square of each clip, (n_items, 1)."""
    # einsum converts in pieces; squaring first would need a copy twice as large as the clips.
    energy = np.einsum("ij,ij->i", clips, clips, dtype=np.float64)
    return np.sqrt(energy / clips.shape[1])[:, None]


def normalise_energy(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each clip, (n_items, n_samples), to a root mean square of one."""
    level = levels(clips)
    if np.any(level == 0):
        raise ValueError("a silent clip cannot be normalised")
    normalised = np.empty(clips.shape, dtype=np.float32)
    return np.divide(clips, level, out=normalised, casting="same_kind")


def band_limit(
    clips: NDArray[np.float32], sample_rate_hz: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """Band-pass all clips alike, without phase shift, so that bandwidth does not reveal the source.

    Parameters
    ----------
    clips : (n_items, n_samples)
    low_hz, high_hz : float
        −6 dB points (4th-order Butterworth, run forwards and backwards). A `high_hz` of half
        the sampling rate leaves the top open.

    Returns
    -------
    (n_items, n_samples)
    """
    # Importing it takes every worker a second, and few corpora need it.
    from scipy.signal import butter, sosfiltfilt

    if high_hz >= sample_rate_hz / 2:
        sos = butter(4, low_hz, "highpass", fs=sample_rate_hz, output="sos")
    else:
        sos = butter(4, (low_hz, high_hz), "bandpass", fs=sample_rate_hz, output="sos")
    padding = min(3 * (2 * len(sos) + 1), clips.shape[1] - 1)
    return sosfiltfilt(sos, clips, axis=1, padlen=padding).astype(np.float32)
