"""Blocks of the report's sections: mappings that JSON can hold and the page can draw."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from disentangled_audio.report.sentences import number_text

Block = dict[str, Any]
# Plain text, or several texts, every second one emphasised.
Text = str | Sequence[str]
MOST_ROWS = 50


def text(words: Text, look: str = "") -> Block:
    """A paragraph; its look is "" or a CSS class of the page: answer, note."""
    return {"kind": "text", "text": words, "look": look}


def heading(words: str) -> Block:
    """A heading within a section."""
    return {"kind": "heading", "text": words}


def sentences(items: Iterable[Any]) -> Block:
    """A list of sentences."""
    return {"kind": "sentences", "items": list(items)}


def caution(title: str, items: Iterable[str]) -> Block:
    """Sentences that nobody should overlook."""
    return {"kind": "caution", "title": title, "items": list(items)}


def picture_block(picture: Mapping[str, Any]) -> Block:
    """A picture of `media.picture`."""
    return {"kind": "picture", "picture": dict(picture)}


def facts(pairs: Iterable[tuple[str, Text]]) -> Block:
    """Terms with their explanations."""
    return {"kind": "facts", "pairs": [list(pair) for pair in pairs]}


def command(line: str, words: str = "") -> Block:
    """A command to type; with words, it explains how to get a missing section."""
    return {"kind": "command", "line": line, "text": words}


def pairs(rows: Iterable[tuple[str, Any]], caption: str, columns: Sequence[str]) -> Block:
    """A table of two columns of code: names and values."""
    texts = [[name, str(value)] for name, value in rows]
    return {"kind": "pairs", "rows": texts, "caption": caption, "columns": list(columns)}


def folded(summary: str, blocks: Sequence[Block]) -> Block:
    """Blocks that the reader can unfold."""
    return {"kind": "folded", "summary": summary, "blocks": list(blocks)}


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str, **looks: Any
) -> Block:
    """A table with a first column of text and further columns of numbers.

    Looks are ``classes``, a CSS class per row, and ``is_code``, whether the first column is code.
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
    """The first rows of a table, and how many are left out."""
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
