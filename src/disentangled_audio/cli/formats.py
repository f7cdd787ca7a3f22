"""Formats of the answer of `classify`, and where it is written."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from disentangled_audio.errors import UserError
from disentangled_audio.report.label_tracks import (
    audacity_files,
    audacity_labels,
    raven_selections,
)
from disentangled_audio.storage.csv_cells import guarded_table

if TYPE_CHECKING:
    import pandas as pd

# The others are printed by the command itself.
WRITTEN = ("csv", "audacity", "raven")
FORMATS = ("table", "json", *WRITTEN)


def write_answer(table: "pd.DataFrame", kind: str, output: Path | None) -> None:
    """Print a table of predictions as `csv`, `audacity` or `raven`, or write it to a file.

    Audacity has a label track per recording: of several, `output` is their folder.
    """
    several = kind == "audacity" and table["path"].nunique() > 1
    if several and output is None:
        raise UserError(
            "--format audacity has one label track per recording; name a folder for them: "
            "--output FOLDER"
        )
    if several or (kind == "audacity" and output is not None and output.is_dir()):
        _write_tracks(table, output)
    else:
        text = _TEXTS[kind](table)
        if output is None:
            click.echo(text, nl=False)
        else:
            _write(output, text)


def _write_tracks(table: "pd.DataFrame", folder: Path | None) -> None:
    if folder is None or (folder.exists() and not folder.is_dir()):
        raise UserError(f"--output {folder} is a file; name a folder for the label tracks")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in audacity_files(table):
        _write(folder / name, text)


def _write(file: Path, text: str) -> None:
    from disentangled_audio.storage.temporaries import write_whole

    write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))


_TEXTS: dict[str, Callable[["pd.DataFrame"], str]] = {
    "csv": lambda table: guarded_table(table).to_csv(index=False),
    "audacity": audacity_labels,
    "raven": raven_selections,
}
