"""Recordings that a person names on the command line: files, folders, glob patterns, zips."""

import glob
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePath

from disentangled_audio.corpora.sources.archive import Limits
from disentangled_audio.corpora.sources.folder import File, files_in_folder
from disentangled_audio.corpora.sources.zip_in_place import files_in_zip
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AUDIO_FILES, AUDIO_PATTERNS, ArchiveSource

# Of macOS, beside every file of an archive: no sound, whatever their names end in.
_RESOURCE_FORK = "._"
_ARCHIVES = (".zip",)


def named_files(places: Sequence[str]) -> list[File]:
    """Every recording that some places name, each once, in the order of the places.

    Parameters
    ----------
    places : sequence of str
        Files of any name, folders (audio files below them), glob patterns, zip archives.

    Raises
    ------
    UserError
        If a place does not exist, or has no audio file.
    """
    if not places:
        raise UserError(
            "nothing to classify: name a file, folder, glob pattern or zip "
            "(--params=inference.recordings=PATH)"
        )
    files = [file for place in places for file in _files(place)]
    return list({str(file): file for file in files}.values())


def _files(place: str) -> list[File]:
    if not place:
        raise UserError("a place is empty; name a file, folder, glob pattern or zip")
    if "://" in place:
        raise UserError(f"{place} is a web address; download the recording, and name its file")
    path = Path(place).expanduser()
    # A name that exists is meant as it is, whatever characters it has.
    if path.exists():
        found = _of_path(path)
    else:
        # So are the folders of a pattern.
        known = next(parent for parent in path.parents if parent.exists())
        pattern = str(path.relative_to(known))
        is_pattern = glob.has_magic(pattern)
        escaped = Path(glob.escape(str(known))) / pattern
        matching = sorted(glob.glob(str(escaped), recursive=True)) if is_pattern else []
        if not matching:
            reason = "matches nothing" if is_pattern else "does not exist"
            raise UserError(f"{place} {reason}; looked from {Path.cwd()}")
        found = [file for name in matching for file in _of_path(Path(name))]
    if not found:
        raise UserError(f"{place} has no recording (looked for {', '.join(AUDIO_FILES)})")
    return found


def _of_path(path: Path) -> list[File]:
    if path.is_dir():
        found = sorted(files_in_folder(path, AUDIO_PATTERNS), key=lambda file: file.relative)
    elif path.suffix.lower() in _ARCHIVES:
        if not zipfile.is_zipfile(path):
            raise UserError(f"{path} is no zip archive, whatever its name says; get it again")
        limits = Limits.of(ArchiveSource(archive=[str(path)]))
        found = files_in_zip(path, [""], ["*"], AUDIO_PATTERNS, limits)
    else:
        return [File(path, path.name)]
    return [f for f in found if not PurePath(f.relative).name.startswith(_RESOURCE_FORK)]
