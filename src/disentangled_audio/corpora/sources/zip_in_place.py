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
        # A bzip2 stream that is damaged is an OSError.
        except (*DAMAGED, OSError) as error:
            raise RejectedError(
                f"damaged in its archive: {error}", "get the archive again"
            ) from error

    def __str__(self) -> str:
        return f"{self.path}:{self.member}"


@functools.lru_cache(maxsize=2)
def _opened_zip(archive: Path, modified_ns: int) -> zipfile.ZipFile:
    # Opening reads the whole directory of the archive, far more than one member.
    return zipfile.ZipFile(archive)


def files_in_zip(
    archive: Path, subfolders: list[str], members: list[str], patterns: list[str], limits: Limits
) -> list[File]:
    """Members of a zip below one of its folders that match one of the glob patterns.

    Parameters
    ----------
    archive : Path
    subfolders : list of str
        Folder in the archive, as a glob pattern; empty for all of it. The first counts that has
        members.
    members : list of str
        Shell patterns for whole paths in the archive, as for extraction.
    patterns : list of str
        Glob patterns below the subfolder.
    limits : Limits
        What the archive may hold.

    Raises
    ------
    UserError
        If the archive is no zip, is damaged or unsafe, or a pattern is none.
    """
    if not zipfile.is_zipfile(archive):
        raise UserError(
            f"{archive} is no zip archive, and only a zip can be read in place; set extract: true"
        )
    chosen = list_members(archive, members, limits)
    above = _first_above(subfolders, list(chosen))
    if above is None:
        return []
    wanted = Patterns(patterns)
    return [
        ZippedFile(archive, path.removeprefix(above), too_large(member.n_bytes), member.name)
        for path, member in chosen.items()
        if path.startswith(above) and wanted.matches(path.removeprefix(above))
    ]


def _first_above(subfolders: list[str], paths: list[str]) -> str | None:
    """What paths in the first folder that is there begin with."""
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
