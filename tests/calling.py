"""The command `disentangled-audio`, called in this process or in a terminal of its own."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from click.testing import CliRunner, Result

from disentangled_audio.cli.console import app

COMMAND = [sys.executable, "-c", "from disentangled_audio.cli.console import app; app()"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
N_COLUMNS = 80


def call(project: Path, *arguments: str) -> Result:
    """In a folder; whatever goes wrong is a message."""
    before = Path.cwd()
    os.chdir(project)
    try:
        result = CliRunner().invoke(app, list(arguments))
    finally:
        os.chdir(before)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def in_terminal(
    project: Path, *arguments: str, n_columns: int = N_COLUMNS, before: str = ""
) -> str:
    """What a terminal of so many columns is sent; `before` is Python that runs first."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, n_columns, 0, 0))
    # Settings of whoever runs the tests say nothing of this terminal.
    hidden = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    with subprocess.Popen(
        [*COMMAND[:-1], f"{before}\n{COMMAND[-1]}", *arguments],
        cwd=project,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm-256color"},
    ) as process:
        os.close(theirs)
        sent = b"".join(_everything(ours))
    os.close(ours)
    assert process.returncode == 0, sent
    return sent.decode()


def _everything(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            # So Linux says that the other end is closed.
            return
        if not part:
            return
        yield part


def width(line: str) -> int:
    """In columns of a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def lines(sent: str) -> list[str]:
    """What was sent, without colours."""
    return re.split(r"[\r\n]+", ESCAPES.sub("", sent))


def make_noise(folder: Path, name: str, duration_s: float, rate_hz: int) -> None:
    """A recording that is like no other."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # No two files alike.
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    soundfile.write(path, rng.normal(0, 0.1, round(duration_s * rate_hz)), rate_hz)
