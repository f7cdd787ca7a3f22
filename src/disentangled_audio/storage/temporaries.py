"""Temporary folders beside the place where a result belongs, and what killed runs left of them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from disentangled_audio.storage.locks import try_lock, unlock

TEMPORARY = ".saving-"


@contextmanager
def temporary_neighbour(folder: Path, *, tidy: bool = True) -> Iterator[Path]:
    """A folder to write into beside the place where the result belongs.

    It is locked while it is in use, so that what killed runs left can be told from it.

    Parameters
    ----------
    folder
        Where the result belongs; made if need be.
    tidy
        Clear it of what killed runs left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Nobody may look for leftovers between making the folder and locking it.
    guard = _lock_if_possible(folder, wait=True)
    try:
        if tidy:
            remove_leftovers(folder)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=TEMPORARY))
        lock = _lock_if_possible(temporary)
    finally:
        _unlock(guard)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _unlock(lock)


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file that appears whole or not at all.

    What killed runs left beside it stays: looking for it at each of many files in a folder would
    take longer the more there are. `remove_leftovers` does so once.

    Parameters
    ----------
    path : Path
        Replaced if it is there.
    write : callable
        Writes the path that it is given, which has the same suffix.
    """
    with temporary_neighbour(path.parent, tidy=False) as folder:
        unfinished = folder / path.name
        write(unfinished)
        unfinished.replace(path)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary folders in `folder` that no process uses any more."""
    for temporary in folder.glob(f"{TEMPORARY}*"):
        with unused(temporary) as free:
            if free:
                shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def unused(temporary: Path) -> Iterator[bool]:
    """Whether a temporary folder is nobody's; nobody takes it meanwhile."""
    lock = _lock_if_possible(temporary)
    try:
        yield lock is not None
    finally:
        _unlock(lock)


def _lock_if_possible(folder: Path, *, wait: bool = False) -> int | None:
    # Some network file systems lock no folders: nothing is tidied there, all else works.
    with suppress(OSError):
        return try_lock(folder, wait=wait)
    return None


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        unlock(descriptor)
