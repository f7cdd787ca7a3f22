"""Names, shapes and rooms of the twin's files, from `twin_groups.csv`."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files

_FIELD = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?")


@dataclass(frozen=True)
class NameGroup:
    """Files that share a room, a shape and a source distance: one row of `twin_groups.csv`.

    Attributes
    ----------
    database, kind, room
        As in the file names; `kind` is `rir` or `noise`, `room` is the physical room.
    names
        Pattern for `expand_names`.
    n_channels, n_frames
        Shape of each file at 16 kHz.
    dimensions_m
        Length, width and height of the room in metres.
    rt60_s
        Mid-frequency reverberation time in seconds; 0 without reflections.
    source_distance_m
        Distance from the source to the centre of the microphones; None for noises.
    """

    database: str
    kind: str
    room: str
    names: str
    n_channels: int
    n_frames: int
    dimensions_m: tuple[float, float, float]
    rt60_s: float
    source_distance_m: float | None


def expand_names(pattern: str) -> list[str]:
    """Expand a pattern into all its names, the last field varying fastest.

    A field in braces lists its possible values, separated by commas: text, or a range
    `first..last` or `first..last..step` of whole numbers. A range is padded with zeros to the
    width of its first number if that begins with a zero. Fields cannot be nested.

    Examples
    --------
    >>> expand_names("imp{090..110..10}{l,r}")
    ['imp090l', 'imp090r', 'imp100l', 'imp100r', 'imp110l', 'imp110r']
    """
    parts = _FIELD.split(pattern)
    names = [parts[0]]
    for field, text in zip(parts[1::2], parts[2::2], strict=True):
        items = [item for part in field.split(",") for item in _expand_item(part)]
        names = [name + item + text for name in names for item in items]
    return names


def _expand_item(item: str) -> list[str]:
    match = _RANGE.fullmatch(item)
    if match is None:
        return [item]
    width = len(match[1]) if match[1].startswith("0") else 0
    numbers = range(int(match[1]), int(match[2]) + 1, int(match[3] or 1))
    return [f"{number:0{width}d}" for number in numbers]


def read_groups() -> list[NameGroup]:
    """Read the rows of `twin_groups.csv`."""
    table = files(__package__).joinpath("twin_groups.csv").read_text(encoding="utf-8")
    return [_parse_group(row) for row in csv.DictReader(table.splitlines())]


def _parse_group(row: dict[str, str]) -> NameGroup:
    distance = row["source_distance_m"]
    return NameGroup(
        database=row["database"],
        kind=row["kind"],
        room=row["room"],
        names=row["names"],
        n_channels=int(row["n_channels"]),
        n_frames=int(row["n_frames"]),
        dimensions_m=(float(row["length_m"]), float(row["width_m"]), float(row["height_m"])),
        rt60_s=float(row["rt60_s"]),
        source_distance_m=float(distance) if distance else None,
    )


def twin_files(files_per_group: int | None = None) -> dict[str, NameGroup]:
    """Give the group of every file of the twin by file name, in the order of the table.

    `files_per_group` limits the number of files of each database, kind and room.
    """
    kept: dict[str, NameGroup] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for group in read_groups():
        key = (group.database, group.kind, group.room)
        for name in expand_names(group.names):
            counts[key] += 1
            if files_per_group is None or counts[key] <= files_per_group:
                kept[name] = group
    return kept
