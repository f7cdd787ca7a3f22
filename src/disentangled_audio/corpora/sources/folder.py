"""Finds recordings below a folder, and describes files that cannot be used."""

import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fsspec.utils import glob_translate

from disentangled_audio.corpora.sources.ignored import is_ignored
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AnySource, Format
from disentangled_audio.storage.patterns import Pattern

# The samples of a whole recording are held in memory.
_MAX_BYTES = 2**31
# Larger files are read by blocks, and their bytes never held together.
MAX_HELD_BYTES = 2**26
_SPECIAL_KINDS = {
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class RejectedError(ValueError):
    """A file cannot be used; carries what to do about it.

    Parameters
    ----------
    reason : str
    what_to_do : str
        Advice for a corpus.
    of_model : str, optional
        Advice for inference with a trained model, whose parameters cannot be changed.
    """

    def __init__(self, reason: str, what_to_do: str, of_model: str | None = None) -> None:
        super().__init__(reason)
        self.what_to_do = what_to_do
        self.of_model = of_model or what_to_do


def unreadable(error: OSError) -> RejectedError:
    """Tell that the disk does not give a file's content."""
    return RejectedError(
        f"cannot be read: {error.strerror or error}", "check the file and its permissions"
    )


def changed(found: int, expected: int) -> RejectedError:
    """Tell that a file was written to while it was read."""
    return RejectedError(
        f"the file changed while it was read: {found} of {expected} bytes",
        "wait until it is complete, and run again",
    )


def truncated(how_much: str) -> RejectedError:
    """Tell that samples are missing at the end of a file."""
    return RejectedError(f"the file is truncated{how_much}", "copy it again from its source")


def differing_parts(kinds: Sequence[tuple[int, int]]) -> RejectedError:
    """Tell that a file was joined from parts of several sampling rates and numbers of channels."""
    each = ", ".join(f"{rate_hz} Hz with {n_channels}" for rate_hz, n_channels in kinds)
    return RejectedError(
        f"its parts differ in sampling rate or channels: {each}",
        "split it into its parts, or convert it to wav",
    )


@dataclass(frozen=True)
class Fault:
    """A reason why a file cannot be read, and what to do about it."""

    reason: str
    what_to_do: str


@dataclass(frozen=True)
class LargeFile:
    """A file with too many bytes to hold, as it was when it was found."""

    path: Path
    n_bytes: int
    modified_ns: int

    def __len__(self) -> int:
        return self.n_bytes

    def open(self) -> BinaryIO:
        """Open it for reading.

        Raises
        ------
        RejectedError
            If it cannot be opened.
        """
        try:
            return self.path.open("rb")
        except OSError as error:
            raise unreadable(error) from error

    def check(self) -> None:
        """Raise a `RejectedError` if it has changed since it was found."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise unreadable(error) from error
        if (status.st_size, status.st_mtime_ns) != (self.n_bytes, self.modified_ns):
            raise changed(status.st_size, self.n_bytes)


@dataclass(frozen=True)
class File:
    """A file on the disk.

    Attributes
    ----------
    path : Path
    relative : str
        Path below the source's folder, with forward slashes.
    fault : Fault or None
        Why it cannot be read, if that is already known, as for a pipe or a broken link.
    """

    path: Path
    relative: str
    fault: Fault | None = None

    @property
    def own_path(self) -> Path | None:
        """Path at which other programs find its bytes alone; None inside an archive."""
        return self.path

    def read(self) -> bytes | LargeFile:
        """Read all bytes of the file, unless there are too many to hold.

        Raises
        ------
        RejectedError
            If it cannot be read completely.
        """
        stored = self.in_place()
        if isinstance(stored, bytes) or len(stored) > MAX_HELD_BYTES:
            return stored
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise unreadable(error) from error
        if len(content) != len(stored):
            raise changed(len(content), len(stored))
        return content

    def in_place(self) -> bytes | LargeFile:
        """Give the file as it is stored, to read only a part of it; errors are those of `read`."""
        if self.fault is not None:
            raise RejectedError(self.fault.reason, self.fault.what_to_do)
        try:
            return self._stored()
        except OSError as error:
            raise unreadable(error) from error

    def _stored(self) -> bytes | LargeFile:
        status = self.path.stat()
        # Checked before opening, since opening a pipe would wait for its writer.
        if fault := _special(status) or too_large(status.st_size):
            raise RejectedError(fault.reason, fault.what_to_do)
        return LargeFile(self.path, status.st_size, status.st_mtime_ns)

    def __str__(self) -> str:
        return str(self.path)


def too_large(n_bytes: int) -> Fault | None:
    """Explain why a file of this size cannot be read; None if it can."""
    if n_bytes <= _MAX_BYTES:
        return None
    return Fault(
        f"too large: {n_bytes} bytes, the maximum is {_MAX_BYTES}", "cut it into shorter recordings"
    )


@dataclass(frozen=True)
class Located:
    """A recording of a corpus.

    Attributes
    ----------
    files : tuple of File
        One file, or one file per channel in order.
    label : str
        Label of its source.
    relative : str
        Path below the source's folder, to which name patterns apply.
    source : Source
        The source, which may have its own patterns and format.
    missing_channels : tuple of int
        Numbers of the channels whose files are missing.
    """

    files: tuple[File, ...]
    label: str
    relative: str
    source: AnySource
    missing_channels: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name of the recording in tables, unique in a corpus."""
        return f"{self.label}/{self.relative}"

    @property
    def format(self) -> Format:
        """Storage format of its files."""
        return self.source.format


def files_in_folder(folder: Path, patterns: list[str]) -> list[File]:
    """List the files below a folder that match one of the glob patterns, sorted by path.

    Links are followed, but each folder is read only once. Anything that is not a file or cannot
    be read, and may match or hide a match, is listed with its fault, so nothing is lost silently.

    Parameters
    ----------
    folder : Path
    patterns : list of str
        `**` matches any number of folders, also none.

    Raises
    ------
    UserError
        If a pattern is invalid, or the folder cannot be read.
    """
    walk = _Walk(folder, Patterns(patterns))
    files = list(walk.files())
    if walk.matching_folders:
        reported = {file.relative for file in files}
        reported |= {str(parent) for name in reported for parent in PurePosixPath(name).parents}
        files += [
            File(folder / relative, relative, fault=_FOLDER)
            for relative in walk.matching_folders
            if relative not in reported
        ]
    return sorted(files, key=lambda file: file.relative)


_FOLDER = Fault(
    "is a folder, and no file below it matches", "remove or rename it, or narrow corpus.files"
)


class Patterns:
    """Glob patterns for paths below a folder."""

    def __init__(self, patterns: list[str]) -> None:
        self._parts = []
        for pattern in patterns:
            path = PurePosixPath(pattern)
            if not path.parts or path.is_absolute() or ".." in path.parts:
                raise _bad_pattern(patterns, f"{pattern!r} matches nothing below the folder")
            self._parts.append(path.parts)
        try:
            globs = [glob_translate("/".join(parts)) for parts in self._parts]
        except ValueError as error:
            raise _bad_pattern(patterns, str(error)) from error
        self.matches = Pattern("|".join(globs), f"corpus.files {patterns}").match

    def may_match_below(self, folder: str) -> bool:
        """Tell whether a path below a folder may match."""
        found = folder.split("/")
        return any(_may_match_below(parts, found) for parts in self._parts)


def _bad_pattern(patterns: list[str], reason: str) -> UserError:
    return UserError(f"corpus.files {patterns}: {reason}; write a pattern such as '**/*.wav'")


def _may_match_below(pattern: tuple[str, ...], folder: list[str]) -> bool:
    for wanted, found in zip(pattern[:-1], folder, strict=False):
        if wanted == "**":
            return True
        if not fnmatchcase(found, wanted):
            return False
    return len(folder) < len(pattern) or pattern[-1] == "**"


class _Walk:
    """One walk through a folder; collects `matching_folders`, folders whose own paths match."""

    def __init__(self, folder: Path, patterns: Patterns) -> None:
        self._folder = folder
        self._patterns = patterns
        self._waiting = deque([""])
        # Visited last, so that a folder is found by its own name rather than a link's.
        self._linked: deque[str] = deque()
        # A link to a parent folder would make the walk endless.
        self._read = set(folder.resolve().parents)
        self.matching_folders: list[str] = []

    def files(self) -> Iterator[File]:
        """Yield the matches, unordered."""
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
            # Sorted, so that of two links to one folder the same is always followed.
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            if not relative:
                raise UserError(f"folder {path} cannot be read: {error.strerror}") from error
            what_to_do = "check its permissions, and whether its disk is mounted"
            yield File(path, relative, fault=Fault(f"cannot be read: {error.strerror}", what_to_do))
            return
        for entry in entries:
            yield from self._file(entry, f"{relative}/{entry.name}" if relative else entry.name)

    def _file(self, entry: os.DirEntry[str], relative: str) -> Iterator[File]:
        matches = self._patterns.matches(relative) is not None
        try:
            if is_ignored(f"{relative}/" if entry.is_dir() else relative):
                return
            if entry.is_file():
                if matches:
                    yield File(self._folder / relative, relative)
                return
            if entry.is_dir():
                self._enter(entry, relative, matches=matches)
                return
            fault = _special(entry.stat())
        except OSError as error:
            # A broken link may have led to a folder.
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
        f"leads to {_as_utf8(str(path))}, which has been read or contains this folder",
        "remove the link; each folder is read once",
    )


def _unreachable(path: Path, error: OSError) -> Fault:
    if path.is_symlink():
        target = _as_utf8(os.readlink(path))
        return Fault(
            f"is a link to {target}, which cannot be followed: {error.strerror}",
            "correct or remove the link, or restore its target",
        )
    return Fault(f"cannot be read: {error.strerror}", "check the file and its permissions")


def _as_utf8(text: str) -> str:
    # A path that is not UTF-8 cannot be written to a table.
    return text.encode("utf-8", "replace").decode("utf-8")


def _special(status: os.stat_result) -> Fault | None:
    """Describe what is neither a file nor a folder; None for a file or folder."""
    kind = _SPECIAL_KINDS.get(stat.S_IFMT(status.st_mode))
    return kind and Fault(f"is a {kind}, not a file", "remove it, or narrow corpus.files")
