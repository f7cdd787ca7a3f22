"""From a recording of any length and level to a clip of fixed length and unit energy."""

import numpy as np
from numpy.typing import NDArray

# ISO 3382-1, 5.3.3: a response starts where it first rises to within 20 dB of its maximum.
ONSET_DB = -20.0
# A file's greatest value is one step of its format below one.
FULL_SCALE = 0.9999
# Fewer samples in a row reach it by themselves.
_CLIPPED_RUN = 3
# Of a sinusoid of which three samples do, the next but one lies less than 0.0009 below.
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
    magnitude = np.abs(rir)
    peak = magnitude.max(initial=0.0)
    if peak == 0:
        raise ValueError("a silent signal has no direct sound")
    return int(np.argmax(magnitude >= peak * 10 ** (ONSET_DB / 20)))


def cut(
    signal: NDArray[np.float32],
    start: int,
    length: int,
    *,
    fill: str = "zeros",
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Take `length` samples from `start`, filling what lies outside of the signal.

    Parameters
    ----------
    signal : (n_samples,)
    start : int
        First sample of the clip; may be negative.
    length : int
        Samples of the clip.
    fill : {"zeros", "noise_floor"}
        `noise_floor` continues with white noise at the level of the signal's last tenth, so
        that the end of the file cannot be told from the clip.
    rng : numpy.random.Generator
        Draws the noise; needed for `noise_floor` alone.

    Returns
    -------
    (length,)
        float32

    Raises
    ------
    ValueError
        If `noise_floor` has no generator.
    """
    inside = signal[max(start, 0) : max(start + length, 0)]
    before = min(max(-start, 0), length)
    if len(inside) == length and before == 0:
        return inside.astype(np.float32)
    clip = np.zeros(length, dtype=np.float32)
    if fill == "noise_floor":
        if rng is None:
            raise ValueError("noise_floor needs a generator of random numbers")
        tail = signal[-max(len(signal) // 10, 1) :]
        # Most clips need noise before the signal alone.
        n_drawn = before if before + len(inside) >= length else length
        clip[:n_drawn] = rms(tail) * rng.standard_normal(n_drawn, dtype=np.float32)
    clip[before : before + len(inside)] = inside[: length - before]
    return clip


def clipped_run(signal: NDArray[np.floating]) -> int:
    """Most samples in a row that were clipped at full scale; 0 if none were.

    Clipping leaves a run of them with a corner: what is beside it lies clearly below. The peak of a
    smooth sound that was scaled to full scale has a short run or none, and no corner. A single
    sample that was clipped, as of a response's direct sound, cannot be told from one that was
    scaled.
    """
    reaches = np.abs(signal) >= FULL_SCALE
    if not reaches.any():
        return 0
    side = np.sign(signal) * reaches
    edges = np.flatnonzero(np.diff(side, prepend=0.0, append=0.0))
    starts, ends = edges[:-1], edges[1:]
    at_full_scale = side[starts] != 0
    starts, ends = starts[at_full_scale], ends[at_full_scale]
    # Beyond the file's ends nothing is known. The first sample beside a run may be just below it.
    around = np.pad(signal, 2, mode="edge")
    beside = np.minimum(side[starts] * around[starts], side[starts] * around[ends + 3])
    lengths = (ends - starts)[beside < FULL_SCALE - _CORNER]
    longest = int(lengths.max(initial=0))
    return longest if longest >= _CLIPPED_RUN else 0


def rms(signal: NDArray[np.floating]) -> float:
    """Root mean square over all samples."""
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))


def levels(clips: NDArray[np.float32]) -> NDArray[np.float64]:
    """Root mean square of each clip, (n_items, 1)."""
    # einsum widens piece by piece; squaring first would hold a copy twice as large as the clips.
    energy = np.einsum("ij,ij->i", clips, clips, dtype=np.float64)
    return np.sqrt(energy / clips.shape[1])[:, None]


def normalise_energy(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each clip to a root mean square of one.

    Parameters
    ----------
    clips : (n_items, n_samples)

    Returns
    -------
    (n_items, n_samples)
        float32

    Raises
    ------
    ValueError
        If a clip is silent.
    """
    level = levels(clips)
    if np.any(level == 0):
        raise ValueError("a silent clip cannot be normalised")
    normalised = np.empty(clips.shape, dtype=np.float32)
    return np.divide(clips, level, out=normalised, casting="same_kind")


def band_limit(
    clips: NDArray[np.float32], sample_rate_hz: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """Zero-phase band-pass, the same for all, so that bandwidth does not tell the source.

    Parameters
    ----------
    clips : (n_items, n_samples)
    sample_rate_hz : int
    low_hz, high_hz : float
        −6 dB points (4th-order Butterworth, run forwards and backwards). A `high_hz` of half
        the sampling rate leaves the top open.

    Returns
    -------
    (n_items, n_samples)
        float32
    """
    # Takes every worker a second to import, for what few corpora ask.
    from scipy.signal import butter, sosfiltfilt

    if high_hz >= sample_rate_hz / 2:
        sos = butter(4, low_hz, "highpass", fs=sample_rate_hz, output="sos")
    else:
        sos = butter(4, (low_hz, high_hz), "bandpass", fs=sample_rate_hz, output="sos")
    padding = min(3 * (2 * len(sos) + 1), clips.shape[1] - 1)
    return sosfiltfilt(sos, clips, axis=1, padlen=padding).astype(np.float32)
