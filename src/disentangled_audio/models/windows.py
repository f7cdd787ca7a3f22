"""Long clips in overlapping windows, and what is said of windows pooled for their clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.parameters import ViewParameters
from disentangled_audio.signal.blocks import row_blocks

# Below this, relative to a clip's peak, there is nothing: not even the noise of 16-bit samples,
# but what rounding and filters leave of zeros.
_SILENCE = 1e-6


@dataclass(frozen=True)
class Windows:
    """Which clip each row of the views belongs to.

    Attributes
    ----------
    items : (n_rows,)
        The clip of each row, ascending; every clip has one row or more.
    loudest : (n_items,)
        The row of each clip's loudest window.
    """

    items: NDArray[np.intp]
    loudest: NDArray[np.intp]

    @classmethod
    def whole(cls, n_items: int) -> Windows:
        """Clips that are one row each."""
        return cls(np.arange(n_items), np.arange(n_items))

    @property
    def are_whole(self) -> bool:
        """Whether every clip is one row."""
        return len(self.items) == len(self.loudest)

    def pooled(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Mean over the windows of each clip; what is one row a clip is returned as it is.

        Codes that are rounded to few levels are rounded a window: the mean of n windows may have
        n times as many levels and is not rounded again, which would throw away all windows but
        the majority. So the code of a long clip may say more than a window's may, and the leakage
        matrix, which takes the means, shows how much.

        Parameters
        ----------
        values : (n_rows, ...)

        Returns
        -------
        (n_items, ...)
            Of the same type.
        """
        if self.are_whole:
            return values
        first_rows = np.searchsorted(self.items, np.arange(len(self.loudest)))
        sums = np.add.reduceat(values, first_rows, axis=0, dtype=np.float64)
        counts = np.bincount(self.items).reshape(-1, *[1] * (values.ndim - 1))
        return (sums / counts).astype(values.dtype)


@dataclass(frozen=True)
class WindowedClips:
    """Windows of clips that lie elsewhere, as rows of an array that are cut when they are read.

    Attributes
    ----------
    waveforms : (n_items, n_samples)
        NumPy or zarr array; a part of its rows is read at a time.
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
        """Windows and their length."""
        return len(self.starts), self.n_samples

    @property
    def chunks(self) -> tuple[int, int]:
        """As many samples as a chunk of the clips."""
        n_items, length = self.waveforms.chunks
        return max(1, n_items * length // self.n_samples), self.n_samples

    @property
    def attrs(self) -> Any:
        """Those of the clips."""
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
    """Windows of clips that are longer than one, from their start to the end of their signal.

    The last window of a clip ends where its signal does, so none is filled up with the zeros
    behind it. A window without any signal is left out; a clip without any keeps its first.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
        NumPy or zarr array of clips, linear amplitude; a part is read at a time.
    sample_rate_hz : int
        Sampling frequency in Hz.
    parameters : ViewParameters
        `clip_window_s`, `clip_hop_s` and `whole_clips`.

    Returns
    -------
    WindowedClips or None
        None where clips stay whole.
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
            of_clip, louder = _windows_of_clip(clip, n_samples, hop)
            loudest.append(len(starts) + louder)
            starts += of_clip
            items += [item] * len(of_clip)
    windows = Windows(np.array(items, dtype=np.intp), np.array(loudest, dtype=np.intp))
    return WindowedClips(waveforms, windows, np.array(starts, dtype=np.intp), n_samples)


def _windows_of_clip(clip: NDArray[np.float32], n_samples: int, hop: int) -> tuple[list[int], int]:
    """Starts of a clip's windows that hold signal, and which of them is the loudest."""
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
