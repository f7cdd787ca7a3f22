"""Parts of recordings that become items: labelled ones, the rest between them, and windows."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from disentangled_audio.parameters import Analysis

BACKGROUND = "background"
_MAX_REASONS = 5
# Times of labels are rounded, and the length of an mp3 depends on its decoder.
TOLERANCE_S = 0.05


@dataclass(frozen=True)
class Part:
    """A part of a recording.

    Attributes
    ----------
    start_s, end_s : float
        Times from the start of the recording; infinity stands for its end.
    columns : dict
        Columns of its own, beside those of its recording.
    origin : str
        File and line that label it, for messages; empty if none does.
    number : int
        From the second on, the place among the parts with the same times.
    """

    start_s: float = 0.0
    end_s: float = math.inf
    columns: dict[str, str | None] = field(default_factory=dict)
    origin: str = ""
    number: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole recording."""
        return self.start_s == 0 and math.isinf(self.end_s)

    @property
    def suffix(self) -> str:
        """What tells it from other items of its recording."""
        if self.is_whole:
            return ""
        number = f"-{self.number}" if self.number > 1 else ""
        return f"@{self.start_s:.3f}-{self.end_s:.3f}{number}"


@dataclass(frozen=True)
class LeftOut:
    """A file, label or part that is not used.

    Attributes
    ----------
    path : str
        The recording, or the file of labels.
    reason, what_to_do : str
    kind : str
        `invalid` or `overlapping`, as the parameters of segments have them; or else empty.
    """

    path: str
    reason: str
    what_to_do: str
    kind: str = ""


def counted_reasons(reasons: Iterable[str]) -> str:
    """Count reasons by their text before the colon, the most frequent first."""
    counts = Counter(reason.partition(":")[0] for reason in reasons).most_common()
    shown = [f"{count} × {reason}" for reason, count in counts[:_MAX_REASONS]]
    n_more = len(counts) - len(shown)
    return "; ".join([*shown, *([f"and {n_more} more reasons"] if n_more else [])])


@dataclass(frozen=True)
class Labelled:
    """The labels of one recording.

    Attributes
    ----------
    parts : tuple of Part
        Those to be used, in the order of their times.
    taken : tuple of (start, end) in s
        All labelled times, also of labels that are left out, in order; empty without `rest`.
    rest : dict or None
        Columns of the unlabelled rest; None leaves it out.
    minimum_s : float or None
        Shortest part of the rest; None stands for half of a clip.
    """

    parts: tuple[Part, ...] = ()
    taken: tuple[list[float], ...] = ()
    rest: dict[str, str | None] | None = None
    minimum_s: float | None = None


def parts_of(
    labelled: Labelled | None, duration_s: float, analysis: Analysis, *, aligned: bool
) -> list[Part]:
    """List the items of a recording.

    Parameters
    ----------
    labelled : Labelled or None
        None for a recording that is an item as a whole.
    duration_s : float
        Duration of the recording.
    analysis : Analysis
        With a duration in seconds.
    aligned : bool
        Whether clips start at the direct sound, so that there is one of each part.
    """
    parts = [Part()] if labelled is None else [*labelled.parts]
    if labelled is not None and labelled.rest is not None:
        parts += _rest(labelled, labelled.rest, duration_s, analysis.duration_s)
    if analysis.part == "windows" and not aligned:
        parts = [piece for part in parts for piece in _windows(part, duration_s, analysis)]
    return numbered(sorted(parts, key=lambda part: part.start_s))


def numbered(parts: Iterable[Part]) -> list[Part]:
    """Number parts with the same times, which would have the same name."""
    counts: Counter[str] = Counter()
    each = []
    for part in parts:
        first = replace(part, number=1)
        counts[first.suffix] += 1
        each.append(replace(part, number=counts[first.suffix]))
    return each


def _rest(
    labelled: Labelled, columns: dict[str, str | None], duration_s: float, clip_s: float
) -> Iterator[Part]:
    minimum_s = labelled.minimum_s or clip_s / 2
    end_s = 0.0
    for next_start_s, next_end_s in [*labelled.taken, [duration_s, duration_s]]:
        for start_s in np.arange(end_s, min(next_start_s, duration_s), clip_s).tolist():
            stop_s = min(start_s + clip_s, next_start_s, duration_s)
            if stop_s - start_s >= minimum_s:
                yield Part(start_s, stop_s, columns)
        end_s = max(end_s, next_end_s)


def _windows(part: Part, duration_s: float, analysis: Analysis) -> list[Part]:
    """Cut a part into windows, of which the last ends with it; one that fits stays as it is."""
    clip_s = analysis.duration_s
    last_s = min(part.end_s, duration_s) - clip_s
    if last_s <= part.start_s:
        return [part]
    starts_s = [*np.arange(part.start_s, last_s, analysis.hop_s or clip_s / 2).tolist(), last_s]
    return [replace(part, start_s=start_s, end_s=start_s + clip_s) for start_s in starts_s]
