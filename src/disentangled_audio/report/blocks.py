"""What sections of the report are built of: mappings that JSON can hold and the page can draw."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from disentangled_audio.report.sentences import number_text

Block = dict[str, Any]
# Plain text, or texts of which every second one is emphasised.
Text = str | Sequence[str]
MOST_ROWS = 50


def text(words: Text, look: str = "") -> Block:
    """A paragraph; its look is "" or that of a class of the page: answer, note."""
    return {"kind": "text", "text": words, "look": look}


def heading(words: str) -> Block:
    """A heading within a section."""
    return {"kind": "heading", "text": words}


def sentences(said: Iterable[Any]) -> Block:
    """A list of sentences."""
    return {"kind": "sentences", "said": list(said)}


def caution(title: str, said: Iterable[str]) -> Block:
    """Sentences that nobody should overlook."""
    return {"kind": "caution", "title": title, "said": list(said)}


def picture_block(picture: Mapping[str, Any]) -> Block:
    """A picture of `media.picture`."""
    return {"kind": "picture", "picture": dict(picture)}


def facts(pairs: Iterable[tuple[str, Text]]) -> Block:
    """Terms, each with what it is."""
    return {"kind": "facts", "pairs": [list(pair) for pair in pairs]}


def command(line: str, words: str = "") -> Block:
    """A command to type, with what it does where it stands for what is missing."""
    return {"kind": "command", "line": line, "text": words}


def pairs(rows: Iterable[tuple[str, Any]], caption: str, columns: Sequence[str]) -> Block:
    """Two columns of code: names and values."""
    texts = [[name, str(value)] for name, value in rows]
    return {"kind": "pairs", "rows": texts, "caption": caption, "columns": list(columns)}


def folded(summary: str, blocks: Sequence[Block]) -> Block:
    """Blocks that are shown when the reader asks for them."""
    return {"kind": "folded", "summary": summary, "blocks": list(blocks)}


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str, **looks: Any
) -> Block:
    """A table whose first column is text, and whose others are numbers.

    Parameters
    ----------
    columns, rows : texts.
    caption : str
    **looks
        ``classes``: one of the page's classes a row; ``is_code``: whether names are of the program.
    """
    numeric = [False, *[True] * (len(columns) - 1)]
    return {
        "kind": "table",
        "columns": list(zip(columns, numeric, strict=True)),
        "rows": [list(zip(row, numeric, strict=True)) for row in rows],
        "caption": caption,
        "has_heads": True,
        "n_hidden": 0,
        **looks,
    }


def data_table(data: pd.DataFrame, caption: str) -> Block:
    """The first rows of a table, with how many are left out."""
    numeric = [pd.api.types.is_numeric_dtype(data[column]) for column in data]
    return {
        "kind": "table",
        "columns": list(zip(map(str, data.columns), numeric, strict=True)),
        "rows": [
            list(zip(map(_cell, row), numeric, strict=True))
            for row in data.head(MOST_ROWS).itertuples(index=False, name=None)
        ],
        "caption": caption,
        "has_heads": False,
        "n_hidden": max(0, len(data) - MOST_ROWS),
    }


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number_text(value)
    return "–" if value is None or value is pd.NA else str(value)
