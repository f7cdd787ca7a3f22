"""Tables of text as people save them: by Excel, by R, by hand."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from disentangled_audio.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# Where the line of each row stands in the file.
LINES = "lines"
_MAX_BYTES = 2**28
_DELIMITERS = ",;\t|"
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def read_table(path: Path) -> "pd.DataFrame":
    """Read a table as text; blanks around cells are removed, and empty cells are missing.

    The separator is a comma, semicolon, tab or bar, whichever the first line has most of. Empty
    columns without a name, as a comma at the end of every line makes, are left out.

    Returns
    -------
    DataFrame
        `attrs["lines"]` has the line of each row, `attrs["n_stripped"]` the number of cells that
        had blanks around them.

    Raises
    ------
    UserError
        If it is not such a table; names the line.
    """
    # Imported here, because workers without such a table do not need it.
    import pandas as pd

    text = _text(path)
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.lower().startswith("sep="):
        # Excel's own mark of the separator.
        text, skipped = rest, 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows, lines, n_stripped = [], [], 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            n_stripped += sum(map(str.__ne__, cells, row))
            if any(cells):
                rows.append(cells)
                lines.append(reader.line_num + skipped)
    except csv.Error as error:
        raise UserError(f"table {path}, line {reader.line_num + skipped}: {error}") from error
    if not rows:
        raise UserError(f"table {path} is empty")
    head = _head(path, rows[0])
    for cells, line in zip(rows[1:], lines[1:], strict=True):
        _check_length(path, line, cells, len(head))
    width = len(head)
    # Only an empty cell is a missing value: "None" and "NA" may be labels.
    values = [[cell or None for cell in [*cells, *[""] * width][:width]] for cells in rows[1:]]
    table = pd.DataFrame(values, columns=head, dtype="str")
    table = table.loc[:, [bool(name) for name in head]]
    table.attrs |= {LINES: lines[1:], "n_stripped": n_stripped}
    return table


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"table {path} has more than {_MAX_BYTES // 2**20} MB; split it")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"table {path} cannot be read: {error.strerror or error}") from error
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(marked)
    except UnicodeError as error:
        raise UserError(
            f"table {path} is not text in UTF-8 ({error.reason}, byte {error.start}); save it as "
            "CSV UTF-8"
        ) from error
    if "\0" in text:
        raise UserError(f"table {path} is not text; save it as CSV UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(text: str) -> str:
    head = text.lstrip("\n").partition("\n")[0]
    return max(_DELIMITERS, key=head.count)


def _head(path: Path, cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    twice = sorted({name for name in cells if cells.count(name) > 1})
    if "" in cells:
        raise UserError(f"table {path}: column {cells.index('') + 1} has no name; give it one")
    if twice:
        raise UserError(f"table {path} has two columns {twice[0]!r}; rename one")
    return cells


def _check_length(path: Path, line: int, cells: list[str], width: int) -> None:
    if any(cells[width:]):
        raise UserError(
            f"table {path}, line {line} has {len(cells)} cells, the first line {width}; put quotes "
            "around a cell that has the separator in it"
        )
