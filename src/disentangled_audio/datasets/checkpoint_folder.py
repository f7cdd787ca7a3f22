"""The folder in which an unfinished training keeps its state."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError


class CheckpointFolder(AbstractDataset[None, Path]):
    """A folder that training itself writes to while it goes on; no result, so not versioned.

    Parameters
    ----------
    filepath
        The folder; made when it is first needed.
    metadata
        Free-form description, as used by Kedro-Viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Where the folder is or will be."""
        return self._folder

    def save(self, data: None) -> None:
        """Refuse: training writes its checkpoint while its node runs."""
        raise DatasetError("the training checkpoint is not written through the catalog")

    def _exists(self) -> bool:
        # There is nothing that an earlier pipeline would have to make.
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._folder}
