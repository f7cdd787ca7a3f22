"""Locks that the operating system releases when their process ends, however it ends.

They are filelock's: it also knows Windows, and a forked child does not keep its parent's locks.
"""

import errno
import json
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from disentangled_audio.errors import UserError

logger = logging.getLogger(__name__)

RUN_LOCK = ".lock"
# What file systems answer that cannot lock.
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


def try_lock(path: Path, *, wait: bool = False) -> FileLock | None:
    """Lock a file, which is made if need be.

    Parameters
    ----------
    path : Path
        Its folder must exist.
    wait : bool
        Until another process has released it.

    Returns
    -------
    FileLock or None
        The lock, held, with its `release`; None if another process holds it.

    Raises
    ------
    OSError
        If the file cannot be opened, or the file system has no locks.
    """
    # A marker file in place of a lock would outlive a killed run, so there is no falling back.
    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    return lock


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock whose file goes when it is released.

    Parameters
    ----------
    path : Path
        The file; nothing else may be kept in it.
    wait : bool
        Until another process has released it.

    Yields
    ------
    bool
        Whether the lock is held: False if another process holds it, the file cannot be opened, or
        the disk has no locks (as some network disks).
    """
    lock = None
    with suppress(OSError):
        lock = try_lock(path)
        if lock is None and wait:
            logger.info("Waiting for another process that holds %s", path)
            lock = try_lock(path, wait=True)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            # Whoever waits for a file that goes notices, and makes it anew. Windows keeps an open
            # file until it is released.
            with suppress(OSError):
                path.unlink()
            lock.release()


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
        self._lock: FileLock | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        UserError
            If another process holds it, or the file is another user's; says who that is.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = try_lock(self._path)
        except PermissionError as error:
            if not self._path.exists():
                raise
            raise UserError(_foreign(self._path)) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UserError(f"{self._path} is a link, not a lock file; remove it") from error
            if error.errno not in NO_LOCKS:
                raise
            logger.warning(
                "%s: this disk has no locks; make sure that only one run at a time uses it",
                self._path.parent,
            )
            return
        if self._lock is None:
            raise UserError(_refusal(self._path))
        holder = {
            "process": os.getpid(),
            "computer": platform.node(),
            "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
            "purpose": self._purpose,
        }
        self._write(json.dumps(holder))

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._lock is None:
            return
        self._write("")
        self._lock.release()
        self._lock = None

    def __enter__(self) -> "RunLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _write(self, text: str) -> None:
        # The lock also holds without a name in it, as on a full disk that is about to be pruned.
        with suppress(OSError), open(self._path, "w", encoding="utf-8", opener=_no_link) as file:
            file.write(text)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


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


def _foreign(path: Path) -> str:
    try:
        owner = path.owner()
    except (KeyError, NotImplementedError, OSError):
        owner = "another user"
    holder = _holder(path)
    doing = f", where {holder['purpose']} is in progress since {holder['since']}" if holder else ""
    return (
        f"{path} belongs to {owner}{doing}, and cannot be opened to be locked. Wait for that run, "
        "and ask its owner for the right to write this file (chmod a+w), or work in a project of "
        "your own"
    )


def _holder(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def unlock(lock: FileLock) -> None:
    """Release what `try_lock` took."""
    lock.release()
