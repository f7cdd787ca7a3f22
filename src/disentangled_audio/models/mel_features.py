"""Features of mel spectrograms for classical classifiers."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct


def cepstra_over_time(
    content_view: NDArray[np.float32], n_cepstra: int, n_frames: int
) -> NDArray[np.float32]:
    """Mel cepstra of a time-normalised clip, in a few steps from its start to its end.

    Parameters
    ----------
    content_view : (n_items, n_view_frames, n_mels)
        Log-mel spectrogram of the trimmed, time-normalised clip, from `make_views`.
    n_cepstra : int
        Coefficients kept, the level (the first) among them; at most n_mels.
    n_frames : int
        Steps, each the mean of neighbouring frames; at most n_view_frames.

    Returns
    -------
    (n_items, n_frames * n_cepstra)

    References
    ----------
    Davis and Mermelstein (1980), "Comparison of parametric representations for monosyllabic word
    recognition in continuously spoken sentences".
    """
    cepstra = dct(content_view, axis=2, norm="ortho")[:, :, :n_cepstra]
    n_frames = min(n_frames, cepstra.shape[1])
    starts = np.linspace(0, cepstra.shape[1], n_frames, endpoint=False).astype(int)
    lengths = np.diff([*starts, cepstra.shape[1]])
    means = np.add.reduceat(cepstra, starts, axis=1) / lengths[:, np.newaxis]
    return means.reshape(len(means), -1).astype(np.float32)


def timbre_statistics(
    log_mel: NDArray[np.float32], trim: float, dynamic_range_db: float
) -> NDArray[np.float32]:
    """What a clip's spectrum is like, whatever happens when.

    Over the frames that are louder than `trim` below the clip's peak: mean and standard deviation
    of the mel cepstra, and the root mean square of their change from frame to frame; beside them
    the cepstrum of the power spectrum of the whole clip.

    Parameters
    ----------
    log_mel : (n_items, n_frames, n_mels)
        From `make_views`: 1 is the clip's peak, 0 lies `dynamic_range_db` below it.
    trim : float
        Share of the dynamic range.
    dynamic_range_db : float

    Returns
    -------
    (n_items, 4 * n_mels)
    """
    active = (log_mel.max(axis=2) > 1.0 - trim).astype(np.float32)
    cepstra = dct(log_mel, axis=2, norm="ortho")
    weights = active / np.maximum(active.sum(axis=1, keepdims=True), 1.0)
    mean = np.einsum("nf,nfc->nc", weights, cepstra)
    variance = np.einsum("nf,nfc->nc", weights, np.square(cepstra - mean[:, np.newaxis]))
    pairs = active[:, 1:] * active[:, :-1]
    pairs /= np.maximum(pairs.sum(axis=1, keepdims=True), 1.0)
    change = np.einsum("nf,nfc->nc", pairs, np.square(np.diff(cepstra, axis=1)))
    power = np.mean(10.0 ** ((log_mel - 1.0) * dynamic_range_db / 10.0), axis=1)
    spectrum = dct(np.log10(power), axis=1, norm="ortho")
    return np.concatenate([mean, np.sqrt(variance), np.sqrt(change), spectrum], axis=1)
