"""Temporary folders beside the place where a result belongs, and what killed runs left of them."""

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
    """A folder to write into beside the place where the result belongs.

    A lock file of its name, beside it, is held while it is in use, so that what killed runs left
    can be told from it.

    Parameters
    ----------
    folder
        Where the result belongs; made if need be.
    tidy
        Clear it of what killed runs left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if tidy:
        remove_leftovers(folder)
    temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex[:12]}"
    # Locked before it is there: nobody can find it unlocked.
    with locked(_lock_of(temporary), wait=True):
        temporary.mkdir(mode=0o700)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill beside the wanted one, which takes its place at the end.

    Parameters
    ----------
    folder : Path
        Must not exist, or be empty.

    Yields
    ------
    Path
        Where to write. An exception removes it.

    Raises
    ------
    FileExistsError
        If the folder has something in it.
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
            # Another run may have been first; its files are the same.
            if not folder.is_dir():
                raise


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
    for left in folder.glob(f"{TEMPORARY}*"):
        remove_if_unused(left)


def remove_if_unused(left: Path) -> bool:
    """Remove a temporary folder, or its lock file, that no process uses any more; gives whether."""
    with locked(_lock_of(left)) as free:
        if free:
            shutil.rmtree(left, ignore_errors=True)
    return not left.exists()


def is_unused(temporary: Path) -> bool:
    """Whether a temporary folder is nobody's."""
    with locked(_lock_of(temporary)) as free:
        return free


def _lock_of(temporary: Path) -> Path:
    # A lock file that a killed run left is its own.
    return temporary if temporary.suffix == _LOCK else temporary.with_name(temporary.name + _LOCK)
