"""Files that Audacity opens: a list of recordings, and labels for them."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

# Seconds of a label are written to microseconds, as Audacity does.
_DIGITS = 6


def can_be_listed(path: str) -> bool:
    """Tell whether Audacity can open a path from a list: a file without quotes or line ends."""
    return path.isprintable() and '"' not in path and Path(path).is_file()


def list_of_files(paths: Sequence[str], durations_s: Sequence[float]) -> str:
    """Text of a `.lof` file, in which each recording begins where the one before it ends.

    References
    ----------
    Audacity manual, "LOF Files".
    """
    starts = _starts(durations_s)
    lines = (
        f'file "{path}" offset {start_s:.{_DIGITS}f}'
        for path, start_s in zip(paths, starts[:-1], strict=True)
    )
    return _lines(lines)


def label_track(texts: Sequence[str], durations_s: Sequence[float]) -> str:
    """Text of a label track, one label for each recording of `list_of_files`.

    A label takes one line: control characters, which tabs and line ends are, become spaces.
    """
    starts = _starts(durations_s)
    lines = (
        f"{start_s:.{_DIGITS}f}\t{start_s + duration_s:.{_DIGITS}f}\t{_clean(text)}"
        for text, start_s, duration_s in zip(texts, starts[:-1], durations_s, strict=True)
    )
    return _lines(lines)


def _starts(durations_s: Sequence[float]) -> list[float]:
    return list(accumulate(durations_s, initial=0.0))


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
