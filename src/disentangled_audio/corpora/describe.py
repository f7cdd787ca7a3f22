"""Columns from file names and metadata tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from disentangled_audio.corpora.table_files import LINES, read_table
from disentangled_audio.corpora.table_keys import TableKeys
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AnySource, Corpus
from disentangled_audio.storage.patterns import Pattern

if TYPE_CHECKING:
    pass

# Columns that ingestion measures; names and tables must not use them.
MEASURED_COLUMNS = (
    *("recording_id", "path", "channel", "sound_group", "sample_rate_hz", "n_channels"),
    *("start_s", "end_s", "heard_s"),
    "duration_s",
    *("first_arrival_s", "n_bytes", "peak", "rms_dbfs", "tail_dbfs", "noise_floor_db"),
    *("bandwidth_hz", "lsb_odd_share", "effective_bits", "zero_share", "sha256"),
    "warnings",
)


class NameGrammar:
    """Turns file names into columns; built once per corpus.

    Parameters
    ----------
    corpus : Corpus
        Its `name_patterns`, or those of a source, are tried in order on the path below the
        source's folder and must match up to its end. Its `metadata` table is searched for the
        path, then for the path without its first folders, down to the bare file name.
    folders : list of Path
        Folders that are searched for the `metadata` table.

    Raises
    ------
    UserError
        If a pattern is not a regular expression, uses a reserved column, or the table is
        missing or has neither a `path` nor a `file` column.
    """

    def __init__(self, corpus: Corpus, folders: list[Path]) -> None:
        self._corpus = corpus
        for source in corpus.sources:
            check_reserved(source.columns, "the columns of a source")
            self._patterns(source)
        self._table = None if corpus.metadata is None else _table(corpus, folders)

    @cached_property
    def columns(self) -> list[str]:
        """List every column that a name can give, in a stable order."""
        names = []
        for source in self._corpus.sources:
            names += [n for pattern in self._patterns(source) for n in pattern.groups]
            names += source.columns
        if self._table is not None:
            names += self._table.columns
        return list(dict.fromkeys([*names, "folder", "kind", "licence", "citation"]))

    def parse(
        self, name: str, label: str = ".", source: AnySource | None = None
    ) -> dict[str, str | None] | None:
        """Give the columns of one file, or None if it matches no pattern and no row of the table.

        Parameters
        ----------
        name : str
            Path below the source's folder.
        label : str
            Label of the source: the value of `folder` for files directly in it.
        source : Source, optional
            The first source of the corpus by default.
        """
        source = source or self._corpus.sources[0]
        columns = dict.fromkeys(self.columns)
        folder = PurePosixPath(name).parent.as_posix()
        columns.update(folder=label if folder == "." else folder, kind=self._corpus.kind)
        columns.update(self._rights(source) | source.columns)
        patterns = self._patterns(source)
        found = not patterns and self._table is None
        searched = name.lower() if self._corpus.lower_case_names else name
        match = next((m for p in patterns if (m := p.search(searched))), None)
        if match is not None:
            found = True
            columns.update({k: v for k, v in match.groupdict().items() if v is not None})
        row = self._row(name)
        if row is not None:
            found = True
            columns.update(row)
        return columns if found else None

    def _patterns(self, source: AnySource) -> list[Pattern]:
        own = source.name_patterns
        return [_compile(p) for p in (self._corpus.name_patterns if own is None else own)]

    def _rights(self, source: AnySource) -> dict[str, str]:
        own = {"licence": source.licence, "citation": source.citation}
        return {key: value or getattr(self._corpus, key) for key, value in own.items()}

    def _row(self, name: str) -> dict[str, str] | None:
        if self._table is None:
            return None
        key = self._table.keys.find(name)
        return None if key is None else self._table.rows[key]

    def table_findings(self, names: Sequence[str], target: str | None = None) -> list[str]:
        """Say which rows of the table name none of the files, after these were parsed.

        Parameters
        ----------
        names : sequence of str
            The files.
        target : str, optional
            The column whose classes must not vanish.

        Raises
        ------
        UserError
            If no row names a file, or none of a class.
        """
        if self._table is None:
            return []
        return self._table.findings(names, target)


@dataclass(frozen=True)
class _Metadata:
    """Columns of a metadata table, and its rows by the path or name of the file."""

    path: Path
    columns: list[str]
    # A dictionary is a hundred times as fast as a data frame.
    rows: dict[str, dict[str, str]]
    keys: TableKeys
    n_stripped: int

    def findings(self, names: Sequence[str], target: str | None) -> list[str]:
        """As `NameGrammar.table_findings`."""
        found = []
        if self.n_stripped:
            found.append(f"{self.path.name}: blanks around {self.n_stripped} cells were removed")
        unused = self.keys.unused
        if not unused:
            return found
        example = (
            f"such as {unused[0]!r}; a file is {names[0]!r}" if names else "there are no files"
        )
        counted = f"{len(unused)} of {len(self.rows)} rows of {self.path.name} name no file"
        if len(unused) == len(self.rows):
            raise UserError(f"{counted}, {example}. Correct the table's paths or files")
        gone = self._classes(target, unused) - self._classes(target, set(self.rows) - set(unused))
        if gone:
            classes = ", ".join(sorted(gone))
            raise UserError(
                f"{counted}, {example}. Class {classes} has no file at all; add them, or remove "
                "the rows"
            )
        return [*found, f"{counted}, {example}"]

    def _classes(self, target: str | None, keys: Iterable[str]) -> set[str]:
        return {row[target] for key in keys if target in (row := self.rows[key])}


def check_reserved(columns: Iterable[str], what: str) -> None:
    """Raise a UserError that names `what` if ingestion measures a column with such a name."""
    reserved = sorted(set(columns) & set(MEASURED_COLUMNS))
    if reserved:
        raise UserError(f"{what}: the column names {reserved} are reserved; rename them")


@cache
def _compile(pattern: str) -> Pattern:
    # Start at a path component, so that `a_(…)` does not match inside `ba_(…)`.
    compiled = Pattern(rf"(?:^|/)(?:{pattern})\Z", f"name pattern {pattern!r}")
    check_reserved(compiled.groups, f"name pattern {pattern!r}")
    return compiled


def _table(corpus: Corpus, folders: list[Path]) -> _Metadata:
    import pandas as pd

    candidates = [folder / (corpus.metadata or "") for folder in folders]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise UserError(f"metadata table not found: {', '.join(map(str, candidates))}")
    table = read_table(path)
    wanted = [corpus.metadata_key] if corpus.metadata_key else ["path", "file"]
    key = next((column for column in wanted if column in table), None)
    if key is None:
        names = " or ".join(map(repr, wanted))
        raise UserError(
            f"metadata table {path} needs a column {names}; it has {list(table.columns)}. Name the "
            "column with the recordings' paths: metadata_key"
        )
    check_reserved(set(table.columns) - {key}, f"metadata table {path}")
    rows: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for line, row in zip(table.attrs[LINES], table.to_dict("records"), strict=True):
        name = row.pop(key)
        if pd.isna(name):
            raise UserError(f"metadata table {path}, line {line} has no {key}; fill it in")
        known = {column: value for column, value in row.items() if pd.notna(value)}
        if rows.get(name, known) != known:
            raise UserError(
                f"metadata table {path} says different things of {name!r} in lines {lines[name]} "
                f"and {line}; remove one"
            )
        rows[name] = known
        lines.setdefault(name, line)
    n_stripped = table.attrs["n_stripped"]
    columns = [column for column in table if column != key]
    return _Metadata(path, columns, rows, TableKeys(rows), n_stripped)
