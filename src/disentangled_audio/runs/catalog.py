"""Paths of datasets, which only private attributes of Kedro reveal.

Only this file and `datasets/` use private attributes; a test fails with every Kedro version that
they were not checked with.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import Version
from kedro.io.core import get_filepath_str

from disentangled_audio.storage.hashing import file_hash


def base_path(dataset: Any) -> PurePosixPath:
    """Path of a dataset in the catalog; for a versioned dataset, the folder of its versions."""
    return PurePosixPath(dataset._filepath)


def place_of(dataset: Any, project: Path) -> Path | None:
    """Path of a dataset, absolute if it is on this disk; None if it has no path."""
    place = getattr(dataset, "_filepath", getattr(dataset, "_folder", None))
    if place is None:
        return None
    on_disk = getattr(dataset, "_protocol", "file") == "file"
    return project / place if on_disk else Path(place)


def load_path(dataset: Any) -> str:
    """File or folder of the version to load, on the dataset's file system."""
    return get_filepath_str(dataset._get_load_path(), dataset._protocol)


def version_path(dataset: Any, version: str) -> Path:
    """File or folder of a version on a local disk, which need not exist."""
    return Path(dataset._get_versioned_path(version))


def file_place(dataset: Any) -> str:
    """Path or URL of the file to load."""
    path = load_path(dataset)
    return path if is_on_disk(dataset) else file_system(dataset).unstrip_protocol(path)


def sha256_of(dataset: Any) -> str:
    """SHA-256 of the file to load."""
    return file_hash(load_path(dataset), fs=file_system(dataset))


def file_system(dataset: Any) -> Any:
    """File system (fsspec) of a dataset."""
    return dataset._fs


def is_on_disk(dataset: Any) -> bool:
    """Whether a dataset is a local file, not in memory or behind a URL."""
    return getattr(dataset, "_protocol", None) == "file"


def local_folder(dataset: Any) -> Path | None:
    """Folder with all versions of a dataset; None if it is not on a local disk."""
    return Path(base_path(dataset)).parent if is_on_disk(dataset) else None


def pin(dataset: Any, version: str) -> None:
    """Make a dataset load the given version."""
    dataset.release()
    dataset._version = Version(version, None)


def hooks_of(context: Any) -> Any:
    """Hook manager of a run, for runs of its parts."""
    return context._hook_manager


def register_hooks(context: Any, hooks: Any) -> None:
    """Register hooks as if the project's settings had named them."""
    context._hook_manager.register(hooks)
