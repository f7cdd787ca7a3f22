"""Tables in the terminal: the one that closes a run, and those of the commands."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# The best ones; all are in the metrics.
MOST_CONTROLS = 5
# In a narrower terminal no column of a table would hold a word.
_LEAST_COLUMNS = 70


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


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for the eye; piped, a line a row without anything that is not in it.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of (n_columns,)
        Nothing in them is taken as markup; line ends and control characters are escaped.
    """
    rows = [[_visible(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for row in (columns, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(cells).rstrip())
        click.echo()
        return
    if shutil.get_terminal_size().columns < _LEAST_COLUMNS:
        for row in rows:
            lines = (f"{name}: {cell}" for name, cell in zip(columns, row, strict=True))
            click.echo("\n".join(wrapped(line, sys.stdout) for line in lines) + "\n")
        return
    # Without lines, so that it can be copied.
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        # To be copied as a whole.
        table.add_column(name, overflow="fold", no_wrap=name == "version")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table, "")


def wrapped(text: str, stream: TextIO) -> str:
    """Text in lines of a terminal's width; as it is where the stream is none."""
    if not stream.isatty():
        return text
    return click.wrap_text(text, shutil.get_terminal_size().columns)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
