"""Files with recordings: in a folder, or in a zip archive that is read in place."""

import functools
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from fsspec.utils import glob_translate

from disentangled_audio.corpora.archives import Limits, list_members
from disentangled_audio.errors import UserError


@dataclass(frozen=True)
class File:
    """A file on the disk, or a member of a zip archive.

    Attributes
    ----------
    path : Path
        The file, or the archive.
    relative : str
        Its path below the source's folder, with forward slashes.
    member : str or None
        Its name in the archive.
    """

    path: Path
    relative: str
    member: str | None = None

    def read(self) -> bytes:
        """All bytes of the file.

        Raises
        ------
        OSError
            If the file cannot be read.
        zipfile.BadZipFile
            If the member is damaged.
        """
        if self.member is None:
            return self.path.read_bytes()
        return _opened(self.path, self.path.stat().st_mtime_ns).read(self.member)

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}:{self.member}"


def files_in_folder(folder: Path, patterns: list[str]) -> list[File]:
    """Files below a folder that match one of the glob patterns.

    Raises
    ------
    UserError
        If a pattern is none.
    """
    try:
        paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    except (ValueError, NotImplementedError) as error:
        raise UserError(
            f"corpus.files {patterns}: {error}; write a pattern such as '**/*.wav'"
        ) from error
    return [File(path, path.relative_to(folder).as_posix()) for path in paths]


def files_in_zip(
    archive: Path, subfolder: str, members: list[str], patterns: list[str], limits: Limits
) -> list[File]:
    """Members of a zip below one of its folders that match one of the glob patterns.

    Parameters
    ----------
    archive : Path
    subfolder : str
        Folder in the archive; empty for all of it.
    members : list of str
        Shell patterns for whole paths in the archive, as for extraction.
    patterns : list of str
        Glob patterns below the subfolder.
    limits : Limits
        What the archive may hold.

    Raises
    ------
    UserError
        If the archive is no zip, is damaged or unsafe.
    """
    if not zipfile.is_zipfile(archive):
        raise UserError(
            f"{archive} is no zip archive, and only a zip can be read in place; set extract: true"
        )
    above = f"{subfolder.strip('/')}/" if subfolder.strip("/") else ""
    globs = [re.compile(glob_translate(pattern)) for pattern in patterns]
    below = [
        File(archive, member.path.removeprefix(above), member.name)
        for member in list_members(archive, members, limits)
        if member.path.startswith(above)
    ]
    return [file for file in below if any(glob.match(file.relative) for glob in globs)]


@functools.lru_cache(maxsize=2)
def _opened(archive: Path, modified_ns: int) -> zipfile.ZipFile:
    # Opening reads the whole directory of the archive, far more than one member.
    return zipfile.ZipFile(archive)
