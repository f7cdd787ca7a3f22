"""Locates the recordings of a corpus, and downloads, extracts or generates missing ones."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from disentangled_audio.corpora.sources.archive import extract_members
from disentangled_audio.corpora.sources.download import check_hash, fetch, recorded_hash
from disentangled_audio.corpora.sources.folder import File, Located, files_in_folder
from disentangled_audio.corpora.sources.generated import generate, generated_folder
from disentangled_audio.corpora.sources.zip_in_place import files_in_zip
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    AUDIO_PATTERNS,
    GENERATORS,
    AnySource,
    ArchiveSource,
    Corpus,
    FolderSource,
)
from disentangled_audio.storage.hashing import hash_of, short_hash
from disentangled_audio.storage.patterns import Pattern


def locate(corpus: Corpus, folders: list[Path]) -> list[Located]:
    """List all recordings of a corpus by name; download, extract or generate missing ones.

    Parameters
    ----------
    corpus : Corpus
    folders : list of Path
        Folders that are searched in order for relative paths; generated, downloaded and extracted
        files go below the last one.

    Raises
    ------
    UserError
        If a source is missing and cannot be obtained, no file matches, `files` or
        `channel_files` is not a pattern, or two recordings have the same name.
    """
    return in_order(
        recording
        for source in corpus.sources
        for recording in recordings_of(source, corpus, _obtained(source, corpus, folders))
    )


def in_order(recordings: Iterable[Located]) -> list[Located]:
    """Sort recordings by name; raise a UserError if two have the same name."""
    located = sorted(recordings, key=lambda recording: recording.name)
    for one, other in pairwise(located):
        if one.name == other.name:
            files = " and ".join(str(file) for item in (one, other) for file in item.files[:1])
            raise UserError(
                f"two sources give {one.name}: {files}; list a folder once, and give sources "
                "different labels"
            )
    return located


def _obtained(source: AnySource, corpus: Corpus, folders: list[Path]) -> Path:
    place = find(source, corpus, folders)
    if place is not None:
        return place
    if isinstance(source, GENERATORS):
        return generate(source, folders[-1])
    archive = _archives(source, folders)[0]
    if not archive.is_file():
        archive = fetch(source.mirrors, archive.parent, source.hash)
    if not source.extract:
        return archive
    extracted = extract_members(archive, source, _target(source, archive, folders))
    return _subfolder_of(extracted, source)


def find(source: AnySource, corpus: Corpus, folders: list[Path]) -> Path | None:
    """Give the folder with a source's files, or the zip to read in place; writes nothing.

    Returns
    -------
    Path or None
        None if it must be downloaded, extracted or generated first.

    Raises
    ------
    UserError
        If it is missing and cannot be obtained, or an archive has a wrong hash.
    """
    if isinstance(source, FolderSource):
        return _found_folder(source, corpus.how_to_get, folders)
    if isinstance(source, GENERATORS):
        folder = generated_folder(source, folders[-1])
        return folder if folder.is_dir() else None
    return _by_hand(source, folders) or _of_archive(source, corpus.how_to_get, folders)


def _found_folder(source: FolderSource, how_to_get: str, folders: list[Path]) -> Path:
    wanted = Path(source.folder).expanduser()
    # Joining a folder with an absolute path gives that path.
    candidates = list(dict.fromkeys(base / wanted for base in folders or [Path()]))
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise UserError(
        f"recordings not found; looked at\n{_listed(candidates)}\n{how_to_get}\n"
        "To use recordings in another place, set DISENTANGLED_AUDIO_DATA to the folder that "
        f"contains {wanted}."
    )


def _listed(candidates: list[Path]) -> str:
    return "\n".join(f"  {candidate}" for candidate in candidates)


def _by_hand(source: ArchiveSource, folders: list[Path]) -> Path | None:
    """Find the folder into which somebody extracted the archive by hand."""
    own = [] if source.folder is None else [Path(source.folder).expanduser()]
    places = [base / folder for folder in own for base in folders]
    for base in folders:
        # Not the data folder itself, whose whole content would be taken for the archive's.
        places.append(_subfolder(base, [name for name in source.subfolder if name.strip("/")]))
        places += [_subfolder(base / stem(name), source.subfolder) for name in source.names]
    return next((place for place in places if place is not None and place.is_dir()), None)


def _subfolder(place: Path, subfolders: list[str]) -> Path | None:
    """Find the first of the subfolders that exists below a folder."""
    for pattern in subfolders:
        matching = sorted(place.glob(pattern)) if pattern.strip("/") else [place]
        found = next((folder for folder in matching if folder.is_dir()), None)
        if found is not None:
            return found
    return None


def _subfolder_of(extracted: Path, source: ArchiveSource) -> Path:
    found = _subfolder(extracted, source.subfolder)
    if found is None:
        raise UserError(
            f"{extracted}, extracted from {' or '.join(source.names)}, has no folder "
            f"{' or '.join(map(repr, source.subfolder))} with members that match "
            f"{source.members}; correct the source's subfolder"
        )
    return found


def _of_archive(source: ArchiveSource, how_to_get: str, folders: list[Path]) -> Path | None:
    archives = _archives(source, folders)
    # An earlier extraction does not need the archive any more.
    for path in archives if source.extract else []:
        target = _target(source, path, folders)
        if target.is_dir():
            return _subfolder_of(target, source)
    archive = archives[0]
    if archive.is_file():
        check_hash(archive, source.hash)
        return None if source.extract else archive
    if not source.url:
        raise UserError(
            f"archive not found; looked at\n{_listed(_candidates(source, folders))}\n"
            f"{how_to_get}\n"
            "To use an archive in another place, set DISENTANGLED_AUDIO_DATA to its folder."
        )
    return None


def _archives(source: ArchiveSource, folders: list[Path]) -> list[Path]:
    """Give the archive; if it is nowhere, the paths to which it can be downloaded."""
    found = [path for path in _candidates(source, folders) if path.is_file()]
    return found[:1] or [folders[-1] / "downloads" / name for name in source.mirrors]


def _candidates(source: ArchiveSource, folders: list[Path]) -> list[Path]:
    """List the paths at which the archive may be."""
    wanted = [Path(name).expanduser() for name in source.archive or source.names]
    places = [base / path for path in wanted for base in folders]
    places += [base / "downloads" / name for name in source.names for base in folders]
    return list(dict.fromkeys(places))


def _own_hash(path: Path) -> str | None:
    """Give the SHA-256 of an archive, even if only its record is left."""
    return recorded_hash(path) or (hash_of(path) if path.is_file() else None)


def _target(source: ArchiveSource, path: Path, folders: list[Path]) -> Path:
    """Name the folder for the members that a source's patterns choose from this archive."""
    key = short_hash([source.hash or _own_hash(path), sorted(source.members)])[:12]
    return folders[-1] / "extracted" / f"{stem(path.name)}-{key}"


def source_records(corpus: Corpus, folders: list[Path]) -> list[dict[str, Any]]:
    """Describe the origin of each source's recordings, for the manifest of a run.

    Returns
    -------
    list of dict
        `label`, and the source's folder, or generator and seed. For an archive `url`, and
        `folder` if it was extracted by hand; otherwise `archive`, the expected `hash`, and the
        archive's `sha256` if it still exists or was recorded.
    """
    records = []
    for source in corpus.sources:
        record = source.model_dump(include={"folder", "generator", "seed"})
        if isinstance(source, ArchiveSource):
            record = _archive_record(source, folders)
        records.append({"label": label_of(source), **record})
    return records


def _archive_record(source: ArchiveSource, folders: list[Path]) -> dict[str, Any]:
    by_hand = _by_hand(source, folders)
    if by_hand is not None:
        return {"url": source.url, "folder": str(by_hand)}
    archives = _archives(source, folders)
    path = next(filter(_own_hash, archives), archives[0])
    found = _own_hash(path)
    return {
        "url": source.url,
        "archive": str(path),
        "hash": source.hash,
        "sha256": found and found.partition(":")[2],
    }


def label_of(source: AnySource) -> str:
    """Give the label of a source in tables, which does not depend on where its files are."""
    if source.label is not None:
        return source.label
    if isinstance(source, ArchiveSource):
        return source.subfolder[0].strip("/") or stem(source.name)
    if isinstance(source, GENERATORS):
        return source.generator
    folder = Path(source.folder)
    elsewhere = folder.is_absolute() or source.folder.startswith("~")
    return folder.name if elsewhere else folder.as_posix()


def stem(archive_name: str) -> str:
    """Remove the suffixes from the name of an archive."""
    return re.sub(r"(?i)(?<=.)\.(zip|tar|tgz|tar\.gz)$", "", archive_name)


def recordings_of(source: AnySource, corpus: Corpus, place: Path) -> list[Located]:
    """List the recordings of one source, sorted, in the place that `obtain` or `find` gave."""
    patterns = patterns_of(source, corpus)
    files = files_of(source, place, patterns)
    if not files:
        raise UserError(f"no file matches {patterns} below {place}")
    recordings = sorted(_by_recording(files, source.channel_files).items())
    label = label_of(source)
    # Not the smallest number of all: one stray file would make every recording lack a channel.
    firsts = Counter(min(channels) for _, channels in recordings)
    first = min(firsts, key=lambda number: (-firsts[number], number))
    return [
        Located(
            tuple(channels[number] for number in sorted(channels)),
            label,
            relative,
            source,
            _missing(channels, first, source.n_channel_files),
        )
        for relative, channels in thinned(recordings, source.max_files)
    ]


def patterns_of(source: AnySource, corpus: Corpus) -> list[str]:
    """Glob patterns of a source's files."""
    chosen = corpus.files if source.files is None else source.files
    return AUDIO_PATTERNS if chosen is None else chosen


def files_of(source: AnySource, place: Path, patterns: list[str]) -> list[File]:
    """List the files of a source that match one of the patterns, in the place that `find` gave."""
    if isinstance(source, ArchiveSource) and place.is_file():
        return files_in_zip(place, source, patterns)
    return files_in_folder(place, patterns)


def _missing(channels: dict[int, File], first: int, n_channels: int | None) -> tuple[int, ...]:
    """List the channel numbers that a recording lacks, counted from the source's usual first."""
    end = max(channels) + 1 if n_channels is None else first + n_channels
    return tuple(sorted(set(range(first, end)) - set(channels)))


def _by_recording(files: list[File], channel_files: str | None) -> dict[str, dict[int, File]]:
    """Group files by recording and by channel number."""
    if channel_files is None:
        return {file.relative: {0: file} for file in files}
    pattern = _channel_pattern(channel_files)
    channels: dict[str, dict[int, File]] = defaultdict(dict)
    for file in files:
        match = pattern.search(file.relative)
        digits = "" if match is None else "".join(filter(str.isdigit, match["channel"]))
        start, end = (0, 0) if match is None else match.span("channel")
        name = file.relative[:start] + file.relative[end:]
        channels[name][int(digits or 0)] = file
    return channels


def _channel_pattern(text: str) -> Pattern:
    pattern = Pattern(text, f"channel_files {text!r}")
    if "channel" not in pattern.groups:
        raise UserError(f"channel_files {text!r} needs a group (?P<channel>…)")
    return pattern


def thinned(items: list[Any], most: int | None) -> list[Any]:
    """Choose at most so many evenly spaced items, so that no class or room is favoured."""
    if most is None or len(items) <= most:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, most).round().astype(int)]
