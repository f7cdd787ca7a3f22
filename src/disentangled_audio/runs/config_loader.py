"""Kedro's reader of configuration, for files and folders of strangers."""

import glob
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from kedro.config import OmegaConfigLoader

from disentangled_audio.storage.yaml_files import read_yaml


class ConfigLoader(OmegaConfigLoader):
    """Reads only files within the limits of `read_yaml`, in a folder of any name.

    A file whose aliases stand for billions of values would stop a run without a word. Kedro takes
    brackets in the folder's path (`birds[2024]`) for a pattern.
    """

    def __init__(self, conf_source: str, *args: Any, **options: Any) -> None:
        for ending in ("yml", "yaml"):
            for file in sorted(Path(conf_source).rglob(f"*.{ending}")):
                read_yaml(file)
        super().__init__(conf_source, *args, **options)

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
