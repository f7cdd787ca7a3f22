"""The folders in which recordings are looked for."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro.io.core import get_protocol_and_path
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews


class RecordingFolders(AbstractDataset[None, list[Path]]):
    """Folders with raw recordings; the last one may be written to by generators.

    Parameters
    ----------
    filepath
        The project's own folder for raw recordings; made when it is first needed. A path or a
        `file://` URL: recordings are read many times, so they have to be on a disk.
    read_only
        A folder that is looked at first and never written to; empty for none.
    metadata
        Free-form description, as used by Kedro-Viz.
    """

    def __init__(
        self, *, filepath: str, read_only: str = "", metadata: dict[str, Any] | None = None
    ) -> None:
        self._own = _on_disk(filepath)
        self._read_only = _on_disk(read_only).expanduser().absolute() if read_only else None
        self.metadata = metadata

    def load(self) -> list[Path]:
        """Folders in the order in which they are searched."""
        if self._read_only is None:
            return [self._own]
        return [self._read_only, self._own]

    def save(self, data: None) -> None:
        """Refuse: recordings are put there by people, downloads and generators."""
        raise DatasetError("recording folders are not written through the catalog")

    def preview(self) -> JSONPreview:
        """What the folder is for, for Kedro-Viz."""
        return previews.described(
            self.metadata, {"folders": [str(folder) for folder in self.load.__wrapped__(self)]}
        )

    def _exists(self) -> bool:
        return any(folder.is_dir() for folder in self.load())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._own, "read_only": self._read_only}


def _on_disk(filepath: str) -> Path:
    protocol, path = get_protocol_and_path(filepath)
    if protocol != "file":
        raise DatasetError(
            f"{filepath}: recordings are read from a disk. Mount or copy them, and name that folder"
        )
    return Path(path)
