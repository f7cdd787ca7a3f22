"""Recordings that are read from a zip archive in place, without extracting it."""

import fnmatch
import functools
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from disentangled_audio.corpora.sources.archive import DAMAGED, Limits, list_members
from disentangled_audio.corpora.sources.folder import File, Patterns, RejectedError, too_large
from disentangled_audio.errors import UserError


@dataclass(frozen=True)
class ZippedFile(File):
    """A member of a zip archive, `path`, that is read in place by its `member` name."""

    member: str = ""

    def _content(self) -> bytes:
        modified_ns = self.path.stat().st_mtime_ns
        try:
            return _opened_zip(self.path, modified_ns).read(self.member)
        # A damaged bzip2 stream raises an OSError.
        except (*DAMAGED, OSError) as error:
            raise RejectedError(
                f"damaged in its archive: {error}", "get the archive again"
            ) from error

    def __str__(self) -> str:
        return f"{self.path}:{self.member}"


@functools.lru_cache(maxsize=2)
def _opened_zip(archive: Path, modified_ns: int) -> zipfile.ZipFile:
    # Cached, because opening reads the archive's whole directory.
    return zipfile.ZipFile(archive)


def files_in_zip(
    archive: Path, subfolders: list[str], members: list[str], patterns: list[str], limits: Limits
) -> list[File]:
    """List the members of a zip below one of its folders that match one of the glob patterns.

    Parameters
    ----------
    archive : Path
    subfolders : list of str
        Folder in the archive, as glob patterns, of which the first that matches is used; empty
        for the whole archive.
    members : list of str
        Shell patterns for whole paths in the archive, as for extraction.
    patterns : list of str
        Glob patterns below the subfolder.
    limits : Limits

    Raises
    ------
    UserError
        If the archive is not a zip, is damaged or unsafe, or a pattern is invalid.
    """
    if not zipfile.is_zipfile(archive):
        raise UserError(
            f"{archive} is not a zip archive, and only zips can be read in place; set extract: true"
        )
    chosen = list_members(archive, members, limits)
    prefix = _first_prefix(subfolders, list(chosen))
    if prefix is None:
        return []
    wanted = Patterns(patterns)
    return [
        ZippedFile(archive, path.removeprefix(prefix), too_large(member.n_bytes), member.name)
        for path, member in chosen.items()
        if path.startswith(prefix) and wanted.matches(path.removeprefix(prefix))
    ]


def _first_prefix(subfolders: list[str], paths: list[str]) -> str | None:
    """Find the first subfolder that has members, as the prefix of their paths."""
    for pattern in subfolders:
        parts = PurePosixPath(pattern.strip("/")).parts
        tops = {PurePosixPath(path).parts[: len(parts)] for path in paths}
        matching = sorted(
            top
            for top in tops
            if len(top) == len(parts) and all(map(fnmatch.fnmatchcase, top, parts))
        )
        if matching:
            return "".join(f"{part}/" for part in matching[0])
    return None
