"""A table beside the recordings, such as `labels.csv`, and what it says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.table_files import read_table
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Analysis, Corpus, FolderSource

_ENDINGS = frozenset({".csv", ".tsv"})
_MOST_TABLES = 20
_MOST_BYTES = 2**26
# Fewer rows than for this share of the recordings are not their table.
_LEAST_SHARE = 0.9


@dataclass(frozen=True)
class Beside:
    """A table beside the recordings.

    Attributes
    ----------
    path : Path
    key : str
        Its column with the paths.
    columns : DataFrame
        Its other columns, a row for each recording.
    """

    path: Path
    key: str
    columns: pd.DataFrame


def table_beside(folder: Path, names: Sequence[str]) -> tuple[Beside | None, list[str]]:
    """Find the table that names most recordings, and say why others are not used.

    Parameters
    ----------
    folder : Path
        Searched with its sub-folders and its parent folder.
    names : sequence of str
        Paths of the recordings below it.
    """
    found, reasons = [], []
    for path in _tables(folder):
        try:
            beside = _read(path, folder, names)
        except (UserError, OSError) as error:
            if path.is_relative_to(folder):
                reasons.append(f"{path.name} is not used: {error}")
            continue
        if beside is not None:
            found.append(beside)
    if not found:
        return None, reasons
    best = max(found, key=lambda one: one.columns.notna().to_numpy().sum())
    others = [one.path.name for one in found if one is not best]
    return best, reasons + [f"{name} is not used: {best.path.name} is" for name in others]


def _tables(folder: Path) -> list[Path]:
    near = [folder.glob("*"), folder.glob("*/*"), folder.resolve().parent.glob("*")]
    files = [path for paths in near for path in paths if path.suffix.lower() in _ENDINGS]
    return [path for path in sorted(files) if _is_small_file(path)][:_MOST_TABLES]


def _is_small_file(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= _MOST_BYTES
    except OSError:
        return False


def _read(path: Path, folder: Path, names: Sequence[str]) -> Beside | None:
    key = _key(read_table(path), names)
    if key is None:
        return None
    corpus = Corpus(
        sources=[FolderSource(folder=str(folder))],
        metadata=str(path.resolve()),
        metadata_key=key,
        analysis=Analysis(sample_rate_hz=16000, duration_s=1.0),
    )
    grammar = NameGrammar(corpus, [folder])
    rows = [grammar.parse(name) for name in names]
    n_known = sum(row is not None for row in rows)
    if n_known < _LEAST_SHARE * len(names):
        raise UserError(
            f"it has rows for {n_known} of {len(names)} recordings; complete it, or remove the "
            "other recordings"
        )
    own = [name for name in grammar.columns if name not in {"folder", "kind"}]
    own = [name for name in own if name not in {"licence", "citation"}]
    return Beside(path, key, pd.DataFrame([row or {} for row in rows], columns=own))


def _key(table: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Column that names the recordings, whatever its own name is."""
    known = {PurePosixPath(name).stem.lower() for name in names}
    shares = {column: _share(table[column], known) for column in table}
    best = max(shares, key=lambda column: shares[column], default=None)
    return None if best is None or shares[best] == 0 else str(best)


def _share(values: pd.Series, known: set[str]) -> float:
    paths = values.dropna().str.replace("\\", "/", regex=False).str.strip()
    return float(paths.map(lambda path: PurePosixPath(path).stem.lower() in known).mean())
