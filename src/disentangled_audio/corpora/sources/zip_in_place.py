"""Recordings that are read from a zip archive in place, without extracting it."""

import functools
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fsspec.utils import glob_translate

from disentangled_audio.corpora.sources.archive import DAMAGED, list_members
from disentangled_audio.corpora.sources.folder import File, Patterns, RejectedError, too_large
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource
from disentangled_audio.storage.patterns import Pattern


@dataclass(frozen=True)
class ZippedFile(File):
    """A member of a zip archive, `path`, that is read in place by its `member` name."""

    member: str = ""

    @property
    def own_path(self) -> None:
        """None: other programs see only the archive."""
        return None

    def _stored(self) -> bytes:
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


def files_in_zip(archive: Path, source: ArchiveSource, patterns: list[str]) -> list[File]:
    """List the members of a source's zip whose paths below its subfolder match a glob pattern.

    Raises
    ------
    UserError
        If the archive is not a zip, is damaged or unsafe, or a pattern is invalid.
    """
    if not zipfile.is_zipfile(archive):
        raise UserError(
            f"{archive} is not a zip archive, and only zips can be read in place; set extract: true"
        )
    members = list_members(archive, source)
    prefix = _first_prefix(source.subfolder, list(members))
    if prefix is None:
        return []
    wanted = Patterns(patterns)
    return [
        ZippedFile(archive, path.removeprefix(prefix), too_large(member.n_bytes), member.name)
        for path, member in members.items()
        if path.startswith(prefix) and wanted.matches(path.removeprefix(prefix))
    ]


def _first_prefix(subfolders: list[str], paths: list[str]) -> str | None:
    """Find the first subfolder that has members, as the prefix of their paths."""
    closest = {PurePosixPath(path).parent for path in paths}
    folders = sorted({str(folder) for path in closest for folder in (path, *path.parents)})
    for pattern in (subfolder.strip("/") for subfolder in subfolders):
        if not pattern:
            return ""
        matches = Pattern(glob_translate(pattern), f"the subfolder {pattern!r}").match
        found = next(filter(matches, folders), None)
        if found is not None:
            return f"{found}/"
    return None
