"""How recordings of any length are heard: in windows as long as the clips of training."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from disentangled_audio.corpora.reading.parts import Part
from disentangled_audio.errors import UserError

# A recording that exceeds a clip by this share or less is heard as one clip.
_TOLERANCE = 0.05
# Without compression, a second takes at least this many bytes: 8 kHz, 16 bit.
_LEAST_BYTES_PER_S = 16_000
_UNCOMPRESSED = (".wav", ".aif", ".aiff", ".au", ".w64", ".rf64", ".caf")
# The first part fills the encoders' large batch and is done soon; the other workers wait for it.
FIRST_WINDOWS = 256
# Large parts have little overhead per file; larger ones would need too much memory for their views.
WINDOWS_AT_ONCE = 512
SECONDS_AT_ONCE = 256


@dataclass(frozen=True)
class Heard:
    """A file, and its windows.

    Attributes
    ----------
    file : File or MemoryFile
    windows : tuple of Part
        Empty for a file that is heard as one clip.
    """

    file: Any
    windows: tuple[Part, ...] = ()

    @property
    def n_windows(self) -> int:
        """Number of clips that it gives per channel."""
        return max(1, len(self.windows))


# Some files, and the place of the first of them among all files.
PartOfFiles = tuple[int, list[Heard]]


@dataclass(frozen=True)
class Hearing:
    """Length of windows and the time between their starts.

    Attributes
    ----------
    clip_s : float
        Length of the clips of training in seconds.
    window_s : float
        Length of a window, at most that of a clip; a shorter one is filled as a short recording is.
    hop_s : float
        Time from the start of a window to that of the next.
    """

    clip_s: float
    window_s: float
    hop_s: float

    @classmethod
    def of(
        cls, clip_s: float, window_s: float | None = None, hop_s: float | None = None
    ) -> "Hearing":
        """Fill in the defaults: windows of a clip's length that overlap by half.

        Raises
        ------
        UserError
            If windows are longer than clips, or a part between two windows would be lost.
        """
        window_s = clip_s if window_s is None else window_s
        if not 0 < window_s <= clip_s * (1 + 1e-6):
            raise UserError(
                f"a window of {window_s:g} s is not possible: give more than 0 s, and at most the "
                f"{clip_s:g} s of the clips that the model was trained on"
            )
        hop_s = window_s / 2 if hop_s is None else hop_s
        if not 0 < hop_s <= window_s * (1 + 1e-6):
            raise UserError(
                f"a hop of {hop_s:g} s is not possible: give more than 0 s, and at most the "
                f"{window_s:g} s of a window, so that every part is heard"
            )
        return cls(clip_s, window_s, hop_s)

    @property
    def n_at_once(self) -> int:
        """How many clips fit into memory at once, with their spectra and views."""
        return max(1, min(WINDOWS_AT_ONCE, int(SECONDS_AT_ONCE / self.clip_s)))

    def heard(self, file: Any) -> Heard:
        """Plan the windows of a file; one that cannot be read has none."""
        from disentangled_audio.corpora.reading.audio import audio_info
        from disentangled_audio.corpora.sources.folder import RejectedError

        if self._is_surely_short(file):
            return Heard(file)
        try:
            return Heard(file, self.windows(audio_info(file).duration_s))
        except RejectedError:
            # The reader finds the same fault, and says so in the file's row.
            return Heard(file)

    def windows(self, duration_s: float) -> tuple[Part, ...]:
        """Windows of a recording, of which the last ends with it; none if one clip holds it."""
        if duration_s <= self.window_s * (1 + _TOLERANCE):
            return ()
        last_s = duration_s - self.window_s
        n_before = max(1, -int(-last_s // self.hop_s))
        starts_s = [*(number * self.hop_s for number in range(n_before)), last_s]
        return tuple(Part(start_s, start_s + self.window_s) for start_s in starts_s)

    def _is_surely_short(self, file: Any) -> bool:
        path = getattr(file, "own_path", None)
        if path is None or path.suffix.lower() not in _UNCOMPRESSED:
            return False
        try:
            n_bytes = path.stat().st_size
        except OSError:
            return True
        return n_bytes <= self.window_s * _LEAST_BYTES_PER_S


def parts_of_files(
    heard: Sequence[Heard], n_at_once: int
) -> tuple[list[PartOfFiles], list[PartOfFiles]]:
    """Group files into parts of at most so many clips, each with the place of its first file.

    Returns
    -------
    short, long : lists of parts
        A long part is one file with more windows, which has to be heard piece by piece.
    """
    edges, most, n_windows = [0], min(FIRST_WINDOWS, n_at_once), 0
    for place, file in enumerate(heard):
        if place > edges[-1] and n_windows + file.n_windows > most:
            edges.append(place)
            most, n_windows = n_at_once, 0
        n_windows += file.n_windows
    edges.append(len(heard))
    parts = [(start, list(heard[start:end])) for start, end in pairwise(edges) if end > start]
    long = [part for part in parts if part[1][0].n_windows > n_at_once]
    return [part for part in parts if part[1][0].n_windows <= n_at_once], long
