"""Fixed-length features of log-mel spectrograms: cepstra over time, and timbre statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from disentangled_audio.signal import mel


def cepstra(
    log_mel: NDArray[np.float32],
    dynamic_range_db: float,
    *,
    n_cepstra: int = 13,
    n_frames: int = 16,
    trim_db: Sequence[float] = (20.0, 30.0, 40.0),
) -> NDArray[np.float32]:
    """Time-normalised mel cepstra of the active part of each clip.

    The detected start of a word depends on the threshold, above all for weak consonants and noisy
    recordings; therefore the cepstra for several thresholds are concatenated.

    Parameters
    ----------
    log_mel : (n_items, n_absolute_frames, n_mels)
        View `log_mel`: 0 at `dynamic_range_db` below the clip's peak, 1 at the peak.
    dynamic_range_db : float
        Range of the view in dB.
    n_cepstra : int
        Number of coefficients from the 0th on, at most `n_mels`.
    n_frames : int
        Number of frames from the first to the last active one.
    trim_db : sequence of float
        Levels in dB below the loudest frame at which both ends are cut off.

    Returns
    -------
    (n_items, len(trim_db) * n_frames * n_cepstra)
        Frame by frame, trim by trim.

    Raises
    ------
    ValueError
        If the view is not three-dimensional or not finite, there are fewer bands than cepstra, or
        `trim_db` is empty.

    References
    ----------
    Davis and Mermelstein (1980), "Comparison of parametric representations for monosyllabic word
    recognition in continuously spoken sentences".
    """
    if log_mel.ndim != 3 or 0 in log_mel.shape:
        raise ValueError(f"log_mel must be (n_items, n_frames, n_mels), got {log_mel.shape}")
    if not np.isfinite(log_mel).all():
        raise ValueError("log_mel holds values that are not finite")
    if not 1 <= n_cepstra <= log_mel.shape[2]:
        raise ValueError(f"n_cepstra ({n_cepstra}) must lie between 1 and {log_mel.shape[2]} bands")
    if len(trim_db) == 0:
        raise ValueError("trim_db needs at least one level")
    # The transform is linear, so interpolating after it is equal and costs less.
    coefficients = _cepstrum(log_mel)[:, :, :n_cepstra]
    energy = (10.0 ** (dynamic_range_db / 10.0 * (log_mel.astype(np.float64) - 1.0))).sum(axis=2)
    trimmed = [
        _between(coefficients, *mel.active_span(energy, depth), n_frames) for depth in trim_db
    ]
    return np.concatenate([part.reshape(len(log_mel), -1) for part in trimmed], axis=1)


def timbre_statistics(
    log_mel: NDArray[np.float32], trim: NDArray[np.floating], dynamic_range_db: float
) -> NDArray[np.float32]:
    """Statistics of a clip's spectrum that do not depend on the order of frames, except for change.

    Mean and standard deviation of the mel cepstra and the root mean square of their change between
    frames, over frames louder than `trim` below the clip's peak; then the cepstrum of the power
    spectrum of the whole clip.

    An impulse response needs a `trim` of 1, which leaves out only frames that are silent in the
    view: a smaller one cuts off the decay, which is what tells rooms apart.

    Parameters
    ----------
    log_mel : (n_items, n_frames, n_mels)
        View `log_mel`: 0 at `dynamic_range_db` below the clip's peak, 1 at the peak.
    trim : (n_items,)
        Level below each clip's peak, as a share of the dynamic range.
    dynamic_range_db : float
        Range of the view in dB.

    Returns
    -------
    (n_items, 4 * n_mels)
    """
    active = (log_mel.max(axis=2) > 1.0 - trim[:, np.newaxis]).astype(np.float32)
    cepstra = _cepstrum(log_mel)
    weights = active / np.maximum(active.sum(axis=1, keepdims=True), 1.0)
    mean = np.einsum("nf,nfc->nc", weights, cepstra)
    variance = np.einsum("nf,nfc->nc", weights, np.square(cepstra - mean[:, np.newaxis]))
    pairs = active[:, 1:] * active[:, :-1]
    pairs /= np.maximum(pairs.sum(axis=1, keepdims=True), 1.0)
    change = np.einsum("nf,nfc->nc", pairs, np.square(np.diff(cepstra, axis=1)))
    power = np.mean(10.0 ** ((log_mel - 1.0) * dynamic_range_db / 10.0), axis=1)
    spectrum = dct(np.log10(power), axis=1, norm="ortho")
    return np.concatenate([mean, np.sqrt(variance), np.sqrt(change), spectrum], axis=1)


def _cepstrum(log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
    return dct(log_mel, type=2, norm="ortho", axis=2).astype(np.float32)


def _between(
    values: NDArray[np.float32],
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    n_frames: int,
) -> NDArray[np.float32]:
    """Interpolate linearly at `n_frames` positions from the first to the last frame per item."""
    steps = np.linspace(0.0, 1.0, n_frames)
    positions = first[:, None] + steps * (last - first)[:, None]
    before = np.floor(positions).astype(np.intp)
    after = np.minimum(before + 1, values.shape[1] - 1)
    share = (positions - before).astype(np.float32)[:, :, None]
    items = np.arange(len(values))[:, None]
    return (1 - share) * values[items, before] + share * values[items, after]
