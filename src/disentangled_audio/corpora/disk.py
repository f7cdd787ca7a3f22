"""Room on the disk, asked for before it is needed."""

import shutil
from pathlib import Path

from disentangled_audio.errors import UserError


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
