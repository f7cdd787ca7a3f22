"""Recordings that a person names: files, folders, glob patterns, zips."""

import glob
import zipfile
from collections.abc import Sequence
from pathlib import Path

from disentangled_audio.corpora.sources.folder import File, files_in_folder
from disentangled_audio.corpora.sources.ignored import is_ignored
from disentangled_audio.corpora.sources.unread import ANY_ZIP, unread
from disentangled_audio.corpora.sources.zip_in_place import files_in_zip
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AUDIO_FILES, AUDIO_PATTERNS


def named_files(places: Sequence[str]) -> list[File]:
    """List the recordings in some places, each once, in the order of the places.

    A place is a file with any name, a folder (for the audio files below it), a glob pattern or a
    zip archive.

    Raises
    ------
    UserError
        If a place does not exist, or has no audio file.
    """
    if not places:
        raise UserError("the list of paths is empty: name a file, folder, glob pattern or zip")
    files = [file for place in places for file in _files(place)]
    return list({str(file): file for file in files}.values())


def unread_in(places: Sequence[str]) -> list[str]:
    """Say how many audio files of folders and zips among the places are not read, by ending."""
    paths = [Path(place).expanduser() for place in places]
    return [
        sentence
        for path in dict.fromkeys(paths)
        if path.is_dir() or (path.suffix.lower() == ".zip" and path.is_file())
        for sentence in unread(path)
    ]


def _files(place: str) -> list[File]:
    if not place:
        raise UserError("a path is empty; name a file, folder, glob pattern or zip")
    if "://" in place:
        raise UserError(f"{place} is a web address; download the recording, and name its file")
    path = Path(place).expanduser()
    # A path that exists is taken literally, even with characters of a pattern.
    if path.exists():
        found = _files_at(path)
    else:
        # So are the existing folders of a pattern.
        known = next(parent for parent in path.parents if parent.exists())
        pattern = str(path.relative_to(known))
        is_pattern = glob.has_magic(pattern)
        escaped = Path(glob.escape(str(known))) / pattern
        matching = sorted(glob.glob(str(escaped), recursive=True)) if is_pattern else []
        if not matching:
            reason = "matches nothing" if is_pattern else "does not exist"
            raise UserError(f"{place} {reason}; looked from {Path.cwd()}")
        matched = [name for name in map(Path, matching) if not _is_ignored_below(known, name)]
        found = [file for name in matched for file in _files_at(name)]
    if not found:
        raise UserError(f"{place} has no recording (looked for {', '.join(AUDIO_FILES)})")
    return found


def _is_ignored_below(folder: Path, path: Path) -> bool:
    relative = path.relative_to(folder).as_posix()
    return is_ignored(f"{relative}/" if path.is_dir() else relative)


def _files_at(path: Path) -> list[File]:
    if path.is_dir():
        return files_in_folder(path, AUDIO_PATTERNS)
    if path.suffix.lower() != ".zip":
        return [File(path, path.name)]
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not a zip archive, despite its name; get it again")
    return files_in_zip(path, ANY_ZIP, AUDIO_PATTERNS)
