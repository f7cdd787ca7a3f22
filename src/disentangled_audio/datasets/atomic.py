"""A versioned dataset whose versions appear whole or not at all."""

import os
import shutil
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version


class AtomicDataset(AbstractVersionedDataset[Any, Any]):
    """Saves into a temporary neighbour, then renames: a killed run leaves no half version.

    Parameters
    ----------
    filepath
        Where the dataset is kept, on the local disk.
    version
        Kedro's load and save version.
    metadata
        Free-form description, as used by Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.metadata = metadata
        super().__init__(
            filepath=Path(filepath),
            version=version,
            exists_function=os.path.exists,
            glob_function=_glob,
        )

    @abstractmethod
    def _write(self, data: Any, path: Path) -> None:
        """Write `data` to a path that does not exist yet."""

    @abstractmethod
    def _read(self, path: Path) -> Any:
        """Read what `_write` wrote."""

    def load(self) -> Any:
        """Read the newest version, or the one asked for."""
        return self._read(Path(self._get_load_path()))

    def save(self, data: Any) -> None:
        """Write a new version, whole or not at all."""
        path = Path(self._get_save_path())
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
            temporary = Path(folder) / path.name
            self._write(data, temporary)
            if path.is_dir():
                shutil.rmtree(path)
            temporary.replace(path)

    def _exists(self) -> bool:
        try:
            return Path(self._get_load_path()).exists()
        except DatasetError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}


def _glob(pattern: str) -> list[str]:
    import glob

    return glob.glob(str(pattern))
