"""Formats that only ffmpeg reads, where it is installed.

Its input is a stranger's file: ffmpeg gets the one demuxer that fits, because others would follow
names in the file to other files; no protocol but files; limits on time and size; and no shell.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from disentangled_audio.corpora.reading.content import Part
from disentangled_audio.corpora.sources.folder import MAX_HELD_BYTES, LargeFile, RejectedError

MISSING = "needs ffmpeg, which is not installed"
INSTALL = "install ffmpeg, or convert it to wav or flac"
_MAX_S = 600.0
_MAX_OUTPUT_BYTES = 2**32
_POLL_S = 0.05
_MAX_MESSAGE = 200
# How files begin, and the demuxer that reads them.
_BY_START = (
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"#!AMR", "amr"),
    (b"\xff\xf1", "aac"),
    (b"\xff\xf9", "aac"),
    (b"\x0b\x77", "ac3"),
    (b"MAC ", "ape"),
    (b"wvpk", "wv"),
    (b"TTA1", "tta"),
    (b"tBaK", "tak"),
    (b"MPCK", "mpc8"),
    (b"MP+", "mpc"),
    (b".RMF", "rm"),
    (b".ra\xfd", "rm"),
    (b"DSD ", "dsf"),
    (b"FRM8", "iff"),
    (b"FLV", "flv"),
    (b"\x7f\xfe\x80\x01", "dts"),
    (b"caff", "caf"),
    (b"OggS", "ogg"),
)
# Formats that libsndfile reads with other encodings; without ffmpeg, its own reason counts.
_OF_BOTH = ("caf", "ogg")
_BY_ENDING = {
    **dict.fromkeys(("m4a", "m4b", "m4r", "mp4", "m4v", "mov", "3gp", "3ga", "3g2"), "mov"),
    **dict.fromkeys(("webm", "weba", "mka", "mkv"), "matroska"),
    **{"aac": "aac", "adts": "aac", "wma": "asf", "asf": "asf", "amr": "amr", "awb": "amr"},
    **{"ac3": "ac3", "eac3": "eac3", "dts": "dts", "ape": "ape", "wv": "wv", "tta": "tta"},
    **{"tak": "tak", "mpc": "mpc", "ra": "rm", "rm": "rm", "spx": "ogg", "dsf": "dsf"},
    **{"dff": "iff", "avi": "avi", "flv": "flv"},
}


def is_installed() -> bool:
    """Tell whether there is an ffmpeg."""
    return shutil.which("ffmpeg") is not None


@contextmanager
def decoded(part: Part, path: Path | None, name: str, refused: RejectedError) -> Iterator[Part]:
    """Decode a file to the content of a wav, which is there until the end of the context.

    Parameters
    ----------
    part : bytes or LargeFile
    path : Path or None
        Where ffmpeg can read it; None writes a copy.
    name : str
        Its name, whose ending tells the format of unclear content.
    refused : RejectedError
        Why libsndfile does not read it: raised if ffmpeg would not, either.

    Raises
    ------
    RejectedError
        If ffmpeg is missing, fails, or takes too long.
    """
    demuxer, program = _demuxer(part, name), shutil.which("ffmpeg")
    if demuxer is None or (program is None and demuxer in _OF_BOTH):
        raise refused
    if program is None:
        raise RejectedError(MISSING, INSTALL)
    with tempfile.TemporaryDirectory() as folder:
        source = path or _copy(part, Path(folder, "recording"))
        output = Path(folder, "decoded.wav")
        _run(_command(program, demuxer, source), output)
        yield _content(output)


def _demuxer(part: Part, name: str) -> str | None:
    head = _head(part)
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"RIFF":
        return "avi" if head[8:12] == b"AVI " else None
    by_start = next((demuxer for start, demuxer in _BY_START if head.startswith(start)), None)
    return by_start or _BY_ENDING.get(name.rpartition(".")[2].lower())


def _head(part: Part) -> bytes:
    if isinstance(part, bytes):
        return part[:12]
    with part.open() as file:
        return file.read(12)


def _copy(part: Part, target: Path) -> Path:
    if isinstance(part, LargeFile):
        return part.path
    target.write_bytes(part)
    return target


def _command(program: str, demuxer: str, source: Path) -> list[str]:
    # `file:` and an absolute path: a name is never an option, another protocol or a playlist.
    return [
        *(program, "-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-protocol_whitelist", "file,pipe", "-f", demuxer, "-i", f"file:{source.absolute()}"),
        *("-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"),
    ]


def _run(command: list[str], output: Path) -> None:
    with output.open("wb") as samples, tempfile.TemporaryFile() as messages:
        try:
            # A session of its own, to end what the program has started, too.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=samples,
                stderr=messages,
                start_new_session=True,
            )
        except OSError as error:
            raise RejectedError(
                f"ffmpeg cannot be started: {error.strerror}", "install it again"
            ) from error
        try:
            _wait(process, output)
        finally:
            _end(process)
        if process.returncode:
            raise RejectedError(
                f"ffmpeg cannot decode it: {_last_line(messages)}", "convert it to wav or flac"
            )


def _wait(process: subprocess.Popen[bytes], output: Path) -> None:
    """Wait for the end of a program, within the limits of time and size."""
    end_s = time.monotonic() + _MAX_S
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
        if output.stat().st_size > _MAX_OUTPUT_BYTES:
            raise RejectedError(
                f"ffmpeg makes more than {_MAX_OUTPUT_BYTES} bytes of it",
                "cut it into shorter recordings",
            )
        if process.returncode is not None:
            return
        if time.monotonic() > end_s:
            raise RejectedError(
                f"ffmpeg takes longer than {_MAX_S:g} s", "convert it to wav or flac"
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(messages: IO[bytes]) -> str:
    """Last line of what a program reported, as printable text."""
    messages.seek(0)
    lines = messages.read().decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
    shown = "".join(letter if letter.isprintable() else "?" for letter in last)
    return shown[-_MAX_MESSAGE:]


def _content(output: Path) -> Part:
    status = output.stat()
    if not status.st_size:
        raise RejectedError("ffmpeg finds no sound in it", "convert it to wav or flac")
    if status.st_size <= MAX_HELD_BYTES:
        return output.read_bytes()
    return LargeFile(output, status.st_size, status.st_mtime_ns)
