"""What a disk can do to a run, in words a person can act on."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath

from disentangled_audio.errors import UserError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
READ_ONLY = frozenset({errno.EROFS})
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
# Libraries in C raise without setting `errno`: HDF5 gives its number, TensorFlow its text.
NAMED_ERRNO = re.compile(r"\berrno\W{1,4}(\d+)", re.IGNORECASE)
NAMED_TEXT = {os.strerror(number): number for number in FULL | READ_ONLY}
# All that libsndfile says of a write that the operating system refused.
SNDFILE_WRITE = "System error."


def require_free(folder: Path, n_bytes: int, what: str) -> None:
    """Stop before a disk is filled.

    Parameters
    ----------
    folder : Path
        An existing folder on the disk to be written to.
    n_bytes : int
        How much will be written.
    what : str
        What needs the room, for the message.

    Raises
    ------
    UserError
        If less is free; names the folder, what is needed and what is free.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise UserError(
            f"{what} needs {n_bytes / 1e6:.1f} MB in {folder}, where {free / 1e6:.1f} MB are free; "
            "make room there, or keep the recordings elsewhere and set DISENTANGLED_AUDIO_DATA"
        )


def disk_trouble(error: BaseException, path: PurePath | str = "") -> UserError | None:
    """A full disk, or one that refuses, as a message; None for any other error.

    Parameters
    ----------
    error
        Whatever was raised; what it was raised from is looked at too.
    path
        What was being read or written; empty if only the error can know.
    """
    for cause in _chain(error):
        text = _explanation(cause, str(path or getattr(cause, "filename", None) or "a file"))
        if text:
            return UserError(text)
    return None


def explain(error: OSError) -> str:
    """What went wrong with which file, and where it is known, what to do."""
    trouble = disk_trouble(error)
    if trouble is not None:
        return str(trouble)
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename else text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explanation(error: BaseException, subject: str) -> str:
    number = _number(error)
    if number in FULL:
        return (
            f"{subject} cannot be written: the disk is full. Free some space (`make prune` "
            "removes old versions) and run again; earlier versions are intact."
        )
    if number in READ_ONLY:
        return (
            f"{subject} cannot be written: the disk is read-only. Make it writable, or run from "
            "a folder that is; earlier versions are intact."
        )
    if number in FORBIDDEN:
        return (
            f"{subject}: permission denied. Give yourself the right to it (chmod, chown), or "
            "choose another folder; earlier versions are intact."
        )
    if str(error) == SNDFILE_WRITE:
        return (
            "a recording cannot be written: the disk is full, or refuses. Free some space "
            "(`make prune` removes old versions), or see to it that data/01_raw can be written."
        )
    return ""


def _number(error: BaseException) -> int | None:
    number = getattr(error, "errno", None)
    if number is not None:
        return number
    text = str(error)
    named = NAMED_ERRNO.search(text)
    if named:
        return int(named[1])
    return next((number for words, number in NAMED_TEXT.items() if words in text), None)
