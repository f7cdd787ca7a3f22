"""One result of all folds of a cross-validation."""

from collections.abc import Callable
from typing import Any

from kedro_datasets.partitions import PartitionedDataset


class EntriesOfFolds(PartitionedDataset):
    """The dataset of kedro-datasets, of which folds and their versions are the partitions.

    Loading gives functions that load, by `partition_name`; none while no fold has the result.
    """

    # A fold's folder, the entry's, the version's, and the file.
    _DEPTH = 4

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments, load_args={"maxdepth": self._DEPTH})

    def load(self) -> dict[str, Callable[[], Any]]:
        """What loads each version, by fold and version."""
        self._invalidate_caches()
        return super().load() if self._exists() else {}


def partition_name(folder: str, file: str, version: str) -> str:
    """Name under which a version of a fold's result is found."""
    return f"{folder}/{file}/{version}"
