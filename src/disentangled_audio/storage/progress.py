"""Progress of reading and training in the terminal."""

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
# Name, bar, count, time and figures together fit 80 columns.
BAR_WIDTH = 10
# The step of a run that is in progress: what is counted within it is shown in its bar.
_step: "Bar | None" = None


class Bar:
    """A bar that appears in a terminal where work takes longer than two seconds.

    It leaves nothing behind. Where the output is no terminal nothing is shown.
    """

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
            # What is piped must not end up in the terminal.
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
        """Seconds since the start; never zero."""
        return max(self._progress.tasks[self._task].elapsed or 0.0, 1e-3)

    def update(self, done: int, total: int, figures: str) -> None:
        """Show how much is done, and what goes with it."""
        self._progress.update(
            self._task, completed=done, total=total, count=f"{done}/{total}", figures=figures
        )

    def _appear(self) -> None:
        with self._state:
            if not self._is_over:
                self._progress.start()


@contextmanager
def step_progress(name: str) -> Iterator[None]:
    """The bar of a step of a run; shows what the step counts."""
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
    """A bar over epochs with the validation figures; gives the function to call per epoch.

    Where nothing is validated, with the loss of training.
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
    """A bar over files or items with their rate; gives the function to call per chunk.

    A `passing` bar is on the error output, whatever step it belongs to.
    """
    with Bar(what, Console(stderr=True)) if passing else _counted(what) as bar:

        def update(done: int, total: int) -> None:
            bar.update(done, total, f"{done / bar.elapsed_s:.0f} {unit}/s")

        yield update


@contextmanager
def byte_progress(name: str, n_had: int, total: int | None) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, nothing in a log; gives the function to call with bytes received."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        TextColumn(name, markup=False), *columns, console=console, disable=not console.is_terminal
    ) as bar:
        yield partial(bar.advance, bar.add_task("", total=total, completed=n_had))


@contextmanager
def _counted(what: str) -> Iterator[Bar]:
    """The bar of the step in progress, or one of its own where there is none."""
    if _step is not None:
        yield _step
        return
    with Bar(what) as bar:
        yield bar
