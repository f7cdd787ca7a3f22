"""Folders that are searched for recordings."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro.io.core import get_protocol_and_path
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews


class RecordingFolders(AbstractDataset[None, list[Path]]):
    """Folders with raw recordings; downloads and generators write to the last one.

    Parameters
    ----------
    filepath
        The project's own folder for raw recordings, created when it is first used. A path or a
        `file://` URL: recordings are read many times and must be on a disk.
    read_only
        A folder that is searched first and never written to; empty for none.
    """

    def __init__(
        self, *, filepath: str, read_only: str = "", metadata: dict[str, Any] | None = None
    ) -> None:
        searched_first = [_on_disk(read_only).expanduser().absolute()] if read_only else []
        self._folders = [*searched_first, _on_disk(filepath)]
        self.metadata = metadata

    def load(self) -> list[Path]:
        """List the folders in the order in which they are searched."""
        return self._folders

    def save(self, data: None) -> None:
        """Refuse, because people, downloads and generators put recordings there."""
        raise DatasetError("recording folders are not written through the catalog")

    def preview(self) -> JSONPreview:
        """Show the description and the folders in Kedro-Viz."""
        return previews.described(self.metadata, {"folders": list(map(str, self._folders))})

    def _exists(self) -> bool:
        return any(folder.is_dir() for folder in self._folders)

    def _describe(self) -> dict[str, Any]:
        return {"folders": self._folders}


def _on_disk(filepath: str) -> Path:
    protocol, path = get_protocol_and_path(filepath)
    if protocol != "file":
        raise DatasetError(
            f"{filepath} is not on a disk, and recordings are read only from disks. Mount or copy "
            "them, and name that folder"
        )
    return Path(path)
