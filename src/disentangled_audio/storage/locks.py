"""Locks that the operating system releases when their process ends, however it ends."""

import errno
import fcntl
import json
import logging
import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError

logger = logging.getLogger(__name__)

RUN_LOCK = ".lock"
# What file systems answer that cannot lock.
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})
# Descriptors that hold a lock. A forked child that outlives its parent must not go on holding it.
_held: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


def try_lock(path: Path, *, wait: bool = False) -> int | None:
    """Lock a folder, or a file that is made if need be.

    Parameters
    ----------
    path
        Folder or file.
    wait
        Until another process has released it.

    Returns
    -------
    int or None
        A descriptor for `unlock`; None if another process holds the lock.

    Raises
    ------
    OSError
        If the file cannot be opened, or the file system knows no locks.
    """
    # A lock file is written to, so a link in its place must not lead to somebody's file.
    to_file = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    flags = os.O_RDONLY if path.is_dir() else to_file
    descriptor = os.open(path, flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    _held.add(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Release what `try_lock` took."""
    _held.discard(descriptor)
    os.close(descriptor)


class RunLock:
    """One run at a time on one corpus and protocol.

    Parameters
    ----------
    path
        The lock file; it stays, and says who holds the lock.
    purpose
        What the holder does, for the message that others get.
    """

    def __init__(self, path: Path, purpose: str) -> None:
        self._path = path
        self._purpose = purpose
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        UserError
            If another process holds it; names the process, its start and what it does.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._descriptor = try_lock(self._path)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UserError(f"{self._path} is a link, not a lock file; remove it") from error
            if error.errno not in NO_LOCKS:
                raise
            logger.warning(
                "%s: this disk knows no locks; see to it that only one run at a time uses it",
                self._path.parent,
            )
            return
        if self._descriptor is None:
            raise UserError(_refusal(self._path))
        holder = {
            "process": os.getpid(),
            "computer": platform.node(),
            "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
            "purpose": self._purpose,
        }
        # The lock holds without a name too, as on a full disk that is about to be pruned.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        unlock(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> "RunLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _refusal(path: Path) -> str:
    holder = _holder(path)
    if not holder:
        return f"another process is at work here ({path} is locked); wait for it, or stop it"
    elsewhere = holder["computer"] != platform.node()
    where = f" on {holder['computer']}" if elsewhere else ""
    return (
        f"{holder['purpose']} is still in progress: process {holder['process']}{where}, since "
        f"{holder['since']}. Wait for it, or stop it; nothing has been changed."
    )


def _holder(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
