"""File locks that the operating system releases when their process ends, even if it is killed.

They come from filelock, which supports Windows and does not let a forked child keep the locks of
its parent.
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
# Errors of file systems that cannot lock.
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


def try_lock(path: Path, *, wait: bool = False) -> FileLock | None:
    """Lock a file in an existing folder; `wait` waits until another process releases it.

    Returns
    -------
    FileLock or None
        The held lock; None if another process holds it.

    Raises
    ------
    OSError
        If the file cannot be opened, or the file system has no locks.
    """
    # No fallback to a marker file, which would outlive a killed run.
    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    return lock


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock on a file that serves no other purpose and is deleted at the end.

    Yields
    ------
    bool
        Whether the lock is held: False if another process holds it and `wait` is false, the file
        cannot be opened, or the disk has no locks (as some network disks).
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
            # A process that waits for a deleted file notices and creates it again. Windows
            # deletes an open file only when it is released.
            with suppress(OSError):
                path.unlink()
            lock.release()


class RunLock:
    """One run at a time on one corpus and protocol.

    Parameters
    ----------
    path
        The lock file, which is kept and names the holder of the lock.
    purpose
        What the holder does; others read it in their message.
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
            If another process holds the lock, or another user owns the file; the message says who.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = try_lock(self._path)
        except PermissionError as error:
            if not self._path.exists():
                raise
            raise UserError(_not_writable(self._path)) from error
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
            raise UserError(_in_progress(self._path))
        holder = {
            "process": os.getpid(),
            "computer": platform.node(),
            "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
            "purpose": self._purpose,
        }
        self._write(json.dumps(holder))

    def release(self) -> None:
        """Release the lock, if it is held."""
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
        # The lock works without a holder in it, as on a full disk that is about to be pruned.
        with suppress(OSError), open(self._path, "w", encoding="utf-8", opener=_no_link) as file:
            file.write(text)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _in_progress(path: Path) -> str:
    holder = _holder(path)
    if not holder:
        return f"another process is running here ({path} is locked); wait for it, or stop it"
    elsewhere = holder["computer"] != platform.node()
    where = f" on {holder['computer']}" if elsewhere else ""
    return (
        f"{holder['purpose']} is still in progress: process {holder['process']}{where}, since "
        f"{holder['since']}. Wait for it, or stop it; nothing has been changed."
    )


def _not_writable(path: Path) -> str:
    try:
        owner = path.owner()
    except (KeyError, NotImplementedError, OSError):
        owner = "another user"
    holder = _holder(path)
    doing = f", where {holder['purpose']} is in progress since {holder['since']}" if holder else ""
    return (
        f"{path} belongs to {owner}{doing}, and you may not write to it. Wait for that run, and "
        "ask its owner for write permission (chmod a+w), or work in a project of your own"
    )


def _holder(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
