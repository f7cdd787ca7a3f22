"""Folders on the local disk that a node itself writes to."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews


class LocalFolder(AbstractDataset[None, Path]):
    """A folder for unfinished work: chunks of arrays, the checkpoint of a training.

    Loading gives its path. What is in it can be made again, and has no versions.

    Parameters
    ----------
    filepath
        The folder; made when it is first needed. Workers on other machines must see it.
    metadata
        Free-form description, as used by Kedro-Viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Absolute path of the folder, for workers that run elsewhere."""
        return self._folder.absolute()

    def save(self, data: None) -> None:
        """Refuse: nodes write to the folder themselves."""
        raise DatasetError("a folder for unfinished work is not written through the catalog")

    def preview(self) -> JSONPreview:
        """What the folder is for, for Kedro-Viz."""
        return previews.described(self.metadata, {"folder": str(self._folder)})

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._folder}
