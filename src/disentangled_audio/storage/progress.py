"""Progress bars for reading and training in the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock, Timer
from typing import Self

from rich import get_console
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

DELAY_S = 2.0
# Narrow enough for name, bar, count, time and figures to fit into 80 columns.
BAR_WIDTH = 10
# The bar of the current step of a run, which also shows the counts within the step.
_step: "Bar | None" = None


class Bar:
    """A bar that appears after two seconds and disappears at the end, only in a terminal."""

    def __init__(self, what: str, console: Console | None = None) -> None:
        console = console or get_console()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # Piped output must not end up in the terminal.
            redirect_stdout=not console.stderr,
        )
        self._task = self._progress.add_task(what, total=None, count="", figures="")
        self._state = Lock()
        self._is_over = False
        self._timer = Timer(DELAY_S, self._appear)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        with self._state:
            self._is_over = True
            if self._progress.live.is_started:
                self._progress.stop()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, at least a millisecond."""
        return max(self._progress.tasks[self._task].elapsed or 0.0, 1e-3)

    def update(self, done: int, total: int, figures: str) -> None:
        """Show the count and the figures that belong to it."""
        self._progress.update(
            self._task, completed=done, total=total, count=f"{done}/{total}", figures=figures
        )

    def _appear(self) -> None:
        with self._state:
            if not self._is_over:
                self._progress.start()


@contextmanager
def step_progress(name: str) -> Iterator[None]:
    """Show a bar for a step of a run, which also shows the counts within the step."""
    global _step  # noqa: PLW0603
    with Bar(name) as bar:
        before, _step = _step, bar
        try:
            yield
        finally:
            _step = before


@contextmanager
def epoch_progress(
    n_epochs: int, what: str = "training"
) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Show a bar over epochs with the validation figures; yields the function to call per epoch.

    Without validation, the figures are those of training.
    """
    with _counted(what) as bar:

        def update(epoch: int, figures: dict[str, float]) -> None:
            part = "validation" if "validation_loss" in figures else "training"
            shown = [f"{name} {figures[f'{part}_{name}']:.3f}" for name in ("loss", "accuracy")]
            bar.update(epoch, n_epochs, ", ".join(shown))

        yield update


@contextmanager
def chunk_progress(
    what: str, unit: str, *, passing: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """Show a bar over files or items with their rate; yields the function to call per chunk.

    A `passing` bar goes to the error output and is never part of a step's bar.
    """
    with Bar(what, Console(stderr=True)) if passing else _counted(what) as bar:

        def update(done: int, total: int) -> None:
            bar.update(done, total, f"{done / bar.elapsed_s:.0f} {unit}/s")

        yield update


@contextmanager
def byte_progress(
    name: str, n_present: int, total: int | None
) -> Iterator[Callable[[float], None]]:
    """Show the progress of a download; yields the function to call with the bytes received."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        TextColumn(name, markup=False), *columns, console=console, disable=not console.is_terminal
    ) as bar:
        yield partial(bar.advance, bar.add_task("", total=total, completed=n_present))


@contextmanager
def _counted(what: str) -> Iterator[Bar]:
    """Yield the bar of the current step, or a new one outside of steps."""
    if _step is not None:
        yield _step
        return
    with Bar(what) as bar:
        yield bar
