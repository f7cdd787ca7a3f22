"""`disentangled-audio classify` and `export`: use trained models."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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

    from disentangled_audio.runs.trained_runs import TrainedRun

_ONLY_CHANNELS = ("0", "mean")
_PREDICTIONS = "inference_predictions"


@click.command(
    epilog="""\b
Examples:
  disentangled-audio classify clap.wav
  disentangled-audio classify recordings/ more/*.wav archive.zip --top 2
  disentangled-audio classify clap.wav --json > answer.json
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
@as_json_option
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many classes to show for each recording.",
)
def classify(paths: tuple[str, ...], as_json: bool, top: int, **chosen: str | None) -> None:
    """Classify recordings, with the confidence of each answer.

    PATH is a file, a folder, a glob pattern or a zip archive. Recordings are prepared exactly like
    the training recordings. The whole table, with acoustic parameters, is saved as
    inference_predictions under data/08_inference, unless the model is a bundle.
    """
    with answering():
        classifier, run, places = loaded(paths, **chosen)
        table = classifier.predictions(places, chosen["kind"])
        if run is not None:
            _keep(table, run)
        if as_json:
            print_json([_plain(row, top) for row in records(table)])
        else:
            _show(table, top)
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
    shown = ("path", "channel", "class", "confidence", "in_distribution", "warnings")
    shown += ("error", "what_to_do")
    wanted = [name for name in table if name in shown or name.startswith("p_")]
    rows = [_row(row, top) for row in records(table[wanted])]
    print_table(["file", "class", "confidence", "in_dist", f"top {top}", "remarks"], rows)
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
        return [path, "-", "-", "-", "-", remark]
    suffix = "" if row["channel"] in _ONLY_CHANNELS else f"#{row['channel']}"
    return [
        f"{path}{suffix}",
        str(row["class"]),
        f"{row['confidence']:.2f}",
        # Two decimals would round some values to the limit of the warning.
        f"{row['in_distribution']:.3f}",
        ", ".join(f"{name}: {share:.2f}" for name, share in _best(row, top)),
        row["warnings"],
    ]
