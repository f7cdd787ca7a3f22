"""Kedro's reader of configuration, in folders whose names look like a pattern (`birds[2024]`)."""

import glob
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from kedro.config import OmegaConfigLoader


class ConfigLoader(OmegaConfigLoader):
    """Takes the path of the configuration literally; Kedro takes its brackets for a pattern."""

    @staticmethod
    def _initialise_filesystem_and_protocol(conf_source: str) -> tuple[Any, str]:
        found = OmegaConfigLoader._initialise_filesystem_and_protocol(conf_source)
        store, protocol = found
        if protocol != "file" or not isinstance(store, LocalFileSystem):
            return found
        return _LiteralFolder(Path(conf_source).as_posix()), protocol


class _LiteralFolder(LocalFileSystem):
    """The local disk, where patterns begin with a folder that is taken literally."""

    # Shared with nobody, because it belongs to a folder.
    cachable = False

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def glob(self, path: str, **_: Any) -> list[str]:
        """List the files and folders that match a pattern below the folder."""
        below = path.removeprefix(self._folder)
        known = "" if below == path else glob.escape(self._folder)
        return glob.glob(known + below, recursive=True)
