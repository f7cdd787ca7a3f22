"""Lines and tables that a run prints: one line per step, and the scores at the end."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from disentangled_audio.evaluation.scores.summary import WEIGHTS
from disentangled_audio.evaluation.shortcuts.controls import by_heading
from disentangled_audio.report.names import label
from disentangled_audio.report.sentences import leak_sentence

# The closing table shows the best controls under each heading; the metrics have all.
MOST_CONTROLS = 3
# A line with the level, number and time of a step fits 80 columns.
LONGEST_STEP = 44
# In a narrower terminal, columns of a table would break words.
_LEAST_COLUMNS = 70
# Columns of texts; those of numbers are right-aligned.
_NUMBER = re.compile(r"[-−]?[\d.]+( – [\d.]+)?|-|")


def step_line(number: int | None, n_steps: int, name: str, seconds: float) -> str:
    """Describe a finished step in one line; steps of a fold have no number."""
    width = len(str(n_steps))
    shown = name if len(name) <= LONGEST_STEP else f"…{name[1 - LONGEST_STEP :]}"
    place = f"[{number:{width}}/{n_steps}]" if number is not None else " " * (2 * width + 3)
    return f"{place} {shown:<{LONGEST_STEP}} {seconds:8.1f} s"


def print_summary(metrics: Mapping[str, Any], n_rejected: int, report: Path) -> None:
    """Print models, shortcuts and baselines with intervals, and the paths of the results."""
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
    """Print models, shortcuts and baselines over all folds, and the path of the scores."""
    n_run, n_all, seeds = len(metrics["folds"]), metrics["n_folds"], metrics["seeds"]
    several = len(seeds) > 1
    _print_scores(
        metrics,
        f"balanced accuracy over {n_run if n_run == n_all else f'{n_run} of {n_all}'} folds",
        ("mean ± sd" if several else "mean", "95 % interval", "worst", "fold"),
        _fold_row,
        "mean_balanced_accuracy",
    )
    if several:
        _print_line(f"Seeds: {', '.join(map(str, seeds))}; ± is the standard deviation over them")
    _print_line(f"All scores: {_shown(path)}")


def _print_scores(
    metrics: Mapping[str, Any], folds: str, columns: Sequence[str], row: Any, by: str
) -> None:
    simulated = ", SIMULATED recordings" if metrics["simulated"] else ""
    _print_line(f"{metrics['target']} of {metrics['corpus']}{simulated}", "bold")
    _print_line(f"protocol {metrics['protocol']}, {folds}, {_tested(metrics)}")
    rows = [row(label(name), scores) for name, scores in metrics["models"].items()]
    styles = ["bold" if name in WEIGHTS else "" for name in metrics["models"]]
    for heading, controls in by_heading(metrics["controls"]).items():
        best = sorted(controls, key=lambda name: -controls[name][by])[:MOST_CONTROLS]
        rows += [row(f"{heading}: {label(name)}", controls[name]) for name in best]
    styles += ["dim"] * (len(rows) - len(styles))
    print_table(("model, shortcut or baseline", *columns), rows, styles)
    leak = leak_sentence(metrics["shared_sound"])
    if leak:
        Console().print(Text(leak, "bold red"))


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
    worst, spread = scores["worst_fold"], scores["sd_over_seeds"]
    return (
        name,
        f"{scores['mean_balanced_accuracy']:.3f}" + ("" if spread is None else f" ± {spread:.3f}"),
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
    # A path broken into lines could not be copied.
    Console().print(Text(text, style), soft_wrap=True)


def _shown(path: Path) -> Path:
    """Path relative to the current folder where possible."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()
) -> None:
    """Print a table; in a pipe, one plain line per row.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of (n_columns,)
        Not read as markup; line ends and control characters are escaped.
    styles : sequence of str, optional
        Style of each row, as rich names it.
    """
    rows = [[visible(cell) for cell in row] for row in rows]
    numeric = [all(map(_NUMBER.fullmatch, cells)) for cells in zip(*rows, strict=True)]
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for row in (columns, *rows):
            cells = (
                cell.rjust(width) if is_number else cell.ljust(width)
                for cell, width, is_number in zip(row, widths, numeric or row, strict=True)
            )
            click.echo("  ".join(cells).rstrip())
        click.echo()
        return
    if shutil.get_terminal_size().columns < _LEAST_COLUMNS:
        for row in rows:
            lines = (f"{name}: {cell}" for name, cell in zip(columns, row, strict=True))
            click.echo("\n".join(wrapped(line, sys.stdout) for line in lines) + "\n")
        return
    # No lines, so that it can be copied.
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, is_number in zip_longest(columns, numeric):
        # A version is copied as a whole.
        justify = "right" if is_number else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name == "version")
    for row, style in zip_longest(rows, styles[: len(rows)], fillvalue=""):
        table.add_row(*map(Text, row), style=style)
    Console().print(table, "")


def wrapped(text: str, stream: TextIO) -> str:
    """Wrap text to the width of a terminal; leave it as it is in a pipe."""
    if not stream.isatty():
        return text
    return click.wrap_text(text, shutil.get_terminal_size().columns)


def visible(text: str) -> str:
    """Show control characters of outside text, so that a terminal does not obey them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
