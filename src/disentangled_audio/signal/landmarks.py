"""Landmarks of clips, which recur where two clips hold the same sound."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from disentangled_audio.signal.blocks import row_blocks
from disentangled_audio.signal.fourier import hann_window

FRAME_S = 0.064
HOP_S = 0.016
# Below are hum and offsets; above, compressed files have nothing.
LOWEST_BIN = 3
_HIGHEST_HZ = 5500.0
# A peak is the largest value within so many bins and frames on each side ...
_NEAR_BINS, _NEAR_FRAMES = 5, 2
# ... at most so far below the loudest bin within `_REACH_FRAMES`, and below that of the clip.
_LOCAL_RANGE_DB, _RANGE_DB = 55.0, 80.0
_REACH_FRAMES = 8
# A landmark joins a peak with two of the next `_TARGETS` peaks within so many bins and frames.
_TARGETS = 5
_WITHIN = 31
# Peaks after a peak among which its targets are looked for.
_SEARCHED = 40
# An odd factor: it permutes the 32-bit numbers, so the smallest hashes are a random choice.
_SCRAMBLE = np.uint32(2654435761)
NO_LANDMARK = -1


def landmarks(
    clips: NDArray[np.float32], sample_rate_hz: int, n_kept: int
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Hashes of triplets of spectral peaks, and when they occur.

    A triplet does not change with level, polarity, offset or a shift in time, and many triplets
    survive weak noise, filters and compression.

    Parameters
    ----------
    clips : (n_items, n_samples)
    sample_rate_hz : int
    n_kept : int
        Landmarks of each clip. Of more, those with the smallest hashes are kept, so that two clips
        keep the same ones of a sound that they share.

    Returns
    -------
    hashes, frames : (n_items, n_kept)
        In ascending order of hashes. Frames are `HOP_S` apart; they are `NO_LANDMARK` behind the
        last landmark of a clip.

    References
    ----------
    Wang (2003), "An industrial-strength audio search algorithm" (pairs of peaks); Six and Leman
    (2014), "Panako: a scalable acoustic fingerprinting system" (triplets).
    """
    hashes = np.zeros((len(clips), n_kept), dtype=np.uint32)
    frames = np.full((len(clips), n_kept), NO_LANDMARK, dtype=np.int32)
    for rows in row_blocks(clips.shape):
        is_peak = _is_peak(_decibels(clips[rows], sample_rate_hz))
        for item, peaks in enumerate(is_peak, start=rows.start):
            found, when = _triplets(*np.nonzero(peaks))
            kept = np.argsort(found, kind="stable")[:n_kept]
            hashes[item, : len(kept)], frames[item, : len(kept)] = found[kept], when[kept]
    return hashes, frames


def _decibels(clips: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """Spectrograms (n_items, n_frames, n_bins) in dB, with frames beyond both ends."""
    n_frame = frame_samples(sample_rate_hz)
    edge = ((0, 0), (n_frame // 2, n_frame // 2))
    spectra = spectra_of(np.pad(clips, edge), sample_rate_hz)
    n_bins = round(_HIGHEST_HZ * n_frame / sample_rate_hz)
    power = np.square(np.abs(spectra[..., LOWEST_BIN:n_bins]))
    loudest = power.max(axis=(1, 2), keepdims=True)
    floor = loudest * np.float32(10 ** (-_RANGE_DB / 10)) + np.finfo(np.float32).tiny
    return 10 * np.log10(np.maximum(power, floor))


def frame_samples(sample_rate_hz: int) -> int:
    """Samples of a frame, about `FRAME_S`; a length that the FFT likes."""
    return int(fft.next_fast_len(round(FRAME_S * sample_rate_hz), real=True))


def spectra_of(samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.complex64]:
    """Spectra (..., n_frames, n_bins) of all whole frames of some samples (..., n_samples)."""
    n_frame, hop = frame_samples(sample_rate_hz), round(HOP_S * sample_rate_hz)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_frame, axis=-1)[..., ::hop, :]
    return fft.rfft(frames * hann_window(n_frame).astype(np.float32), axis=-1)


def _is_peak(decibels: NDArray[np.float32]) -> NDArray[np.bool_]:
    highest = ndimage.maximum_filter1d(decibels, 2 * _NEAR_BINS + 1, axis=2)
    highest = ndimage.maximum_filter1d(highest, 2 * _NEAR_FRAMES + 1, axis=1)
    loud = ndimage.maximum_filter1d(decibels.max(axis=2), 2 * _REACH_FRAMES + 1, axis=1)
    lowest = decibels.min(axis=(1, 2), keepdims=True)
    above = (decibels > lowest) & (decibels > loud[..., np.newaxis] - _LOCAL_RANGE_DB)
    return (decibels == highest) & above


def _triplets(
    frame: NDArray[np.intp], bins: NDArray[np.intp]
) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Hashes of triplets of peaks, which are in order of time, and their first frames."""
    targets = _targets(frame, bins)
    hashes, when = [], []
    for second in range(1, _TARGETS):
        first = np.flatnonzero(targets[:, second] >= 0)
        for nearer in range(second):
            one, other = targets[first, nearer], targets[first, second]
            parts = (
                *(bins[one] - bins[first] + _WITHIN, bins[other] - bins[first] + _WITHIN),
                *(frame[one] - frame[first], frame[other] - frame[first]),
            )
            value = bins[first].astype(np.uint32)
            for part, n_bits in zip(parts, (6, 6, 5, 5), strict=True):
                value = (value << np.uint32(n_bits)) | part.astype(np.uint32)
            hashes.append(value * _SCRAMBLE)
            when.append(frame[first])
    return np.concatenate(hashes), np.concatenate(when)


def _targets(frame: NDArray[np.intp], bins: NDArray[np.intp]) -> NDArray[np.intp]:
    """Next peaks (n_peaks, `_TARGETS`) after each peak, -1 where there are fewer."""
    targets = np.full((len(frame), _TARGETS), -1, dtype=np.intp)
    n_found = np.zeros(len(frame), dtype=np.intp)
    for step in range(1, min(len(frame), _SEARCHED + 1)):
        later = frame[step:] - frame[:-step]
        higher = bins[step:] - bins[:-step]
        near = (later > 0) & (later <= _WITHIN) & (np.abs(higher) <= _WITHIN)
        peaks = np.flatnonzero(near & (n_found[:-step] < _TARGETS))
        targets[peaks, n_found[peaks]] = peaks + step
        n_found[peaks] += 1
    return targets
