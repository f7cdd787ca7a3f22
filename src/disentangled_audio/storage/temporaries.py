"""Temporary folders next to their results, and the removal of those that killed runs left."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from disentangled_audio.storage.locks import locked

TEMPORARY = ".saving-"
_LOCK = ".lock"


@contextmanager
def temporary_neighbour(folder: Path, *, tidy: bool = True) -> Iterator[Path]:
    """Make a temporary folder in `folder`, which is created if it is missing.

    A lock file next to it is held while it is in use, so that leftovers of killed runs can be
    recognised; `tidy` removes those first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if tidy:
        remove_leftovers(folder)
    temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex[:12]}"
    # Locked before it is created, so that nobody finds it unlocked.
    with locked(_lock_of(temporary), wait=True):
        temporary.mkdir(mode=0o700)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `folder` at the end, unless an exception is raised.

    Raises
    ------
    FileExistsError
        If the folder exists and is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; remove it to generate its files again")
    with temporary_neighbour(folder.parent) as temporary:
        unfinished = temporary / folder.name
        unfinished.mkdir()
        yield unfinished
        try:
            unfinished.replace(folder)
        except OSError:
            # Another run may have made the same files first.
            if not folder.is_dir():
                raise


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file so that it appears complete or not at all; replaces an existing one.

    `write` writes to the path it is given, which has the same name in another folder. Leftovers
    of killed runs stay, since looking for them before each of many files would be slow; call
    `remove_leftovers` once.
    """
    with temporary_neighbour(path.parent, tidy=False) as folder:
        unfinished = folder / path.name
        write(unfinished)
        unfinished.replace(path)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary folders in `folder` that no process uses."""
    for left in folder.glob(f"{TEMPORARY}*"):
        remove_if_unused(left)


def remove_if_unused(left: Path) -> bool:
    """Remove a temporary folder or its lock file unless a process uses it; tell if it is gone."""
    with locked(_lock_of(left)) as free:
        if free:
            shutil.rmtree(left, ignore_errors=True)
    return not left.exists()


def is_unused(temporary: Path) -> bool:
    """Tell whether no process uses a temporary folder."""
    with locked(_lock_of(temporary)) as free:
        return free


def _lock_of(temporary: Path) -> Path:
    # For a lock file that a killed run left, the lock is the file itself.
    return temporary if temporary.suffix == _LOCK else temporary.with_name(temporary.name + _LOCK)
