"""Answers as tables that audio editors open."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from disentangled_audio.report.terminal import visible

# Raven draws a selection over all frequencies if it has none of its own.
_RAVEN = ("Selection", "View", "Channel", "Begin File", "Begin Time (s)", "End Time (s)")
_RAVEN += ("File Offset (s)", "Class", "Confidence")


def audacity_labels(table: pd.DataFrame) -> str:
    """Label track of one recording: start and end in seconds, and class with confidence.

    Parameters
    ----------
    table : DataFrame
        Rows of predictions; those of files that cannot be used are left out.
    """
    used = table[table["class"].notna()]
    return "".join(
        f"{row.start_s:.6f}\t{row.end_s:.6f}\t{visible(row.label)} {row.confidence:.2f}\n"
        for row in used.rename(columns={"class": "label"}).itertuples()
    )


def audacity_files(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield the name and the label track of each recording; equal names are numbered."""
    names: dict[str, int] = {}
    for path, rows in table.groupby("path", sort=False):
        stem = Path(str(path)).stem
        number = names[stem] = names.get(stem, 0) + 1
        yield f"{stem}{'' if number == 1 else f'-{number}'}.txt", audacity_labels(rows)


def raven_selections(table: pd.DataFrame) -> str:
    """Raven selection table of all recordings, which Raven opens one after the other.

    Times count from the start of the first recording, offsets from that of each.

    Parameters
    ----------
    table : DataFrame
        Rows of predictions; those of files that cannot be used are left out.
    """
    used = table[table["class"].notna()].rename(columns={"class": "label"})
    lengths_s = used.drop_duplicates("path").set_index("path")["duration_s"]
    begins_s = lengths_s.cumsum() - lengths_s
    lines = ["\t".join(_RAVEN)]
    for number, row in enumerate(used.itertuples(), start=1):
        channel = int(row.channel) + 1 if str(row.channel).isdigit() else 1
        begin_s = begins_s[row.path]
        cells = [
            *(number, "Spectrogram 1", channel, visible(Path(row.path).name)),
            *(f"{begin_s + row.start_s:.6f}", f"{begin_s + row.end_s:.6f}", f"{row.start_s:.6f}"),
            *(visible(row.label), f"{row.confidence:.4f}"),
        ]
        lines.append("\t".join(map(str, cells)))
    return "\n".join([*lines, ""])
