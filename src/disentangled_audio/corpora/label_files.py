"""Reads files that label parts of recordings: Audacity label tracks and tables.

Tables are those of Raven, or any with a header that names the columns `start` and `end`.
"""

import csv
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import shown

_MAX_BYTES = 2**26
# Names of columns, in lower case, without a unit in brackets and with `_` for other signs.
_FILE = ("file", "filename", "file_name", "path", "begin_path", "begin_file")
_START = ("start", "start_s", "start_time", "begin", "begin_s", "begin_time", "onset", "onset_s")
_END = ("end", "end_s", "end_time", "stop", "offset", "offset_s")
_LABEL = ("label", "annotation", "class", "species", "event_label")
# What Raven measures, or counts.
_MEASURED = re.compile(
    r"selection|view|channel|.*\((s|hz|khz|db|db fs|samples|u|%).*\)|.*(time|freq|power|energy).*",
    re.IGNORECASE,
)
_OFFSET = "file_offset"
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class Label:
    """A labelled part, as a file gives it.

    Attributes
    ----------
    start_s, end_s : float
        Its times from the start of its recording.
    text : str
        The label, without blanks around it.
    origin : str
        File and line, for messages.
    file : str
        Name of the recording; empty if the file of labels belongs to one.
    columns : dict
        Further columns of the table.
    """

    start_s: float
    end_s: float
    text: str
    origin: str
    file: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def read_labels(content: bytes, name: str, label_column: str = "label") -> list[Label]:
    """Read a file of labels, whose content tells its format.

    Parameters
    ----------
    content : bytes
        Text in UTF-8, or in UTF-16 with a byte order mark.
    name : str
        Name of the file, for messages.
    label_column : str
        Column of a table that has the labels.

    Returns
    -------
    list of Label
        In the order of the file; what is listed twice is one label.

    Raises
    ------
    UserError
        If it is none of these formats; names the file and the line.
    """
    lines = re.split("\r\n|\r|\n", _text(content, name))
    first = next((line for line in lines if line.strip()), "")
    is_track = not first or _is_track(first)
    labels = _of_track(lines, name) if is_track else _of_table(lines, name, label_column)
    # Raven lists a selection once for each of its views.
    each = {(label.file, label.start_s, label.end_s, label.text): label for label in labels}
    return list(each.values())


def _text(content: bytes, name: str) -> str:
    if len(content) > _MAX_BYTES:
        raise UserError(
            f"{name} is too large for labels: {len(content)} bytes, the maximum is {_MAX_BYTES}; "
            "narrow corpus.segments.files"
        )
    encoding = _BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{name}, line {line}: not text in UTF-8; save it as UTF-8") from error


def _is_track(line: str) -> bool:
    start, *others = line.split("\t")
    return bool(others) and all(_number(text) is not None for text in (start, others[0]))


def _number(text: str) -> float | None:
    # A comma between digits is a decimal sign, as in tables that it does not separate.
    try:
        return float(re.sub(r"(\d),(\d)", r"\1.\2", text))
    except ValueError:
        return None


def _of_track(lines: list[str], name: str) -> Iterator[Label]:
    for number, line in enumerate(lines, start=1):
        # A line of frequencies may follow a label.
        if not line.strip() or line.startswith("\\"):
            continue
        origin = f"{name}, line {number}"
        if line.count("\t") < 1:
            raise UserError(
                f"{origin}: {shown(line)} is no label; a label track has start, end and label in "
                "each line, separated by tabs"
            )
        start, end, *texts = line.split("\t")
        yield Label(_seconds(start, origin), _seconds(end, origin), _clean(" ".join(texts)), origin)


def _seconds(text: str, origin: str) -> float:
    found = _number(text)
    if found is None or not math.isfinite(found):
        raise UserError(f"{origin}: {shown(text)} is no time; write seconds, such as 1.25")
    return found


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(_without_controls(text).split()))


def _without_controls(text: str) -> str:
    return "".join(sign for sign in text if sign.isspace() or unicodedata.category(sign) != "Cc")


@dataclass(frozen=True)
class _Columns:
    """Places of a table's columns; None for those it lacks."""

    start: int
    end: int
    label: int
    file: int | None
    offset: int | None
    others: dict[str, int]


def _of_table(lines: list[str], name: str, label_column: str) -> Iterator[Label]:
    delimiter = _delimiter(next(line for line in lines if line.strip()))
    rows = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    columns: _Columns | None = None
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            origin = f"{name}, line {rows.line_num}"
            if columns is None:
                columns = _columns_of(row, origin, label_column)
                continue
            yield _of_row(row, columns, origin)
    except csv.Error as error:
        raise UserError(f"{name}, line {rows.line_num}: not a table: {error}") from error


def _delimiter(header: str) -> str:
    return max("\t;|,", key=lambda sign: len(set(_named(header.split(sign)))))


def _named(header: list[str]) -> dict[str, int]:
    """Places of the columns with a known name, by their role."""
    names = [_plain(name) for name in header]
    roles = {"file": _FILE, "start": _START, "end": _END, "offset": (_OFFSET,)}
    return {
        role: names.index(found)
        for role, known in roles.items()
        if (found := next((name for name in known if name in names), None))
    }


def _plain(name: str) -> str:
    without_unit = re.sub(r"\s*\(\w*\)$", "", name.strip().lower())
    return re.sub(r"\W+", "_", without_unit)


def _columns_of(header: list[str], origin: str, label_column: str) -> _Columns:
    named = _named(header)
    if not {"start", "end"} <= set(named):
        raise UserError(
            f"{origin}: neither a label track nor a table of labels, whose first line names the "
            f"columns start and end: {shown(', '.join(header))}. Correct it, or narrow "
            "corpus.segments.files"
        )
    label = _label_place(header, set(named.values()), origin, label_column)
    is_raven = any(_plain(name) == "selection" for name in header)
    others = {
        name.strip(): place
        for place, name in enumerate(header)
        if name.strip() and place not in {*named.values(), label} and not is_raven
    }
    return _Columns(
        named["start"], named["end"], label, named.get("file"), named.get("offset"), others
    )


def _label_place(header: list[str], used: set[int], origin: str, label_column: str) -> int:
    free = {
        name.strip().casefold(): place
        for place, name in enumerate(header)
        if name.strip() and place not in used
    }
    if label_column.casefold() in free:
        return free[label_column.casefold()]
    known = [name for name in free if name in _LABEL]
    possible = known or [name for name in free if not _MEASURED.fullmatch(name)]
    if len(possible) == 1:
        return free[possible[0]]
    raise UserError(
        f"{origin}: no column {shown(label_column)} in {shown(', '.join(header))}; set "
        "corpus.segments.label_column to the column that has the labels"
    )


def _of_row(row: list[str], columns: _Columns, origin: str) -> Label:
    def cell(place: int | None) -> str:
        text = row[place] if place is not None and place < len(row) else ""
        return _without_controls(text).strip()

    start_s, end_s = (_seconds(cell(place), origin) for place in (columns.start, columns.end))
    if columns.file is not None and cell(columns.offset):
        # Raven counts the times of several files from the first one's start.
        start_s, end_s = _from_file(start_s, end_s, _seconds(cell(columns.offset), origin))
    others = {name: cell(place) for name, place in columns.others.items()}
    return Label(start_s, end_s, _clean(cell(columns.label)), origin, cell(columns.file), others)


def _from_file(start_s: float, end_s: float, offset_s: float) -> tuple[float, float]:
    return offset_s, round(offset_s + end_s - start_s, 9)
