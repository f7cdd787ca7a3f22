"""Cutting long clips into overlapping windows, and pooling values of windows by clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.parameters import ViewParameters
from disentangled_audio.signal.blocks import row_blocks

# Samples below this, relative to a clip's peak, are silence: quieter than 16-bit noise, they are
# zeros after rounding and filters.
_SILENCE = 1e-6


@dataclass(frozen=True)
class Windows:
    """Which clip each row of the views belongs to.

    Attributes
    ----------
    items : (n_rows,)
        Clip of each row, ascending; every clip has at least one row.
    loudest : (n_items,)
        Row of each clip's loudest window.
    """

    items: NDArray[np.intp]
    loudest: NDArray[np.intp]

    @classmethod
    def whole(cls, n_items: int) -> Windows:
        """Windows of clips with one row each."""
        return cls(np.arange(n_items), np.arange(n_items))

    @property
    def are_whole(self) -> bool:
        """Whether every clip has one row."""
        return len(self.items) == len(self.loudest)

    def pooled(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Mean over each clip's windows, (n_rows, ...) to (n_items, ...), in the same type.

        Quantised codes are rounded per window. Their mean is not rounded again, because that would
        keep only the majority of the windows. The code of a long clip can therefore hold more
        information than that of a window; the leakage matrix, which uses means, includes this.
        """
        if self.are_whole:
            return values
        first_rows = np.searchsorted(self.items, np.arange(len(self.loudest)))
        sums = np.add.reduceat(values, first_rows, axis=0, dtype=np.float64)
        counts = np.bincount(self.items).reshape(-1, *[1] * (values.ndim - 1))
        return (sums / counts).astype(values.dtype)


@dataclass(frozen=True)
class WindowedClips:
    """Windows of clips as rows of an array, cut when they are read.

    Attributes
    ----------
    waveforms : (n_items, n_samples)
        NumPy or zarr array, read in parts.
    windows : Windows
    starts : (n_rows,)
        First sample of each window.
    n_samples : int
        Length of a window.
    """

    waveforms: Any
    windows: Windows
    starts: NDArray[np.intp]
    n_samples: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of windows and their length."""
        return len(self.starts), self.n_samples

    @property
    def chunks(self) -> tuple[int, int]:
        """Chunks of about as many samples as those of the clips."""
        n_items, length = self.waveforms.chunks
        return max(1, n_items * length // self.n_samples), self.n_samples

    @property
    def attrs(self) -> Any:
        """Attributes of the clips."""
        return self.waveforms.attrs

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Cut some windows, (n_rows, n_samples)."""
        items = self.windows.items[rows]
        clips = self.waveforms[int(items[0]) : int(items[-1]) + 1]
        every = np.lib.stride_tricks.sliding_window_view(clips, self.n_samples, axis=1)
        return every[items - items[0], self.starts[rows]]


def cut_windows(
    waveforms: Any, sample_rate_hz: int, parameters: ViewParameters
) -> WindowedClips | None:
    """Cut clips into windows; None if clips stay whole.

    A clip's last window ends at the end of its signal, so no window contains the zeros after it.
    Silent windows are left out; a silent clip keeps its first window.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
        NumPy or zarr array of clips, linear amplitude, read in parts.
    sample_rate_hz : int
        Sampling frequency in Hz.
    parameters : ViewParameters
        `clip_window_s`, `clip_hop_s` and `whole_clips`.
    """
    n_samples = round(parameters.clip_window_s * sample_rate_hz)
    if parameters.whole_clips or waveforms.shape[1] <= n_samples:
        return None
    hop = max(1, round(parameters.clip_hop_s * sample_rate_hz))
    items: list[int] = []
    starts: list[int] = []
    loudest: list[int] = []
    for rows in row_blocks(waveforms.shape):
        for item, clip in enumerate(waveforms[rows], start=rows.start):
            clip_starts, loudest_window = _windows_of_clip(clip, n_samples, hop)
            loudest.append(len(starts) + loudest_window)
            starts += clip_starts
            items += [item] * len(clip_starts)
    windows = Windows(np.array(items, dtype=np.intp), np.array(loudest, dtype=np.intp))
    return WindowedClips(waveforms, windows, np.array(starts, dtype=np.intp), n_samples)


def _windows_of_clip(clip: NDArray[np.float32], n_samples: int, hop: int) -> tuple[list[int], int]:
    """Starts of a clip's windows with signal, and the index of the loudest one."""
    magnitude = np.abs(clip)
    sounding = magnitude > _SILENCE * magnitude.max()
    if not sounding.any():
        return [0], 0
    last_start = max(0, len(clip) - int(sounding[::-1].argmax()) - n_samples)
    starts = [*range(0, last_start, hop), last_start]
    kept = [start for start in starts if sounding[start : start + n_samples].any()]
    energies = [
        np.square(clip[start : start + n_samples], dtype=np.float64).sum() for start in kept
    ]
    return kept, int(np.argmax(energies))
