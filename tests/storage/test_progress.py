"""Bars appear in a terminal for longer work, and leave nothing behind."""

import io
import time

import pytest
from rich.console import Console

from disentangled_audio.storage import progress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80)
    monkeypatch.setattr(progress, "get_console", lambda: console)
    return written


def test_short_work_shows_nothing(terminal: io.StringIO) -> None:
    with progress.step_progress("tabulate"), progress.chunk_progress("reading", "files") as update:
        update(1, 2)
    assert terminal.getvalue() == ""


def test_a_steps_bar_shows_its_counts(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 0.01)
    figures = {"validation_loss": 0.5, "validation_accuracy": 0.75}
    with progress.step_progress("train"), progress.epoch_progress(9) as update:
        update(3, figures)
        time.sleep(0.3)
    shown = terminal.getvalue()
    assert "train" in shown
    assert "3/9" in shown
    assert "loss 0.500, accuracy 0.750" in shown
    with progress.epoch_progress(9) as update:
        time.sleep(0.3)
    assert "training" in terminal.getvalue()


def test_nothing_is_shown_outside_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 0.01)
    written = io.StringIO()
    monkeypatch.setattr(progress, "get_console", lambda: Console(file=written))
    with progress.chunk_progress("reading", "files") as update:
        update(1, 2)
        time.sleep(0.1)
    assert written.getvalue() == ""
