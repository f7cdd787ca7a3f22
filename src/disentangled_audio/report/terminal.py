"""The table that closes a run in the terminal."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# The best ones; all are in the metrics.
MOST_CONTROLS = 5


def step_line(number: int, n_steps: int, name: str, seconds: float) -> str:
    """A step of a run that is done, in one line."""
    width = len(str(n_steps))
    return f"[{number:{width}}/{n_steps}] {name:<44} {seconds:8.1f} s"


def print_summary(metrics: dict[str, Any], n_rejected: int, report: Path) -> None:
    """Print models and controls with their intervals, and where the results are."""
    simulated = "SIMULATED recordings, " if metrics["simulated"] else ""
    table = Table(
        title=(
            f"{metrics['target']} of {metrics['corpus']} ({simulated}protocol "
            f"{metrics['protocol']}, fold {metrics['fold']}, {_tested(metrics)})"
        ),
        title_justify="left",
        title_style="bold",
    )
    table.add_column("model or control")
    table.add_column("balanced accuracy", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("accuracy", justify="right")
    for name, scores in metrics["models"].items():
        table.add_row(*_row(name, scores), style="bold" if name == "hybrid" else "")
    table.add_section()
    for name in _best_controls(metrics["controls"], "balanced_accuracy"):
        table.add_row(*_row(f"control: {name}", metrics["controls"][name]), style="dim")
    console = Console()
    console.print(table)
    if n_rejected:
        console.print(f"Rejected files: {n_rejected} (the report says why)", soft_wrap=True)
    console.print(f"Report: {report}", soft_wrap=True)
    console.print(f"Tables and plots: {report.parents[2]}", soft_wrap=True)


def _row(name: str, scores: dict[str, Any]) -> tuple[str, str, str, str]:
    low, high = scores["balanced_accuracy_ci95"]
    return (
        name,
        f"{scores['balanced_accuracy']:.3f}",
        f"{low:.3f} – {high:.3f}",
        f"{scores['accuracy']:.3f}",
    )


def print_folds(metrics: dict[str, Any], path: Path) -> None:
    """Print models and controls over all folds, and where the figures are."""
    simulated = "SIMULATED recordings, " if metrics["simulated"] else ""
    n_run, n_all = len(metrics["folds"]), metrics["n_folds"]
    folds = f"{n_run} folds" if n_run == n_all else f"{n_run} of {n_all} folds"
    table = Table(
        title=(
            f"{metrics['target']} of {metrics['corpus']} ({simulated}protocol "
            f"{metrics['protocol']}, {folds}, {_tested(metrics)}): balanced accuracy"
        ),
        title_justify="left",
        title_style="bold",
    )
    table.add_column("model or control")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("worst", justify="right")
    table.add_column("fold")
    for name, scores in metrics["models"].items():
        table.add_row(*_fold_row(name, scores), style="bold" if name == "hybrid" else "")
    table.add_section()
    for name in _best_controls(metrics["controls"], "mean_balanced_accuracy"):
        table.add_row(*_fold_row(f"control: {name}", metrics["controls"][name]), style="dim")
    console = Console()
    console.print(table)
    console.print(f"All figures: {path}", soft_wrap=True)


def _best_controls(controls: dict[str, Any], by: str) -> list[str]:
    return sorted(controls, key=lambda name: -controls[name][by])[:MOST_CONTROLS]


def _fold_row(name: str, scores: dict[str, Any]) -> tuple[str, str, str, str, str]:
    low, high = scores["balanced_accuracy_ci95"]
    worst = scores["worst_fold"]
    return (
        name,
        f"{scores['mean_balanced_accuracy']:.3f}",
        f"{low:.3f} – {high:.3f}",
        f"{worst['balanced_accuracy']:.3f}",
        str(worst["fold"]),
    )


def _tested(metrics: dict[str, Any]) -> str:
    n_items, n_groups = metrics["n_test"], metrics["n_test_groups"]
    if n_groups == n_items:
        return f"{n_items} test items"
    return f"{n_items} test items of {n_groups} group{'s' if n_groups != 1 else ''}"
