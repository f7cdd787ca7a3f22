"""Messages for disk errors that say what to do."""

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
# C libraries do not set `errno`: HDF5 puts the number into its message, TensorFlow the text.
NAMED_ERRNO = re.compile(r"\berrno\W{1,4}(\d+)", re.IGNORECASE)
NAMED_TEXT = {os.strerror(number): number for number in FULL | READ_ONLY}
# libsndfile's whole message when the operating system refuses a write.
SNDFILE_WRITE = "System error."


def require_free(folder: Path, n_bytes: int, what: str) -> None:
    """Raise a UserError if the disk of an existing folder has less than `n_bytes` free.

    The message begins with `what`, the thing that needs the space.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise UserError(
            f"{what} needs {n_bytes / 1e6:.1f} MB in {folder}, where {free / 1e6:.1f} MB are free; "
            "free some space, or move the recordings elsewhere and set DISENTANGLED_AUDIO_DATA"
        )


def disk_trouble(error: BaseException, path: PurePath | str = "") -> UserError | None:
    """Explain a full, read-only or forbidden disk; None for any other error.

    Parameters
    ----------
    error
        The exception that was raised; its causes are searched too.
    path
        File that was being read or written; empty to take it from the exception.
    """
    for cause in _chain(error):
        text = _explanation(cause, str(path or getattr(cause, "filename", None) or "a file"))
        if text:
            return UserError(text)
    return None


def explain(error: OSError) -> str:
    """Describe an OSError: the file, what went wrong and, if known, what to do."""
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
            f"{subject}: permission denied. Change its permissions (chmod, chown), or choose "
            "another folder; earlier versions are intact."
        )
    if str(error) == SNDFILE_WRITE:
        return (
            "a recording cannot be written: the disk is full or not writable. Free some space "
            "(`make prune` removes old versions), or make data/01_raw writable."
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
