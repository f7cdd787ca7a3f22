"""What a run prints: a line a step, and the tables that close it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.report.names import label

# The best ones; all are in the metrics.
MOST_CONTROLS = 5
RULE: tuple[str, ...] = ()


def step_line(number: int, n_steps: int, name: str, seconds: float) -> str:
    """A step of a run that is done, in one line."""
    width = len(str(n_steps))
    return f"[{number:{width}}/{n_steps}] {name:<44} {seconds:8.1f} s"


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print a table: the first column is text, the others stand at their right edge.

    Names of files and classes are printed as they are, whatever brackets they have.

    Parameters
    ----------
    columns : texts
    rows : texts
        An empty row (`RULE`) draws a line.
    styles : mapping, optional
        How a row looks (rich's styles), by its first cell.
    """
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if number else "left", overflow="fold")
    for row in rows:
        if not row:
            table.add_section()
            continue
        table.add_row(*map(Text, row), style=(styles or {}).get(row[0], ""))
    Console().print(table)


def print_summary(metrics: Mapping[str, Any], n_rejected: int, report: Path) -> None:
    """Print models and controls with their intervals, and where the results are."""
    _print_scores(
        metrics,
        f"fold {metrics['fold']}",
        ("balanced accuracy", "95 % interval", "accuracy"),
        _row,
        "balanced_accuracy",
    )
    if n_rejected:
        _print_line(f"Rejected files: {n_rejected} (the report says why)")
    _print_line(f"Report: {_shown(report)}")
    _print_line(f"Tables and plots: {_shown(report.parents[2])}")


def print_folds(metrics: Mapping[str, Any], path: Path) -> None:
    """Print models and controls over all folds, and where the figures are."""
    n_run, n_all = len(metrics["folds"]), metrics["n_folds"]
    _print_scores(
        metrics,
        f"{n_run} folds" if n_run == n_all else f"{n_run} of {n_all} folds",
        ("mean balanced accuracy", "95 % interval", "worst", "fold"),
        _fold_row,
        "mean_balanced_accuracy",
    )
    _print_line(f"All figures: {_shown(path)}")


def _print_scores(
    metrics: Mapping[str, Any], folds: str, columns: Sequence[str], row: Any, by: str
) -> None:
    simulated = ", SIMULATED recordings" if metrics["simulated"] else ""
    _print_line(f"{metrics['target']} of {metrics['corpus']}{simulated}", "bold")
    _print_line(f"protocol {metrics['protocol']}, {folds}, {_tested(metrics)}")
    controls = metrics["controls"]
    best = sorted(controls, key=lambda name: -controls[name][by])[:MOST_CONTROLS]
    of_models = [row(label(name), scores) for name, scores in metrics["models"].items()]
    of_controls = [row(f"control: {label(name)}", controls[name]) for name in best]
    styles = {label(HYBRID): "bold", **{shown[0]: "dim" for shown in of_controls}}
    rows = [*of_models, RULE, *of_controls]
    print_table(("model or control", *columns), rows, styles=styles)


def _row(name: str, scores: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = scores["balanced_accuracy_ci95"]
    return (
        name,
        f"{scores['balanced_accuracy']:.3f}",
        f"{low:.3f} – {high:.3f}",
        f"{scores['accuracy']:.3f}",
    )


def _fold_row(name: str, scores: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = scores["balanced_accuracy_ci95"]
    worst = scores["worst_fold"]
    return (
        name,
        f"{scores['mean_balanced_accuracy']:.3f}",
        f"{low:.3f} – {high:.3f}",
        f"{worst['balanced_accuracy']:.3f}",
        str(worst["fold"]),
    )


def _tested(metrics: Mapping[str, Any]) -> str:
    n_items, n_groups = metrics["n_test"], metrics["n_test_groups"]
    if n_groups == n_items:
        return f"{n_items} test items"
    return f"{n_items} test items of {n_groups} group{'s' if n_groups != 1 else ''}"


def _print_line(text: str, style: str = "") -> None:
    # A path that is broken into lines cannot be copied.
    Console().print(Text(text, style), soft_wrap=True)


def _shown(path: Path) -> Path:
    """A path as it can be opened from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
