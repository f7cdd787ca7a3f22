"""The columns that folders, names and a table give to the recordings of a folder."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from disentangled_audio.corpora.proposals.choices import DOUBTFUL, Column, classes, varying
from disentangled_audio.corpora.proposals.names import fields_of, levels_of, readings
from disentangled_audio.corpora.proposals.natures import SOURCE, nature, nature_of_header
from disentangled_audio.corpora.proposals.tables import Beside
from disentangled_audio.errors import UserError

_GROUP = re.compile(r"\(\?P<(\w+)>")


@dataclass(frozen=True)
class Layout:
    """Columns of the recordings, and what they come from.

    Attributes
    ----------
    facts : DataFrame
        A row for each recording: what its header says, and the columns.
    columns : list of Column
        Those with several values.
    pattern : str
        Pattern of the paths; empty if it gives no column.
    fields : list of str
        Parts of the names, in order, constant ones too.
    table : Beside, optional
    """

    facts: pd.DataFrame
    columns: list[Column]
    pattern: str
    fields: list[str]
    table: Beside | None

    def renamed(self, names: dict[str, str]) -> "Layout":
        """Give columns other names."""
        pattern = _GROUP.sub(lambda m: f"(?P<{names.get(m[1], m[1])}>", self.pattern)
        columns = [replace(c, name=names.get(c.name, c.name)) for c in self.columns]
        fields = [names.get(name, name) for name in self.fields]
        return replace(
            self,
            facts=self.facts.rename(columns=names),
            columns=columns,
            pattern=pattern,
            fields=fields,
        )

    def place(self, column: Column) -> str:
        """Say where a column comes from."""
        if column.name in self.fields:
            return f"part {self.fields.index(column.name) + 1} of the names"
        if column.origin == "table" and self.table is not None:
            return f"column {column.name} of {self.table.path.name}"
        return "the sub-folders" if column.origin == "folder" else "the names"


def layout_of(facts: pd.DataFrame, table: Beside | None, class_part: int | None) -> Layout:
    """Find the columns of recordings.

    Parameters
    ----------
    facts : DataFrame
        With the columns `relative` and `folder`.
    table : Beside, optional
    class_part : int, optional
        Number of a name part that there must be, from 1.

    Raises
    ------
    UserError
        If no reading of the names has that part.
    """
    possible = list(_layouts(facts, table))
    if class_part is not None:
        possible = [layout for layout in possible if len(layout.fields) >= class_part]
        if not possible:
            raise UserError(
                f"--class-part {class_part}: some names have fewer parts, such as "
                f"{min(facts['relative'], key=len)}"
            )
        return possible[0]
    clear = (layout for layout in possible if _doubt_of_names(layout) < DOUBTFUL)
    return next(clear, min(possible, key=_doubt_of_names))


def _doubt_of_names(layout: Layout) -> float:
    ranked = classes(layout.facts, layout.columns)
    return min((doubt for doubt, column in ranked if column.origin == "name"), default=DOUBTFUL + 2)


def _layouts(facts: pd.DataFrame, table: Beside | None) -> Iterator[Layout]:
    names = facts["relative"].tolist()
    above = levels_of(names)
    for stem in readings(names) or [r"[^/]+"]:
        pattern = above + stem + r"\.\w+"
        matches = [re.fullmatch(pattern, name) for name in names]
        if all(matches):
            given = pd.DataFrame([match.groupdict() for match in matches if match])
            yield _layout(facts, given, pattern, table)


def _layout(facts: pd.DataFrame, given: pd.DataFrame, pattern: str, table: Beside | None) -> Layout:
    columns = list(_columns(given))
    facts = pd.concat([facts, given], axis=1)
    if [column.origin for column in columns].count("folder") == 1 and not columns[0].nature:
        # The column `folder` is always there.
        facts = facts.drop(columns="level1")
        pattern = pattern.replace("(?P<level1>[^/]+)", "[^/]+")
        columns[0] = Column("folder", "folder")
    if table is not None:
        facts = pd.concat([facts, table.columns.fillna("").set_axis(facts.index)], axis=1)
        columns += list(_table_columns(table))
    fields = list(fields_of(pattern))
    return Layout(facts, varying(facts, columns), pattern, fields, table)


def _columns(given: pd.DataFrame) -> Iterator[Column]:
    before = ""
    for name in given:
        kind = SOURCE if name == SOURCE else nature(given[name].unique(), before)
        before = kind
        yield Column(name, "folder" if name.startswith("level") else "name", kind)


def _table_columns(table: Beside) -> Iterator[Column]:
    for name in table.columns:
        values = table.columns[name].dropna().unique()
        yield Column(name, "table", nature_of_header(name, values))


def parts_of(layout: Layout) -> str:
    """Parts of the names with some of their values, for a message."""
    parts = [f"{n}: {examples(layout.facts[f])}" for n, f in enumerate(layout.fields, start=1)]
    return f" (the parts are {'; '.join(parts)})" if len(parts) > 1 else ""


def examples(values: pd.Series | Sequence[str]) -> str:
    """Some of the different values."""
    names = list(dict.fromkeys(map(str, values)))
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
