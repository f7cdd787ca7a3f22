"""One result from all folds of a cross-validation."""

from collections.abc import Callable
from typing import Any

from kedro_datasets.partitions import PartitionedDataset


class EntriesOfFolds(PartitionedDataset):
    """Versions of one catalog entry in the folders of all folds, as Kedro partitions.

    Loading gives a loading function for each `partition_name`; none before a fold has saved one.
    """

    # The folders of fold, entry and version, and the file.
    _DEPTH = 4

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments, load_args={"maxdepth": self._DEPTH})

    def load(self) -> dict[str, Callable[[], Any]]:
        """Give a loading function for each fold and version."""
        self._invalidate_caches()
        return super().load() if self._exists() else {}


def partition_name(folder: str, file: str, version: str) -> str:
    """Give the name of the partition that holds a version of a fold's result."""
    return f"{folder}/{file}/{version}"
