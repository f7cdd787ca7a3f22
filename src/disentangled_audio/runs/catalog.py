"""Where a dataset's files are, which Kedro tells by private attributes alone.

Beside these functions only `datasets/` uses such; a test names the version that they were checked
with, so that a new one is looked at before it is used.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import Version
from kedro.io.core import get_filepath_str


def base_path(dataset: Any) -> PurePosixPath:
    """The path that the catalog gives a dataset; with versions, the folder that holds them."""
    return PurePosixPath(dataset._filepath)


def load_path(dataset: Any) -> str:
    """The file or folder of the version that is loaded, on the dataset's file system."""
    return get_filepath_str(dataset._get_load_path(), dataset._protocol)


def version_path(dataset: Any, version: str) -> PurePosixPath:
    """The file or folder of a version, whether it is there or not."""
    return PurePosixPath(dataset._get_versioned_path(version))


def file_system(dataset: Any) -> Any:
    """fsspec's file system that a dataset is on."""
    return dataset._fs


def is_on_disk(dataset: Any) -> bool:
    """Whether a dataset is kept in files of this machine, and not behind a URL or in memory."""
    return getattr(dataset, "_protocol", None) == "file"


def local_folder(dataset: Any) -> Path | None:
    """Folder that a dataset lies in with all its versions; None where that is no disk of ours."""
    return Path(base_path(dataset)).parent if is_on_disk(dataset) else None


def pin(dataset: Any, version: str) -> None:
    """Let a dataset load one version."""
    dataset.release()
    dataset._version = Version(version, None)


def register_hooks(context: Any, hooks: Any) -> None:
    """Let hooks hear of what follows, as if the project's settings had named them."""
    context._hook_manager.register(hooks)
