"""Progress of reading and training in the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


@contextmanager
def epoch_progress(
    n_epochs: int, what: str = "training"
) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """A bar over epochs with the validation figures; gives the function to call per epoch.

    Where nothing is validated, with the loss of training.
    """
    with _bar(what) as bar:
        task = bar.add_task("", total=n_epochs, figures="")

        def update(epoch: int, figures: dict[str, float]) -> None:
            part = "validation" if "validation_loss" in figures else "training"
            shown = [f"{name} {figures[f'{part}_{name}']:.3f}" for name in ("loss", "accuracy")]
            bar.update(task, completed=epoch, figures=f"{part}: {', '.join(shown)}")

        yield update


@contextmanager
def chunk_progress(
    what: str, unit: str, *, passing: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """A bar over files or items with their rate; gives the function to call per chunk.

    A `passing` bar is on the error output, in a terminal alone, and leaves nothing behind.
    """
    with _passing_bar(what) if passing else _bar(what) as bar:
        task = bar.add_task("", total=None, figures="")

        def update(done: int, total: int) -> None:
            elapsed_s = max(bar.tasks[task].elapsed or 0.0, 1e-3)
            rate = f"{done / elapsed_s:.0f} {unit}/s"
            bar.update(task, completed=done, total=total, figures=rate)

        yield update


@contextmanager
def byte_progress(name: str, n_had: int, total: int | None) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, nothing in a log; gives the function to call with bytes received."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        TextColumn(name), *columns, console=console, disable=not console.is_terminal
    ) as bar:
        yield partial(bar.advance, bar.add_task("", total=total, completed=n_had))


def _passing_bar(what: str) -> Progress:
    console = Console(stderr=True)
    return _bar(what, console=console, transient=True, disable=not console.is_terminal)


def _bar(what: str, **options: Any) -> Progress:
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
        **options,
    )
