"""A source in an archive: an extracted folder, a local file and a URL are interchangeable."""

from pathlib import Path
from typing import Any

from disentangled_audio.corpora.sources.archives import (
    Limits,
    extract_members,
    extraction_folder,
    stem,
)
from disentangled_audio.corpora.sources.file_hash import check_hash, hash_of, recorded_hash
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource

DOWNLOADS = "downloads"
EXTRACTED = "extracted"


def archive_label(source: ArchiveSource) -> str:
    """What the source is called in tables, wherever its files come from."""
    return source.subfolder[0].strip("/") or stem(source.name)


def archive_place(source: ArchiveSource, how_to_get: str, folders: list[Path]) -> Path:
    """The folder with a source's recordings; downloaded and extracted only if it must be.

    With `extract: false` the archive itself, unless its folder is there already.

    Parameters
    ----------
    source : ArchiveSource
    how_to_get : str
        What to tell the user if the archive is nowhere and has no URL.
    folders : list of Path
        Where an extracted folder or the archive is looked for, first match wins; the last one
        takes downloads and what is extracted.

    Raises
    ------
    UserError
        If the archive is not there and has no URL, cannot be downloaded, has another hash, is
        unsafe, or lacks the source's members or subfolder.
    """
    by_hand = _by_hand(source, folders)
    if by_hand is not None:
        return by_hand
    if not source.extract:
        return _obtained(source, how_to_get, folders)
    target = _extracted_before(source, folders)
    if target is None:
        path = _obtained(source, how_to_get, folders)
        known = source.hash or hash_of(path)
        target = extract_members(
            path, source.members, _target(source, path, known, folders), limits_of(source)
        )
    extracted = _subfolder(target, source.subfolder)
    if extracted is None:
        raise UserError(
            f"{target}, extracted from {_archive_path(source, folders)}, has no folder "
            f"{' or '.join(map(repr, source.subfolder))} with members that match "
            f"{source.members}; correct the source's subfolder"
        )
    return extracted


def limits_of(source: ArchiveSource) -> Limits:
    """What the source's archive may hold."""
    return Limits(source.max_extracted_gb * 1e9, source.max_ratio)


def archive_record(source: ArchiveSource, folders: list[Path]) -> dict[str, Any]:
    """What a run used, for its manifest: the archive's hashes, or the folder in its place.

    Returns
    -------
    dict
        `url`, and `folder` if somebody extracted it; else `archive`, the `hash` that is asked
        for, and the archive's own `sha256` if it is still there or was recorded.
    """
    by_hand = _by_hand(source, folders)
    if by_hand is not None:
        return {"url": source.url, "folder": str(by_hand)}
    path = _archive_path(source, folders)
    found = recorded_hash(path) or (hash_of(path) if path.is_file() else None)
    return {
        "url": source.url,
        "archive": str(path),
        "hash": source.hash,
        "sha256": found and found.partition(":")[2],
    }


def _archive_path(source: ArchiveSource, folders: list[Path]) -> Path:
    """The archive where it is or once was, or where a download would be put."""
    candidates = _candidates(source, folders)
    downloads = _downloads(source, folders)
    recorded = (path for path in downloads if recorded_hash(path) is not None)
    return _first_file(candidates) or next(recorded, downloads[0])


def _first_file(candidates: list[Path]) -> Path | None:
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _by_hand(source: ArchiveSource, folders: list[Path]) -> Path | None:
    """The folder of somebody who extracted the archive, if there is one."""
    own = Path(source.folder).expanduser() if source.folder is not None else None
    for base in folders:
        if own is not None and (base / own).is_dir():
            return base / own
    for base in folders:
        # Not the data folder itself: all that is in it would be taken for the archive's content.
        found = _subfolder(base, [name for name in source.subfolder if name.strip("/")])
        for name in source.names:
            found = found or _subfolder(base / stem(name), source.subfolder)
        if found is not None:
            return found
    return None


def _subfolder(place: Path, subfolders: list[str]) -> Path | None:
    """The first of the subfolders that is there below a folder."""
    for pattern in subfolders:
        matching = sorted(place.glob(pattern)) if pattern.strip("/") else [place]
        found = next((folder for folder in matching if folder.is_dir()), None)
        if found is not None:
            return found
    return None


def _candidates(source: ArchiveSource, folders: list[Path]) -> list[Path]:
    """Where the archive may lie."""
    wanted = [Path(name).expanduser() for name in source.archive or source.names]
    # An absolute path stays itself below any folder.
    places = [base / path for path in wanted for base in folders]
    places += [base / DOWNLOADS / name for name in source.names for base in folders]
    return list(dict.fromkeys(places))


def _downloads(source: ArchiveSource, folders: list[Path]) -> list[Path]:
    """Where a download of each of the source's archives is put."""
    return [folders[-1] / DOWNLOADS / name for name in source.mirrors]


def _extracted_before(source: ArchiveSource, folders: list[Path]) -> Path | None:
    """What a known archive was extracted to, which serves without the archive."""
    present = _first_file(_candidates(source, folders))
    for path in [present] if present else _downloads(source, folders):
        known = source.hash or recorded_hash(path)
        if known is not None and _target(source, path, known, folders).is_dir():
            return _target(source, path, known, folders)
    return None


def _obtained(source: ArchiveSource, how_to_get: str, folders: list[Path]) -> Path:
    candidates = _candidates(source, folders)
    path = _first_file(candidates)
    if path is not None:
        check_hash(path, source.hash)
        return path
    if source.url:
        return _fetched(source, folders[-1] / DOWNLOADS)
    looked = "\n".join(f"  {candidate}" for candidate in candidates)
    raise UserError(
        f"archive not found; looked at\n{looked}\n{how_to_get}\n"
        "To use an archive that lies elsewhere, set DISENTANGLED_AUDIO_DATA to its folder."
    )


def _fetched(source: ArchiveSource, folder: Path) -> Path:
    """The first of the source's archives that can be had."""
    # Those who only read files import no network.
    from disentangled_audio.corpora.sources.fetch import UnavailableError, fetch

    unavailable = []
    for name, urls in source.mirrors.items():
        try:
            return fetch(urls, folder, name, source.hash)
        except UnavailableError as error:
            unavailable.append(error)
    if len(unavailable) == 1:
        raise unavailable[0]
    raise UserError("\n".join(map(str, unavailable))) from unavailable[-1]


def _target(source: ArchiveSource, path: Path, archive_hash: str, folders: list[Path]) -> Path:
    name = extraction_folder(path.name, archive_hash, source.members)
    return folders[-1] / EXTRACTED / name
