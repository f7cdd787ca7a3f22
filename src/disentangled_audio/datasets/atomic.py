"""Datasets whose versions appear complete or not at all, on a disk or in a remote store."""

import copy
import glob
import tempfile
import uuid
from abc import abstractmethod
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from kedro.io.core import get_protocol_and_path

from disentangled_audio.storage.disk_errors import disk_trouble
from disentangled_audio.storage.temporaries import TEMPORARY, temporary_neighbour


class AtomicSave:
    """Mix-in that saves with `_write` to a temporary place and publishes the finished result.

    It is for versioned datasets with `_fs` and `_protocol`, such as those of kedro-datasets.
    On a local disk the finished version is renamed. In a remote store, a file is uploaded under
    a temporary name and renamed, and a folder is uploaded with its `_MARKER` last.
    """

    # A version that is a folder is complete once this file exists.
    _MARKER = ""

    @abstractmethod
    def _write(self, data: Any, path: Path) -> None:
        """Write `data` to a local path that does not exist yet."""

    def _get_versions(self) -> list[str]:
        """List the versions, newest first; Kedro takes brackets in a path for a pattern."""
        if self._protocol != "file":
            return super()._get_versions()
        folder = Path(self._filepath)
        versions = sorted(map(str, folder.glob(f"*/{glob.escape(folder.name)}")), reverse=True)
        return [version for version in versions if self._exists_function(version)]

    def save(self, data: Any) -> None:
        """Write a new version, complete or not at all."""
        path = self._get_save_path()
        try:
            if self._protocol == "file":
                self._save_on_disk(data, Path(path))
            else:
                self._save_in_store(data, path)
        except Exception as error:
            trouble = disk_trouble(error, path)
            if trouble is None:
                raise
            raise trouble from error
        self._fs.invalidate_cache(str(self._filepath))
        if self._version and not self._version.load:
            # This run goes on with its own version, even if another run has saved a newer one.
            self._cached_load_version = self.resolve_save_version()

    def _save_on_disk(self, data: Any, path: Path) -> None:
        folder = Path(self._filepath) if self._version else path.parent
        if folder.is_file():
            # Kedro explains this error: the dataset had no versions before.
            raise NotADirectoryError(folder)
        with temporary_neighbour(folder) as temporary:
            if self._version:
                # Renaming the version's folder means that it never exists without its content.
                staged = temporary / path.parent.name
                staged.mkdir()
                self._write(data, staged / path.name)
                staged.rename(path.parent)
                return
            staged = temporary / path.name
            self._write(data, staged)
            if path.is_dir():
                path.rename(temporary / "old")
            staged.replace(path)

    def _save_in_store(self, data: Any, path: PurePosixPath) -> None:
        with tempfile.TemporaryDirectory(prefix="saving-") as folder:
            staged = Path(folder) / path.name
            self._write(data, staged)
            if staged.is_file():
                uploaded = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
                self._fs.put_file(str(staged), str(uploaded))
                self._fs.mv(str(uploaded), str(path))
                return
            if self._fs.exists(str(path)):
                self._fs.rm(str(path), recursive=True)
            files = [file for file in staged.rglob("*") if file.is_file()]
            files.sort(key=lambda file: file.name == self._MARKER)
            for file in files:
                self._fs.put_file(str(file), str(path / file.relative_to(staged).as_posix()))


class AtomicFile(AtomicSave):
    """Mix-in that makes saving atomic for a file dataset of kedro-datasets."""

    def _write(self, data: Any, path: Path) -> None:
        local = copy.copy(self)
        local._filepath = PurePosixPath(path)
        local._version = None
        local._protocol, local._fs = "file", LocalFileSystem()
        super(AtomicSave, local).save(data)


class AtomicDataset(AtomicSave, AbstractVersionedDataset[Any, Any]):
    """Base of the project's own datasets, which `_write` and `_read` on a local disk.

    Arguments are those of kedro-datasets: `filepath` is a path, or a URL that fsspec knows
    (`s3://…`); `credentials` and `fs_args` go to the store's fsspec class.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.metadata = metadata
        self._protocol, path = get_protocol_and_path(filepath, version)
        self._storage_options = {**(credentials or {}), **(fs_args or {})}
        self._fs = fsspec.filesystem(self._protocol, **self._storage_options)
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._is_complete,
            glob_function=self._fs.glob,
        )

    @abstractmethod
    def _read(self, path: Path) -> Any:
        """Read what `_write` wrote, from a local path."""

    def load(self) -> Any:
        """Read the newest version, or the requested one."""
        path = self._get_load_path()
        if self._protocol == "file":
            return self._read(Path(path))
        return self._read_from_store(path)

    def _read_from_store(self, path: PurePosixPath) -> Any:
        with tempfile.TemporaryDirectory(prefix="loading-") as folder:
            local = Path(folder) / path.name
            self._fs.get(str(path), str(local), recursive=True)
            return self._read(local)

    def _is_complete(self, path: str | PurePath) -> bool:
        return self._fs.exists(str(PurePosixPath(path) / self._MARKER))

    def _exists(self) -> bool:
        try:
            return self._is_complete(self._get_load_path())
        except DatasetError:
            return False

    def _release(self) -> None:
        super()._release()
        self._fs.invalidate_cache(str(self._filepath))

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": self._filepath,
            "protocol": self._protocol,
            "version": self._version,
        }
