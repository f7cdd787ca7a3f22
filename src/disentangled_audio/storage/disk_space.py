"""Room on the disk, asked for before it is needed; folders that are complete or not there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from disentangled_audio.errors import UserError
from disentangled_audio.storage.temporaries import temporary_neighbour


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
