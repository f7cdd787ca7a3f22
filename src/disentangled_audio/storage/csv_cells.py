"""Text in CSV files, written so that spreadsheets do not run it as a formula.

A text that a spreadsheet would take for a formula gets an apostrophe in front, and so does one that
already has apostrophes in front of such a text; reading takes one away. Numbers stay as they are.
"""

import re
from collections.abc import Callable
from typing import Any

# Excel also takes the full-width forms for formulas.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"'*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def guarded(text: str) -> str:
    """Text for a CSV file; `unguarded` gives it back."""
    return f"'{text}" if _is_formula(text) else text


def unguarded(text: str) -> str:
    """Text that `guarded` was given."""
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def guarded_table(table: Any) -> Any:
    """Data frame with guarded texts and column names; unchanged columns are shared."""
    return _changed(table, guarded)


def unguarded_table(table: Any) -> Any:
    """Data frame that `guarded_table` was given."""
    return _changed(table, unguarded)


def _is_formula(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)


def _changed(table: Any, change: Callable[[str], str]) -> Any:
    import pandas as pd

    # Whatever else can write itself as CSV has no columns to look at.
    if not isinstance(table, pd.DataFrame):
        return table
    columns = [_changed_column(table.iloc[:, place], change) for place in range(table.shape[1])]
    result = table.copy(deep=False)
    for place, column in enumerate(columns):
        if column is not None:
            result.isetitem(place, column)
    return result.rename(columns=lambda name: change(name) if isinstance(name, str) else name)


def _changed_column(column: Any, change: Callable[[str], str]) -> Any:
    """A changed copy of a column; None if no text in it changes."""
    if column.dtype.kind in "biufcmM":
        return None
    texts = {value for value in column if isinstance(value, str)}
    new = {text: change(text) for text in texts if change(text) != text}
    if not new:
        return None
    return column.map(lambda value: new.get(value, value) if isinstance(value, str) else value)
