"""All rows of the results table, or a row once more: docs/results/scores.json.

    python benchmarks/record_results.py
    python benchmarks/record_results.py --rows rooms esc10
    python benchmarks/record_results.py --check rooms

Without `--check`, each row is measured over the seeds 7, 8 and 9 as `fold_scores.py` does, and
recorded. Stored runs with the same parameters count.

With `--check`, a row is measured again with its recorded seeds, in a project of its own without
stored results, and nothing is recorded. The row repeats if every model and the control has a mean
(over folds, then seeds) that differs from the recorded one by at most the recorded spread, which is
the standard deviation over the seeds, or by 0.001, the last digit of the table, if that is more. If
not, the exit code is 1, and the last line says which do not. The seeds are the same, so what
differs is the code, the libraries, the processor or the number of threads.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from fold_scores import record_scores, rows_of
from record import REPOSITORY, RESULTS, markdown_table
from seed_runs import command_of, seed_run

from disentangled_audio.report.names import LABELS

SEEDS = [7, 8, 9]
# Environment and parameters of each row.
ROWS: dict[str, tuple[str, list[str]]] = {
    "twin": ("base", []),
    "paper": ("base", ["protocol_name=paper"]),
    "factors": ("factors", []),
    "digit": ("fsdd", []),
    "speaker": ("fsdd", ["protocol_name=speaker_leave_digits_out"]),
    "official": ("fsdd", ["protocol_name=digit_official"]),
    "rooms": ("rooms", ["protocol_name=room_by_distance"]),
    "esc10": ("esc10", []),
}
ROUNDING = 0.001


def recorded(row: str, results: Path = RESULTS) -> dict[str, Any]:
    """The entry of a row."""
    entries = json.loads((results / "scores.json").read_text(encoding="utf-8"))
    command = _without_seeds(command_of("fold_scores.py", *ROWS[row], SEEDS))
    for entry in entries:
        if _without_seeds(entry["command"]) == command:
            return entry
    raise SystemExit(
        f"docs/results/scores.json has no row '{row}' to compare with; record it first: "
        f"python benchmarks/record_results.py --rows {row}"
    )


def _without_seeds(command: str) -> str:
    return command.partition(" --seeds")[0]


def repeated(row: str, seeds: list[int]) -> list[dict[str, Any]]:
    """Measure a row in a project without results of earlier runs."""
    env, params = ROWS[row]
    with tempfile.TemporaryDirectory() as folder:
        project = _project_without_results(Path(folder))
        return rows_of(
            [
                seed_run(env, params, seed, again=False, measured=False, project=project)
                for seed in seeds
            ]
        )


def _project_without_results(folder: Path) -> Path:
    """Copy of the project's configuration, with the same recordings."""
    shutil.copytree(REPOSITORY / "conf", folder / "conf")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, folder)
    # Kedro asks for it; the package is the installed one.
    (folder / "src").mkdir()
    recordings = REPOSITORY / "data" / "01_raw"
    recordings.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir()
    (folder / "data" / "01_raw").symlink_to(recordings, target_is_directory=True)
    return folder


def compared(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Recorded and repeated means of all models and the control, and whether they agree."""
    old, new = _by_name(before), _by_name(now)
    return [_comparison(name, old.get(name), new.get(name)) for name in {**old, **new}]


def _by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    # Which control is the best may change with nothing of importance.
    return {row.get("model", "best control"): row for row in rows}


def _comparison(
    name: str, before: dict[str, Any] | None, now: dict[str, Any] | None
) -> dict[str, Any]:
    row: dict[str, Any] = {"name": LABELS.get(name, name), "repeats": False}
    if before is not None:
        row |= {"recorded": before["mean"], "allowed": max(before.get("spread", 0.0), ROUNDING)}
    if now is not None:
        row["repeated"] = now["mean"]
    if before is not None and now is not None:
        # Means have three digits, and their difference should have no more.
        row["repeats"] = round(abs(now["mean"] - before["mean"]), 6) <= row["allowed"]
    return row


def fault(row: str, comparison: list[dict[str, Any]]) -> str:
    """What does not repeat, in a sentence; empty if everything does."""
    differing = [_difference(of) for of in comparison if not of["repeats"]]
    return f"row '{row}' does not repeat: {'; '.join(differing)}" if differing else ""


def _difference(of: dict[str, Any]) -> str:
    if "repeated" not in of:
        return f"{of['name']} is missing"
    if "recorded" not in of:
        return f"{of['name']} is not in the record"
    return (
        f"{of['name']} has {of['repeated']:.3f}, recorded are "
        f"{of['recorded']:.3f} ± {of['allowed']:.3f}"
    )


def check(row: str) -> None:
    """Measure a row again, and exit with 1 if it differs from the record."""
    entry = recorded(row)
    comparison = compared(entry["rows"], repeated(row, entry["seeds"]))
    print(markdown_table(comparison))
    raise SystemExit(fault(row, comparison) or None)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    options.add_argument("--check", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}")
    chosen = options.parse_args()
    if chosen.check:
        check(chosen.check)
    for row in chosen.rows:
        record_scores(*ROWS[row], SEEDS)


if __name__ == "__main__":
    main()
