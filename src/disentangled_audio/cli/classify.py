"""`disentangled-audio classify` and `export`: use trained models."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from disentangled_audio.cli.formats import FORMATS, WRITTEN, write_answer
from disentangled_audio.cli.models import loaded, model_options
from disentangled_audio.cli.output import (
    answering,
    as_json_option,
    note,
    print_json,
    project,
    records,
    shown_path,
)
from disentangled_audio.report.terminal import print_table

if TYPE_CHECKING:
    import pandas as pd

    from disentangled_audio.models.classifier import Rows
    from disentangled_audio.runs.trained_runs import TrainedRun

_ONLY_CHANNELS = ("0", "mean")
_PREDICTIONS = "inference_predictions"


@click.command(
    epilog="""\b
Examples:
  disentangled-audio classify clap.wav
  disentangled-audio classify recordings/ more/*.wav archive.zip --top 2
  disentangled-audio classify clap.wav --json > answer.json
  disentangled-audio classify dawn.wav --format audacity --output dawn.txt
  disentangled-audio classify dawn.wav --window 1 --hop 0.25 --windows
  disentangled-audio classify clap.wav --model 2026-01-31T12.00.00.000Z
  disentangled-audio classify clap.wav --model model.zip

\b
Exit codes:
  0  classified; for a file that cannot be used, its row says why
  1  not possible, or none of the files can be used
  2  wrong usage
"""
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@model_options
@click.option(
    "--window",
    "window_s",
    type=float,
    metavar="SECONDS",
    help="Length of the windows of a long recording; by default, and at most, that of the training "
    "clips.",
)
@click.option(
    "--hop",
    "hop_s",
    type=float,
    metavar="SECONDS",
    help="Time from the start of a window to the next; by default half of a window.",
)
@click.option("--whole", is_flag=True, help="One row per file: the mean over its windows.")
@click.option("--windows", is_flag=True, help="One row per window, not per segment.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    default="table",
    show_default=True,
    help="table, json or csv (these have all columns), audacity (a label track) or raven (a "
    "selection table).",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write csv, audacity or raven; for the label tracks of several files, a folder.",
)
@as_json_option
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many classes to show for each recording.",
)
def classify(  # noqa: PLR0913
    paths: tuple[str, ...],
    window_s: float | None,
    hop_s: float | None,
    whole: bool,
    windows: bool,
    shape: str,
    output: Path | None,
    as_json: bool,
    top: int,
    **chosen: str | None,
) -> None:
    """Classify recordings, with the confidence of each answer.

    All of a long recording is heard, in windows as long as the training clips; neighbouring windows
    of the same class make one segment.

    PATH is a file, a folder, a glob pattern or a zip archive. Recordings are prepared exactly like
    the training recordings. The whole table, with acoustic parameters, is saved as
    inference_predictions under data/08_inference, unless the model is a bundle.
    """
    if whole and windows:
        raise click.UsageError("--whole and --windows exclude each other")
    if output is not None and shape not in WRITTEN:
        raise click.UsageError(f"--output needs --format {', '.join(WRITTEN)}")
    rows: Rows = "whole" if whole else "windows" if windows else "segments"
    with answering():
        classifier, run, places = loaded(paths, **chosen)
        table = classifier.predictions(
            places, chosen["kind"], window_s=window_s, hop_s=hop_s, rows=rows
        )
        if run is not None:
            _keep(table, run)
        if as_json or shape == "json":
            print_json([_plain(row, top) for row in records(table)])
        elif shape in WRITTEN:
            write_answer(table, shape, output)
        else:
            _show(table, top)
        for remark in [*table.attrs["remarks"], *_remarks(table, places)]:
            note(f"Warning: {remark}")
    n_unusable = int(table["error"].notna().sum())
    if n_unusable == len(table):
        raise click.ClickException("none of the files can be used")
    if n_unusable:
        note(f"{n_unusable} of {len(table)} rows are files that cannot be used")


@click.command(
    epilog="""\b
Examples:
  disentangled-audio export 2026-01-31T12.00.00.000Z model.zip
  disentangled-audio classify clap.wav --model model.zip

\b
Exit codes: 0 written, 1 not possible, 2 wrong usage.
"""
)
@click.argument("run", metavar="RUN")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--fold", metavar="NAME", help="Export this fold of a cross-validation.")
def export(run: str, file: Path, fold: str | None) -> None:
    """Write the models of a run to one file, which classifies without the project.

    RUN is a version from `disentangled-audio runs`. FILE ends in .zip and must not exist. It
    contains no recording and no path of this machine, but the hashes of the training recordings.
    """
    from disentangled_audio.models.bundle import write_bundle
    from disentangled_audio.models.preparation import facts_of
    from disentangled_audio.report.model_card import model_card
    from disentangled_audio.runs.trained_runs import find_run

    if file.suffix != ".zip":
        raise click.UsageError(f"FILE must end in .zip, not {file.name!r}")
    with answering():
        found = find_run(project() / "data", run, fold=fold)
        card = model_card(facts_of(found.manifest, found.fold), found.metrics())
        write_bundle(found, file, card)
        click.echo(f"Wrote {file}")


def _remarks(table: "pd.DataFrame", places: list[str]) -> list[str]:
    """Say how many audio files were not read, by ending, and how many have a wrong header."""
    from disentangled_audio.corpora.reading.containers import HEADER
    from disentangled_audio.corpora.reading.ffmpeg import MISSING
    from disentangled_audio.corpora.sources.named import unread_in
    from disentangled_audio.corpora.sources.unread import NO_FFMPEG, not_read

    needing = table.loc[table["error"] == MISSING, "path"]
    remarks = [*unread_in(places), *not_read((path, NO_FFMPEG) for path in needing)]
    n_wrong = int(
        table.loc[
            table["warnings"].astype("string").str.contains(HEADER, na=False), "path"
        ].nunique()
    )
    if n_wrong:
        remarks.append(
            f"{n_wrong} of {table['path'].nunique()} recordings were read to their end although "
            "their headers are wrong"
        )
    return remarks


def _keep(table: "pd.DataFrame", run: "TrainedRun") -> None:
    """Save the table in both formats, as the pipeline does; if that fails, only warn."""
    from kedro.io import DatasetError, Version
    from kedro.io.core import generate_timestamp

    from disentangled_audio.datasets.csv_dataset import LongCSVDataset
    from disentangled_audio.datasets.parquet_dataset import ParquetDataset
    from disentangled_audio.errors import UserError

    place = run.project / "data" / "08_inference" / run.corpus / run.protocol / (run.fold or "")
    version = Version(None, generate_timestamp())
    try:
        for kind, suffix in ((ParquetDataset, "parquet"), (LongCSVDataset, "csv")):
            file = place / f"{_PREDICTIONS}.{suffix}"
            kind(filepath=str(file), version=version).save(table)
    except (UserError, DatasetError, OSError) as error:
        note(f"Warning: the table was not saved under {place}: {error}")


def _plain(row: dict[str, Any], top: int) -> dict[str, Any]:
    """Best classes and all columns of a row; missing values are None."""
    from disentangled_audio.models.answers import BETWEEN_WARNINGS

    warnings = row["warnings"].split(BETWEEN_WARNINGS) if row["warnings"] else []
    return {"path": row["path"], "top": dict(_best(row, top)), **row, "warnings": warnings}


def _best(row: dict[str, Any], top: int) -> list[tuple[str, float]]:
    probabilities = {
        key.removeprefix("p_"): float(value)
        for key, value in row.items()
        if key.startswith("p_") and value is not None
    }
    return sorted(probabilities.items(), key=lambda pair: -pair[1])[:top]


def _show(table: "pd.DataFrame", top: int) -> None:
    shown = (
        "path",
        "channel",
        "start_s",
        "end_s",
        "class",
        "confidence",
        "in_distribution",
        "warnings",
    )
    shown += ("error", "what_to_do")
    wanted = [name for name in table if name in shown or name.startswith("p_")]
    rows = [_row(row, top) for row in records(table[wanted])]
    heads = ["file", "seconds", "class", "confidence", "in_dist", f"top {top}", "remarks"]
    if not table.duplicated(["path", "channel"]).any():
        # Times matter only where a file has several rows.
        heads, rows = [heads[0], *heads[2:]], [[row[0], *row[2:]] for row in rows]
    print_table(heads, rows)
    if table["error"].isna().any():
        note(_about_distribution(float(table["least_in_distribution"].min())))


def _about_distribution(least: float) -> str:
    from disentangled_audio.models.reference import UNLIKE

    text = "in_dist: in_distribution, how typical a recording is of the training recordings, 0 to 1"
    if least <= UNLIKE:
        return f"{text}; at {UNLIKE:g} or less, do not trust the class"
    return (
        f"{text}; with so few training recordings it is never below {least:.2f}, so it cannot show "
        "which classes not to trust"
    )


def _row(row: dict[str, Any], top: int) -> list[str]:
    path = shown_path(row["path"])
    if row["error"]:
        remark = f"cannot be used: {row['error']} ({row['what_to_do']})"
        return [path, "-", "-", "-", "-", "-", remark]
    suffix = "" if row["channel"] in _ONLY_CHANNELS else f"#{row['channel']}"
    return [
        f"{path}{suffix}",
        f"{row['start_s']:.2f}–{row['end_s']:.2f}",
        str(row["class"]),
        f"{row['confidence']:.2f}",
        # Two decimals would round some values to the limit of the warning.
        f"{row['in_distribution']:.3f}",
        ", ".join(f"{name}: {share:.2f}" for name, share in _best(row, top)),
        row["warnings"],
    ]
