"""Find and remove old versions, leftovers of killed runs, and unused chunk caches."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import VERSION, is_name
from disentangled_audio.runs.trained_runs import MANIFEST
from disentangled_audio.storage.locks import RUN_LOCK, RunLock
from disentangled_audio.storage.temporaries import TEMPORARY, is_unused, remove_if_unused

CHUNKS = ".chunks"
# Recordings belong to the user and are never removed.
RAW = "01_raw"


@dataclass(frozen=True)
class Removable:
    """A folder that may be removed; `n_bytes` are freed if the whole list is removed."""

    path: Path
    reason: str
    n_bytes: int = 0


@dataclass(frozen=True)
class _Kept:
    """Versions named by the newest manifests."""

    versions: frozenset[tuple[str, str]]
    # Time of the oldest kept run in seconds since 1970, by folder of its corpus.
    oldest: dict[str, float]


def removables(data: Path, keep: int) -> list[Removable]:
    """List folders that the newest `keep` runs of each corpus and protocol do not need.

    Parameters
    ----------
    data
        The project's data folder.
    keep
        Number of versions of each dataset, and of runs of each corpus and protocol, to keep. All
        versions that the manifest of a kept run names stay too.

    Returns
    -------
    list of Removable
        Sorted by path.

    Raises
    ------
    UserError
        If the manifest of a kept run cannot be read.
    """
    if not data.is_dir():
        return []
    datasets = dict(_versioned_datasets(data))
    kept = _kept(data, datasets, keep)
    found = [
        *_leftovers(data),
        *(
            Removable(folder / version, reason)
            for folder, versions in datasets.items()
            for version, reason in _old_versions(folder, versions, kept, keep)
        ),
    ]
    going = {item.path for item in found}
    staying = [
        folder / version
        for folder, versions in datasets.items()
        for version in versions
        if folder / version not in going
    ]
    found += _chunk_caches(data, kept, staying)
    return _with_sizes(sorted(found, key=lambda item: item.path))


def remove(items: list[Removable]) -> list[Path]:
    """Remove whole folders.

    Returns
    -------
    list of Path
        Folders that remain because they are in use or protected.
    """
    return [item.path for item in items if not _remove(item.path)]


def run_locks(data: Path) -> ExitStack:
    """Take the locks of all corpora and protocols that have been run.

    Raises
    ------
    UserError
        If a run is in progress; then no lock is held.
    """
    paths = list(_walk(data))
    locks = {path.parent / RUN_LOCK for path in paths if path.name == MANIFEST}
    # Jobs of single folds have their own locks.
    locks |= {path for path in paths if path.name.startswith(RUN_LOCK)}
    with ExitStack() as stack:
        for lock in sorted(locks):
            stack.enter_context(RunLock(lock, "kedro prune"))
        return stack.pop_all()


def _walk(data: Path) -> Iterator[Path]:
    """Every file and folder, except inside versions and recordings."""
    for root, folders, files in os.walk(data):
        folders[:] = sorted(
            name
            for name in folders
            if not VERSION.fullmatch(name)
            and not name.startswith(TEMPORARY)
            and Path(root, name) != data / RAW
        )
        yield from (Path(root, name) for name in [*folders, *files])


def _versioned_datasets(data: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders of versioned datasets with their versions, newest first."""
    for path in _walk(data):
        if path.is_symlink() or not path.is_dir():
            continue
        # Links and their targets belong to the user.
        versions = [
            entry.name
            for entry in path.iterdir()
            if VERSION.fullmatch(entry.name) and not entry.is_symlink()
        ]
        if versions:
            yield path, sorted(versions, reverse=True)


def _is_complete(folder: Path, version: str) -> bool:
    content = folder / version / folder.name
    # A killed run leaves zarr arrays without metadata, and empty versions.
    return (content / "zarr.json").exists() if folder.suffix == ".zarr" else content.exists()


def _kept(data: Path, datasets: dict[Path, list[str]], keep: int) -> _Kept:
    named: set[tuple[str, str]] = set()
    oldest: dict[str, float] = {}
    for folder, versions in datasets.items():
        if folder.name != MANIFEST:
            continue
        whole = [version for version in versions if _is_complete(folder, version)][:keep]
        for version in whole:
            named |= _named(folder, version)
        if whole:
            corpus = _corpus(data, folder)
            started = min(map(_seconds, whole))
            oldest[corpus] = min(started, oldest.get(corpus, started))
    return _Kept(frozenset(named), oldest)


def _named(folder: Path, version: str) -> set[tuple[str, str]]:
    """Datasets and versions named by a manifest, and by the manifests among them."""
    named: set[tuple[str, str]] = set()
    read: set[tuple[Path, str]] = set()
    waiting = [(folder, version)]
    while waiting:
        folder, version = waiting.pop()
        read.add((folder, version))
        for name, of_dataset in _read_manifest(folder / version / MANIFEST).items():
            fold, _, dataset = name.rpartition(".")
            named.add((dataset, of_dataset))
            other = (folder.parent / fold / MANIFEST, of_dataset)
            if f"{dataset}.json" != MANIFEST or other in read or not VERSION.fullmatch(of_dataset):
                continue
            if (not fold or is_name(fold)) and _is_complete(*other):
                waiting.append(other)
    return named


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        versions = json.loads(path.read_text(encoding="utf-8"))["dataset_versions"]
        return {str(name): str(version) for name, version in versions.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read ({error!r}), so the versions that its run needs are unknown. "
            "Delete it if you do not need that run, then prune again."
        ) from error


def _old_versions(
    folder: Path, versions: list[str], kept: _Kept, keep: int
) -> Iterator[tuple[str, str]]:
    whole = [version for version in versions if _is_complete(folder, version)]
    for version in versions:
        if version not in whole:
            yield version, "unfinished"
        elif version not in whole[:keep] and (folder.stem, version) not in kept.versions:
            yield version, "old version"


def _leftovers(data: Path) -> Iterator[Removable]:
    for root, folders, _ in os.walk(data):
        if Path(root) == data and RAW in folders:
            folders.remove(RAW)
        for name in [name for name in folders if name.startswith(TEMPORARY)]:
            folders.remove(name)
            left = Path(root, name)
            if not left.is_symlink() and is_unused(left):
                yield Removable(left, "left by a killed run")


def _chunk_caches(data: Path, kept: _Kept, staying: list[Path]) -> Iterator[Removable]:
    caches = [
        cache
        for path in _walk(data)
        if path.name == CHUNKS and _is_own_folder(path)
        for cache in path.iterdir()
        if _is_own_folder(cache) and not cache.name.startswith(TEMPORARY)
    ]
    if not caches or not kept.oldest:
        return
    in_use = {_inode(file) for folder in staying for file in _files(folder)}
    for cache in caches:
        oldest = kept.oldest.get(_corpus(data, cache), min(kept.oldest.values()))
        files = list(_files(cache))
        touched = max(path.lstat().st_mtime for path in [cache, *files])
        if touched < oldest and not any(_inode(file) in in_use for file in files):
            yield Removable(cache, "chunk cache of no kept run")


def _is_own_folder(path: Path) -> bool:
    """Whether a path is a folder; a link might lead outside the data folder."""
    return path.is_dir() and not path.is_symlink()


def _corpus(data: Path, path: Path) -> str:
    """Name of the corpus, the folder below the layer."""
    parts = path.relative_to(data).parts
    return parts[1] if len(parts) > 1 else ""


def _seconds(version: str) -> float:
    return datetime.strptime(version, "%Y-%m-%dT%H.%M.%S.%fZ").replace(tzinfo=UTC).timestamp()


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)


def _inode(path: Path) -> tuple[int, int]:
    facts = path.lstat()
    return facts.st_dev, facts.st_ino


def _with_sizes(items: list[Removable]) -> list[Removable]:
    """Count each file once, and not at all if a link to it stays."""
    files = [(number, file) for number, item in enumerate(items) for file in _files(item.path)]
    names = Counter(_inode(file) for _, file in files)
    counted: set[tuple[int, int]] = set()
    n_bytes: Counter[int] = Counter()
    for number, file in files:
        inode, facts = _inode(file), file.lstat()
        if inode in counted or facts.st_nlink > names[inode]:
            continue
        counted.add(inode)
        n_bytes[number] += facts.st_size
    return [replace(item, n_bytes=n_bytes[number]) for number, item in enumerate(items)]


def _remove(path: Path) -> bool:
    if path.name.startswith(TEMPORARY):
        return remove_if_unused(path)
    # Renamed first: half a version would be read as a whole one.
    doomed = path.with_name(f"{TEMPORARY}{path.name}")
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
    return not doomed.exists()
