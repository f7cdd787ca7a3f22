"""Where datasets lie on the disk, which Kedro keeps to itself."""

from pathlib import Path
from typing import Any


def file_of(dataset: Any) -> Path:
    """File of the version that a dataset loads or has just saved."""
    return Path(dataset._get_load_path())


def local_folder(dataset: Any) -> Path | None:
    """Folder with all versions of a dataset; None where it lies on no disk of this machine."""
    if getattr(dataset, "_protocol", None) != "file":
        return None
    return Path(dataset._filepath).parent
