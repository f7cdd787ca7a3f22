"""`disentangled-audio suggest`: which recordings to label next."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from disentangled_audio.cli.models import loaded, model_options
from disentangled_audio.cli.output import answering, json_text, note, records, shown_path
from disentangled_audio.report.terminal import print_table

if TYPE_CHECKING:
    import pandas as pd

    from disentangled_audio.models.suggest import Suggestions

_LIST, _LABELS = ".lof", ".txt"
_DEFAULT = Path("suggested.lof")
_ENDINGS = {".csv": "csv", ".json": "json", _LIST: "audacity", _LABELS: "audacity"}


@click.command(
    epilog="""\b
Examples:
  disentangled-audio suggest recordings/ --n 20
  disentangled-audio suggest recordings/ --output next.lof
  disentangled-audio suggest recordings/ --format csv > next.csv

\b
Exit codes:
  0  done, also if nothing is left to suggest
  1  not possible, or none of the files can be used
  2  wrong usage
"""
)
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER...")
@click.option(
    "--n",
    "n_files",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many recordings to suggest.",
)
@model_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "audacity"]),
    default="table",
    show_default=True,
    help="What to print; audacity is a label track.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File to write, which must not exist: a list for Audacity (.lof, with labels in .txt), or "
    f"the table (.csv, .json). With a printed table the default is {_DEFAULT}, which replaces an "
    "older one.",
)
def suggest(
    paths: tuple[str, ...], n_files: int, form: str, output: Path | None, **chosen: str | None
) -> None:
    """Suggest the recordings whose labels would teach the models most.

    FOLDER is a folder, a file, a glob pattern or a zip archive. The suggested recordings are those
    whose class is unsure, or that are unlike the training recordings, and that are unlike each
    other. Recordings that the model's corpus has labels for are not suggested.
    """
    if output is not None:
        _check(output)
    with answering():
        classifier, _, places = loaded(paths, **chosen)
        found = classifier.suggestions(places, n_files, chosen["kind"])
        _say_what_is_left_out(found)
        if found.n_labelled + len(found.table) == 0:
            raise click.ClickException("none of the files can be used")
        _print(found.table, form)
        if len(found.table) and (output is not None or form == "table"):
            _write(found.table, output or _DEFAULT)


def _check(output: Path) -> None:
    """Refuse, before models are loaded, what could not be written."""
    if output.suffix not in _ENDINGS:
        raise click.UsageError(f"--output {output} must end in {', '.join(_ENDINGS)}")
    for file in _files(output):
        if file.exists():
            raise click.ClickException(f"{file} exists already; remove it, or name another file")
    if not output.absolute().parent.is_dir():
        raise click.ClickException(f"{output.parent} does not exist; make it first")


def _files(output: Path) -> list[Path]:
    if _ENDINGS[output.suffix] == "audacity":
        return [output.with_suffix(_LIST), output.with_suffix(_LABELS)]
    return [output]


def _print(table: "pd.DataFrame", form: str) -> None:
    if form == "table" and len(table):
        columns = ["rank", "file", "class", "confidence", "in_dist", "why"]
        print_table(columns, [_row(row) for row in records(table)])
    elif form != "table":
        click.echo(_text(table, form), nl=False)


def _row(row: dict[str, Any]) -> list[str]:
    confidence, in_distribution = f"{row['confidence']:.2f}", f"{row['in_distribution']:.3f}"
    path = shown_path(row["path"])
    return [str(row["rank"]), path, row["class"], confidence, in_distribution, row["why"]]


def _text(table: "pd.DataFrame", form: str) -> str:
    from disentangled_audio.report.audacity import label_track
    from disentangled_audio.storage.csv_cells import guarded_table

    if form == "csv":
        return guarded_table(table).to_csv(index=False)
    if form == "json":
        return json_text(records(table))
    return label_track([_label(row) for row in records(table)], table["duration_s"].tolist())


def _label(row: dict[str, Any]) -> str:
    return f"{row['class']}? {row['rank']}. {Path(row['path']).name}: {row['why']}"


def _write(table: "pd.DataFrame", output: Path) -> None:
    from disentangled_audio.report.audacity import can_be_listed, list_of_files
    from disentangled_audio.storage.temporaries import write_whole

    form = _ENDINGS[output.suffix]
    if form == "audacity":
        listed = table[table["path"].map(can_be_listed).astype(bool)]
        for path in table["path"][~table.index.isin(listed.index)]:
            note(f"{path!r} is not in {output}: Audacity cannot open it from a list")
        texts = [list_of_files(listed["path"].tolist(), listed["duration_s"].tolist())]
        texts.append(_text(listed, form))
    else:
        texts = [_text(table, form)]
    files = _files(output)
    for file, text in zip(files, texts, strict=True):
        write_whole(file.absolute(), lambda path, text=text: path.write_text(text, "utf-8"))
    note(f"Wrote {' and '.join(map(str, files))}")


def _say_what_is_left_out(found: "Suggestions") -> None:
    if found.n_labelled:
        note(f"Left out because the model's corpus has their labels: {found.n_labelled}")
    if found.n_copies:
        note(f"Left out because they are copies of others: {found.n_copies}")
    for row in records(found.unusable):
        note(f"{row['path']!r} cannot be used: {row['error']} ({row['what_to_do']})")
    if found.n_labelled and found.table.empty:
        note("There is nothing to suggest")
