"""Recordings, clips and folds of the tasks that methods are compared on: those of the project."""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from process_tree import watched
from record import record, title
from seed_runs import project_context

from disentangled_audio.evaluation.scores.classification import label_scores

HEADINGS = (
    "| method | balanced accuracy | worst fold | accuracy | folds | wall s | core s | peak MB |\n"
    "|---|---|---|---|---|---|---|---|"
)
# Environment and protocol.
TASKS = (
    ("base", "database_by_room"),
    ("base", "paper"),
    ("fsdd", "digit_leave_speaker_out"),
    ("fsdd", "speaker_leave_digits_out"),
    ("fsdd", "digit_official"),
    ("rooms", "room_near_to_far"),
    ("rooms", "room_far_to_near"),
)


@dataclass(frozen=True)
class FoldTables:
    """A task: its rows, and their role in every fold.

    Attributes
    ----------
    recordings : DataFrame
        One row per item that a fold uses.
    clips : float32 (n_items, n_samples)
        The project's own analysis clips.
    sample_rate_hz : float
        Of the clips.
    aligned : bool
        Whether clips begin at the direct sound; the others begin where their file does.
    roles : dict
        Fold to a table of `target`, `group` and `role`, in the order of `recordings`.
    files : dict
        `recordings.path` to the file.
    simulated : bool
    title : str
        The task in words.
    seed : int
        Of the splits.
    """

    recordings: pd.DataFrame
    clips: np.ndarray
    sample_rate_hz: float
    aligned: bool
    roles: dict[str, pd.DataFrame]
    files: dict[str, Path]
    simulated: bool
    title: str
    seed: int


def fold_tables(env: str, protocol_name: str) -> FoldTables:
    """Read a corpus as `kedro run --env=…` does, and split it into all folds of a protocol."""
    from disentangled_audio.corpora.reading.ingest import ingest
    from disentangled_audio.corpora.sources.places import locate
    from disentangled_audio.evaluation.splits import fold_protocols, make_splits
    from disentangled_audio.parameters import Corpus, ParallelParameters, Protocol

    context = project_context(env, {"protocol_name": protocol_name})
    corpus = Corpus.model_validate(context.params["corpus"])
    protocol = Protocol.model_validate(context.params["protocol"])
    seed = context.params["seed"]
    folders = context.catalog.load("recording_folders")
    chunks = context.catalog.load("clip_chunks")
    ingested = ingest(corpus, folders, chunks, ParallelParameters(n_jobs=1))
    recordings = ingested.recordings.reset_index(drop=True)
    splits = {
        fold: make_splits(recordings, of_fold, seed)
        for fold, of_fold in fold_protocols(recordings, protocol, seed).items()
    }
    used = next(iter(splits.values()))["role"].isin(["train", "validation", "test"]).to_numpy()
    return FoldTables(
        recordings[used].reset_index(drop=True),
        ingested.waveforms[:][used],
        corpus.analysis.clip_rate_hz,
        corpus.analysis.align == "direct_sound",
        {fold: table[used].reset_index(drop=True) for fold, table in splits.items()},
        {located.name: located.files[0].path for located in locate(corpus, folders)},
        corpus.simulated,
        title(context.params["corpus_name"], protocol_name),
        seed,
    )


def arguments(description: str, methods: tuple[str, ...]) -> argparse.ArgumentParser:
    """The options that all comparisons have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", help="of `kedro run`; with --protocol, one task and not all")
    parser.add_argument("--protocol", help="a protocol that the environment's corpus has")
    parser.add_argument("--only", nargs="+", choices=methods, default=methods, metavar="METHOD")
    parser.add_argument("--output", type=Path, help="JSON file for the scores of every fold")
    # What a process of its own is told, so that its memory can be measured.
    parser.add_argument("--tables", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--predictions", type=Path, help=argparse.SUPPRESS)
    return parser


def chosen_tasks(options: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """The task that was asked for, or all."""
    if not options.env and not options.protocol:
        return TASKS
    if not options.env or not options.protocol:
        raise SystemExit("--env and --protocol belong together, e.g. --env fsdd --protocol …")
    return ((options.env, options.protocol),)


@dataclass(frozen=True)
class Measured:
    """What a method predicted, and what it used.

    Attributes
    ----------
    predicted : dict
        Fold to class names of its test rows.
    wall_s, core_s : float
        Of the whole process, from its start.
    peak_bytes : int
        Memory of the process tree.
    """

    predicted: dict[str, list[str]]
    wall_s: float
    core_s: float
    peak_bytes: int


def measured(script: str, method: str, tables: Path, *further: str) -> Measured:
    """Run a method in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "predictions.json"
        command = [sys.executable, script, "--only", method, *further]
        command += ["--tables", str(tables), "--predictions", str(predictions)]
        peak_bytes, core_s, wall_s = watched(command)
        return Measured(json.loads(predictions.read_text()), wall_s, core_s, peak_bytes)


def scores(truth: dict[str, np.ndarray], result: Measured) -> dict[str, Any]:
    """Scores of each fold, their means, and what was used.

    Parameters
    ----------
    truth : dict
        Fold to class names of its test rows; a method may have predicted some folds alone.
    result : Measured
    """
    classes = sorted({name for targets in truth.values() for name in targets})
    by_fold = {}
    for fold, predicted in result.predicted.items():
        of_fold = label_scores(truth[fold.split("/seed")[0]], predicted, classes)
        by_fold[fold] = {name: of_fold[name] for name in ("balanced_accuracy", "accuracy")}
    balanced = [fold["balanced_accuracy"] for fold in by_fold.values()]
    return {
        "balanced_accuracy": float(np.mean(balanced)),
        "worst_fold": min(balanced),
        "accuracy": float(np.mean([fold["accuracy"] for fold in by_fold.values()])),
        "folds": by_fold,
        "n_folds": len(truth),
        "wall_s": result.wall_s,
        "core_s": result.core_s,
        "peak_mb": result.peak_bytes / 1e6,
    }


def table_row(method: str, scored: dict[str, Any]) -> str:
    """One line of the table."""
    n_scored = len({fold.split("/seed")[0] for fold in scored["folds"]})
    return (
        f"| {method} | {scored['balanced_accuracy']:.3f} | {scored['worst_fold']:.3f} | "
        f"{scored['accuracy']:.3f} | {n_scored} of {scored['n_folds']} | {scored['wall_s']:.0f} | "
        f"{scored['core_s']:.0f} | {scored['peak_mb']:,.0f} |"
    )


def print_title(env: str, protocol: str, tables: FoldTables) -> None:
    """A task's heading, and that of its table."""
    target = next(iter(tables.roles.values()))["target"]
    simulated = ", SIMULATED recordings" if tables.simulated else ""
    print(f"\n**{env}, {protocol}**: {target.nunique()} classes, {len(target):,} rows{simulated}\n")
    print(HEADINGS, flush=True)


def save(results: dict[str, Any], output: Path | None) -> None:
    """Write what there is so far."""
    if output is not None:
        output.write_text(json.dumps(results, indent=1))


def record_scores(
    table: str, tables: FoldTables, scored: dict[str, Any], command: str, seeds: list[int]
) -> None:
    """Write the scores of a task's methods under docs/results, if there are any."""
    if not scored:
        return
    rows = [
        {
            "method": method,
            "mean": round(of["balanced_accuracy"], 3),
            "worst": round(of["worst_fold"], 3),
            "core_s": round(of["core_s"]),
            "peak_mb": round(of["peak_mb"]),
        }
        for method, of in scored.items()
    ]
    recordings = "simulated" if tables.simulated else "real"
    record(table, tables.title, rows, command=command, recordings=recordings, seeds=seeds)


def dump(tables: FoldTables, folder: str) -> Path:
    """Store a task for other processes, which need not read all of it."""
    path = Path(folder) / "tables.joblib"
    joblib.dump(tables, path)
    return path


def load(path: Path) -> FoldTables:
    """What `dump` stored; arrays stay on the disk until they are looked at."""
    return joblib.load(path, mmap_mode="r")
