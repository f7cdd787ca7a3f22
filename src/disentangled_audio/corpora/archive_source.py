"""A source in an archive: an extracted folder, a local file and a URL are interchangeable."""

from pathlib import Path
from typing import Any

from disentangled_audio.corpora.archives import Limits, extract_members, extraction_folder, stem
from disentangled_audio.corpora.fetch import check_hash, fetch, hash_of, recorded_hash
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource

DOWNLOADS = "downloads"
EXTRACTED = "extracted"


def archive_label(source: ArchiveSource) -> str:
    """What the source is called in tables, wherever its files come from."""
    return source.subfolder.strip("/") or stem(source.name)


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
    for folder in _by_hand(source, folders):
        if folder.is_dir():
            return folder
    candidates = _candidates(source, folders)
    path = _first_file(candidates)
    if not source.extract:
        return _obtained(source, path, how_to_get, candidates)
    # What a known archive was extracted to serves without the archive.
    known = source.hash or recorded_hash(path)
    if known is None or not _extracted(source, known, folders[-1]).is_dir():
        path = _obtained(source, path, how_to_get, candidates)
        known = source.hash or hash_of(path)
    target = _extracted(source, known, folders[-1])
    extracted = extract_members(path, source.members, target, limits_of(source)) / source.subfolder
    if not extracted.is_dir():
        raise UserError(
            f"archive {path} has no folder {source.subfolder!r} with members that match "
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
    by_hand = next((folder for folder in _by_hand(source, folders) if folder.is_dir()), None)
    if by_hand is not None:
        return {"url": source.url, "folder": str(by_hand)}
    path = _first_file(_candidates(source, folders))
    found = recorded_hash(path) or (hash_of(path) if path.is_file() else None)
    return {
        "url": source.url,
        "archive": str(path),
        "hash": source.hash,
        "sha256": found and found.partition(":")[2],
    }


def _first_file(candidates: list[Path]) -> Path:
    """The archive where it is, or where a download will put it."""
    return next((candidate for candidate in candidates if candidate.is_file()), candidates[-1])


def _by_hand(source: ArchiveSource, folders: list[Path]) -> list[Path]:
    """Where somebody who extracted the archive has its folder."""
    named = stem(source.name)
    if source.folder is not None:
        own = _by_hand(source.model_copy(update={"folder": None}), folders)
        return [*(base / Path(source.folder).expanduser() for base in folders), *own]
    if not source.subfolder:
        return [base / named for base in folders]
    return [base / above / source.subfolder for base in folders for above in ("", named)]


def _candidates(source: ArchiveSource, folders: list[Path]) -> list[Path]:
    """Where the archive may lie; the last is where a download is put."""
    wanted = Path(source.archive or source.name).expanduser()
    if wanted.is_absolute():
        places = [wanted]
    else:
        places = [base / wanted for base in folders]
        places += [base / DOWNLOADS / source.name for base in folders[:-1]]
    return [*places, folders[-1] / DOWNLOADS / source.name]


def _obtained(source: ArchiveSource, path: Path, how_to_get: str, candidates: list[Path]) -> Path:
    if path.is_file():
        check_hash(path, source.hash)
        return path
    if source.url:
        return fetch(source.url, path.parent, path.name, source.hash)
    looked = "\n".join(f"  {candidate}" for candidate in candidates)
    raise UserError(
        f"archive not found; looked at\n{looked}\n{how_to_get}\n"
        "To use an archive that lies elsewhere, set DISENTANGLED_AUDIO_DATA to its folder."
    )


def _extracted(source: ArchiveSource, archive_hash: str, folder: Path) -> Path:
    return folder / EXTRACTED / extraction_folder(source.name, archive_hash, source.members)
