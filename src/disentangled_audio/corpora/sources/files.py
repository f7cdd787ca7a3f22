"""Files with recordings: in a folder, or in a zip archive that is read in place."""

import functools
import os
import re
import stat
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from fsspec.utils import glob_translate

from disentangled_audio.corpora.reading.readers import RejectedError
from disentangled_audio.corpora.sources.archives import DAMAGED, Limits, list_members
from disentangled_audio.errors import UserError

# Whole recordings are held in memory.
_MAX_BYTES = 2**31
_SPECIAL_KINDS = {
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


@dataclass(frozen=True)
class Fault:
    """Why there is nothing to read, and what to do about it."""

    reason: str
    what_to_do: str


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
    fault : Fault or None
        Why it cannot be read, where that is known before: it is a pipe, a broken link.
    """

    path: Path
    relative: str
    member: str | None = None
    fault: Fault | None = None

    def read(self) -> bytes:
        """All bytes of the file.

        Raises
        ------
        RejectedError
            If it cannot be read whole.
        """
        if self.fault is not None:
            raise RejectedError(self.fault.reason, self.fault.what_to_do)
        try:
            return self._read_file() if self.member is None else self._read_member(self.member)
        except OSError as error:
            raise RejectedError(
                f"cannot be read: {error.strerror or error}", "check the file and its permissions"
            ) from error

    def _read_file(self) -> bytes:
        status = self.path.stat()
        # Not even opened: a pipe would wait for its writer.
        if fault := _special(status) or _too_large(status.st_size):
            raise RejectedError(fault.reason, fault.what_to_do)
        content = self.path.read_bytes()
        if len(content) != status.st_size:
            raise RejectedError(
                f"the file changed while it was read: {len(content)} of {status.st_size} bytes",
                "wait until it is written, and run again",
            )
        return content

    def _read_member(self, member: str) -> bytes:
        modified_ns = self.path.stat().st_mtime_ns
        try:
            return _opened(self.path, modified_ns).read(member)
        # A bzip2 stream that is damaged is an OSError.
        except (*DAMAGED, OSError) as error:
            raise RejectedError(
                f"damaged in its archive: {error}", "get the archive again"
            ) from error

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}:{self.member}"


def _too_large(n_bytes: int) -> Fault | None:
    if n_bytes <= _MAX_BYTES:
        return None
    return Fault(
        f"too large: {n_bytes} bytes, the maximum is {_MAX_BYTES}", "cut it into shorter recordings"
    )


def files_in_folder(folder: Path, patterns: list[str]) -> list[File]:
    """Files below a folder that match one of the glob patterns.

    Links are followed, but each folder is read once. What is no file, or cannot be looked into,
    and may hide one is among them with its fault, so that nothing is lost in silence.

    Parameters
    ----------
    folder : Path
    patterns : list of str
        `**` stands for any folders, also none.

    Returns
    -------
    list of File
        Sorted by their paths.

    Raises
    ------
    UserError
        If a pattern is none, or the folder cannot be read.
    """
    walk = _Walk(folder, _Patterns(patterns))
    files = list(walk.files())
    if walk.matching_folders:
        told = {file.relative for file in files}
        told |= {str(above) for name in told for above in PurePosixPath(name).parents}
        files += [
            File(folder / relative, relative, fault=_FOLDER)
            for relative in walk.matching_folders
            if relative not in told
        ]
    return sorted(files, key=lambda file: file.relative)


_FOLDER = Fault(
    "is a folder, and no file below it matches", "remove or rename it, or narrow corpus.files"
)


class _Patterns:
    """Glob patterns for paths below a folder."""

    def __init__(self, patterns: list[str]) -> None:
        self._parts = []
        for pattern in patterns:
            path = PurePosixPath(pattern)
            if not path.parts or path.is_absolute() or ".." in path.parts:
                raise _no_pattern(patterns, f"{pattern!r} names nothing below the folder")
            self._parts.append(path.parts)
        try:
            globs = [glob_translate("/".join(parts)) for parts in self._parts]
            self.matches = re.compile("|".join(globs)).match
        except (ValueError, re.error) as error:
            raise _no_pattern(patterns, str(error)) from error

    def may_match_below(self, folder: str) -> bool:
        """Whether a path below a folder may match."""
        found = folder.split("/")
        return any(_may_lead(parts, found) for parts in self._parts)


def _no_pattern(patterns: list[str], reason: str) -> UserError:
    return UserError(f"corpus.files {patterns}: {reason}; write a pattern such as '**/*.wav'")


def _may_lead(pattern: tuple[str, ...], folder: list[str]) -> bool:
    for wanted, found in zip(pattern[:-1], folder, strict=False):
        if wanted == "**":
            return True
        if not fnmatchcase(found, wanted):
            return False
    return len(folder) < len(pattern) or pattern[-1] == "**"


class _Walk:
    """One walk through a folder.

    Attributes
    ----------
    matching_folders : list of str
        Folders whose own paths match.
    """

    def __init__(self, folder: Path, patterns: _Patterns) -> None:
        self._folder = folder
        self._patterns = patterns
        self._waiting = deque([""])
        # After all others, so that a folder is called by its own name, and not by a link's.
        self._linked: deque[str] = deque()
        # A link to where the walk comes from would lead round for ever.
        self._read = set(folder.resolve().parents)
        self.matching_folders: list[str] = []

    def files(self) -> Iterator[File]:
        """What matches, in no order."""
        while self._waiting or self._linked:
            relative = (self._waiting or self._linked).popleft()
            yield from self._files_of(relative)

    def _files_of(self, relative: str) -> Iterator[File]:
        path = self._folder / relative
        try:
            real = path.resolve()
            if real in self._read:
                yield File(path, relative, fault=_read_already(real))
                return
            self._read.add(real)
            # Sorted, so that of two links to one folder always the same is followed.
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            if not relative:
                raise UserError(f"folder {path} cannot be read: {error.strerror}") from error
            what_to_do = "check its permissions, and whether its disk is there"
            yield File(path, relative, fault=Fault(f"cannot be read: {error.strerror}", what_to_do))
            return
        for entry in entries:
            yield from self._file(entry, f"{relative}/{entry.name}" if relative else entry.name)

    def _file(self, entry: os.DirEntry[str], relative: str) -> Iterator[File]:
        matches = self._patterns.matches(relative) is not None
        try:
            if entry.is_file():
                if matches:
                    yield File(self._folder / relative, relative)
                return
            if entry.is_dir():
                self._enter(entry, relative, matches=matches)
                return
            fault = _special(entry.stat())
        except OSError as error:
            # Where a link leads that is broken, and whether to a folder, nobody can tell.
            matches = matches or self._patterns.may_match_below(relative)
            fault = _unreachable(Path(entry.path), error)
        if matches:
            yield File(self._folder / relative, relative, fault=fault)

    def _enter(self, entry: os.DirEntry[str], relative: str, *, matches: bool) -> None:
        if matches:
            self.matching_folders.append(relative)
        if self._patterns.may_match_below(relative):
            (self._linked if entry.is_symlink() else self._waiting).append(relative)


def _read_already(path: Path) -> Fault:
    return Fault(
        f"leads to {_as_utf8(str(path))}, which is read already or holds this folder",
        "remove the link; each folder is read once",
    )


def _unreachable(path: Path, error: OSError) -> Fault:
    if path.is_symlink():
        target = _as_utf8(os.readlink(path))
        return Fault(
            f"is a link to {target}, which cannot be followed: {error.strerror}",
            "correct or remove the link, or get the file that it means",
        )
    return Fault(f"cannot be read: {error.strerror}", "check the file and its permissions")


def _as_utf8(text: str) -> str:
    # A path that is not UTF-8 cannot be written to a table as it is.
    return text.encode("utf-8", "replace").decode("utf-8")


def _special(status: os.stat_result) -> Fault | None:
    """What it is if it is neither a file nor a folder."""
    kind = _SPECIAL_KINDS.get(stat.S_IFMT(status.st_mode))
    return kind and Fault(f"is a {kind}, not a file", "remove it, or narrow corpus.files")


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
    above = _first_above(subfolders, [member.path for member in chosen])
    if above is None:
        return []
    wanted = _Patterns(patterns)
    below = [
        File(archive, member.path.removeprefix(above), member.name, _too_large(member.n_bytes))
        for member in chosen
        if member.path.startswith(above)
    ]
    return [file for file in below if wanted.matches(file.relative)]


def _first_above(subfolders: list[str], paths: list[str]) -> str | None:
    """What paths in the first folder that is there begin with."""
    for pattern in subfolders:
        parts = PurePosixPath(pattern.strip("/")).parts
        tops = {PurePosixPath(path).parts[: len(parts)] for path in paths}
        matching = sorted(
            top for top in tops if len(top) == len(parts) and all(map(fnmatchcase, top, parts))
        )
        if matching:
            return "".join(f"{part}/" for part in matching[0])
    return None


@functools.lru_cache(maxsize=2)
def _opened(archive: Path, modified_ns: int) -> zipfile.ZipFile:
    # Opening reads the whole directory of the archive, far more than one member.
    return zipfile.ZipFile(archive)
