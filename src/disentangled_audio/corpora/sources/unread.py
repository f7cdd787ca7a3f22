"""Counts the audio files beside the recordings that were not read, so that none is left out."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from disentangled_audio.corpora.sources.folder import Patterns, files_in_folder
from disentangled_audio.corpora.sources.zip_in_place import files_in_zip
from disentangled_audio.parameters import AUDIO_PATTERNS, ArchiveSource

NO_FFMPEG = "ffmpeg is not installed; install it, or convert them to wav or flac"
_UNMATCHED = "corpus.files does not match them; add '**/*.{}' to it, or remove them"
_NO_HEADER = "they have no header; convert them to wav, or give their source a format (reader: raw)"
_HEADERLESS = ("pcm", "raw", "vox")
_HEADERLESS_PATTERNS = [f"**/*.{ending}" for ending in _HEADERLESS]
# All members, within the usual limits.
ANY_ZIP = ArchiveSource(archive=["any.zip"])


def unread(
    place: Path, patterns: list[str] = AUDIO_PATTERNS, archive: ArchiveSource = ANY_ZIP
) -> list[str]:
    """Say how many audio files of a folder or zip no pattern matches, by ending.

    An ending that the patterns match for some other file is left out: these were chosen.

    Parameters
    ----------
    place : Path
    patterns : list of str
        Glob patterns of the files that are read.
    archive : ArchiveSource
        What a zip is read by.
    """
    wanted = [*AUDIO_PATTERNS, *_HEADERLESS_PATTERNS]
    if place.is_dir():
        files = files_in_folder(place, wanted)
    else:
        files = files_in_zip(place, archive, wanted)
    matches = Patterns(patterns).matches
    names = [file.relative for file in files if file.fault is None]
    chosen = {ending_of(name) for name in names if matches(name)}
    return not_read((name, _why(name)) for name in names if ending_of(name) not in chosen)


def not_read(files: Iterable[tuple[str, str]]) -> list[str]:
    """Say how many files of each ending were not read, and why, from names and reasons."""
    counts = Counter((ending_of(name), why) for name, why in files)
    return [
        f"{count} {'file' if count == 1 else 'files'} ending in .{ending} "
        f"{'was' if count == 1 else 'were'} not read: {why}"
        for (ending, why), count in sorted(counts.items())
    ]


def ending_of(name: str) -> str:
    """Ending of a file's name in lower case, without the dot."""
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _why(name: str) -> str:
    ending = ending_of(name)
    return _NO_HEADER if ending in _HEADERLESS else _UNMATCHED.format(ending)
