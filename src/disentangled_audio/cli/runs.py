"""`disentangled-audio runs` and `compare`: list and compare trained runs."""

from typing import Any

import click

from disentangled_audio.cli.output import (
    answering,
    as_json_option,
    note,
    print_json,
    project,
)
from disentangled_audio.report.terminal import print_table

_LONGEST = 60
# Width of a usual terminal.
_N_COLUMNS = 80


@click.command(
    epilog="""\b
Examples:
  disentangled-audio runs
  disentangled-audio runs --json > runs.json

\b
Exit codes: 0 done (also without any run), 1 not possible, 2 wrong usage.
"""
)
@as_json_option
def runs(as_json: bool) -> None:
    """List trained runs and cross-validations, the newest first.

    Folds that can classify stand below their cross-validation.
    """
    from disentangled_audio.runs.comparison import listed

    with answering():
        found = listed(project() / "data")
        if as_json:
            print_json(found)
        elif found:
            print_table(*_listed(found))
            note(
                "hybrid: balanced accuracy on test items; for a cross-validation, the mean over "
                "its folds and the worst fold"
            )
    if not found:
        note("No model is trained yet. Train one: kedro run")


@click.command(
    epilog="""\b
Examples:
  disentangled-audio runs
  disentangled-audio compare \\
    2026-01-31T12.00.00.000Z 2026-02-01T09.30.00.000Z --json

\b
Exit codes: 0 done, 1 not possible (or not comparable), 2 wrong usage.
"""
)
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@as_json_option
def compare(first: str, second: str, as_json: bool) -> None:
    """Show two runs, or two cross-validations, side by side.

    Shows metrics, parameters that differ, and the hybrid's confusion matrices; if these are wider
    than 80 columns, only the counts that differ. RUN is a version from `disentangled-audio runs`.
    Both runs must have the same corpus and target.
    """
    from disentangled_audio.runs.comparison import comparison

    with answering():
        compared = comparison(project() / "data", (first, second))
        if as_json:
            print_json(compared)
        else:
            _show_comparison(compared)


def _listed(found: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    columns = ["version", "corpus", "protocol", "fold", "hybrid", "worst", "date"]
    # Without cross-validations there is no worst fold.
    if all(row["worst"] is None for row in found):
        columns.remove("worst")
    # The version already contains the time of day.
    rows = [{**row, "date": row["date"][:10]} for row in found]
    for row in rows:
        if row["kind"] == "folds":
            row["fold"] = f"{row['fold']} folds"
        elif row["kind"] == "fold":
            row["fold"] = f"  fold {row['fold']}"
    return columns, [[_shown(row[name]) for name in columns] for row in rows]


def _show_comparison(compared: dict[str, Any]) -> None:
    # It knows the bank of models, which takes a moment to import.
    from disentangled_audio.report.names import label

    versions = [run["version"] for run in compared["runs"]]
    facts = [
        [name, *(_shown(run[name]) for run in compared["runs"])]
        for name in ("corpus", "protocol", "fold")
    ]
    scores = [
        [f"{label(model)} {score}", *map(_shown, values)]
        for model, of_model in compared["metrics"].items()
        for score, values in of_model.items()
    ]
    print_table(["metric", *versions], facts + scores)
    differing = [[name, *map(_short, pair)] for name, pair in compared["parameters"].items()]
    print_table(["parameter that differs", *versions], differing or [["none", "", ""]])
    if compared["confusion"]:
        print_table(*_confusions(versions, compared["confusion"]))


def _confusions(
    versions: list[str], counts: list[dict[str, dict[str, int]]]
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of both confusion matrices; if too wide, only of the counts that differ."""
    true = list(dict.fromkeys(name for of_run in counts for name in of_run))
    predicted = sorted({name for of_run in counts for row in of_run.values() for name in row})
    cells = {(a, b): [_count(of_run, a, b) for of_run in counts] for a in true for b in predicted}
    head = ["true / predicted", *predicted]
    for between in (" | ", "|"):
        rows = [[a, *(between.join(cells[a, b]) for b in predicted)] for a in true]
        if sum(2 + max(map(len, column)) for column in zip(head, *rows, strict=True)) <= _N_COLUMNS:
            return head, rows
    differing = [
        [f"{a} predicted as {b}", *pair] for (a, b), pair in cells.items() if len({*pair}) > 1
    ]
    return ["predictions that differ", *versions], differing or [["none", "", ""]]


def _count(counts: dict[str, dict[str, int]], true: str, predicted: str) -> str:
    # A run without this class has no count of it.
    return str(counts[true].get(predicted, 0)) if true in counts else "-"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _short(parameter: Any) -> str:
    """Shorten a long parameter; the JSON has all of it."""
    text = "-" if parameter is None else str(parameter)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
