"""Folders on the local disk that nodes write to directly."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews


class LocalFolder(AbstractDataset[None, Path]):
    """A folder for unfinished work: chunks of arrays, or the checkpoint of a training.

    Loading gives its path. Its content has no versions, since it can be computed again.

    Parameters
    ----------
    filepath
        The folder, created when it is first used. Workers on other machines must see it.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Give the absolute path of the folder, for workers with another working directory."""
        return self._folder.absolute()

    def save(self, data: None) -> None:
        """Refuse, because nodes write to the folder directly."""
        raise DatasetError("a folder for unfinished work is not written through the catalog")

    def preview(self) -> JSONPreview:
        """Show the description and the path of the folder in Kedro-Viz."""
        return previews.described(self.metadata, {"folder": str(self._folder)})

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._folder}
