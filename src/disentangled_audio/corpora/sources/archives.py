"""Opens zip and tar archives of unknown origin, and extracts what is asked for."""

import fnmatch
import gzip
import hashlib
import json
import logging
import lzma
import posixpath
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from disentangled_audio.errors import UserError
from disentangled_audio.storage.disk_space import require_free
from disentangled_audio.storage.temporaries import temporary_neighbour

logger = logging.getLogger(__name__)

# What the readers raise on content that is not what it should be.
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,
    ValueError,
)
# What a header may make the reader hold in memory at once.
_MAX_HEADER_BYTES = 1 << 24
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold; more is taken for a decompression bomb.

    Attributes
    ----------
    max_bytes : float
        Sum of the members' sizes, extracted, in bytes.
    max_ratio : float
        That sum over the size of the archive.
    max_members : int
        Number of members.
    """

    max_bytes: float = 50e9
    max_ratio: float = 100.0
    max_members: int = 1_000_000


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes
    ----------
    path : str
        Where it lies below the archive's root, with forward slashes.
    name : str
        What the archive itself calls it.
    n_bytes : int
        Its size when extracted.
    """

    path: str
    name: str
    n_bytes: int


@dataclass(frozen=True)
class _Entry:
    name: str
    n_bytes: int
    kind: Literal["file", "folder", "link", "other"]
    handle: Any
    target: str | None = None
    encrypted: bool = False


class _RefusedError(Exception):
    """The member's name and what is wrong with it."""


def list_members(archive: Path, patterns: list[str], limits: Limits | None = None) -> list[Member]:
    """Files in an archive that match one of the patterns, in the archive's order.

    Raises
    ------
    UserError
        As `extract_members`.
    """
    with _opened(archive) as reader:
        chosen = _chosen(archive, reader, patterns, limits or Limits())
        return [Member(path, entry.name, entry.n_bytes) for path, entry in chosen.items()]


def extract_members(
    archive: Path, patterns: list[str], target: Path, limits: Limits | None = None
) -> Path:
    """Extract the files that match one of the patterns; does nothing if it was done before.

    Parameters
    ----------
    archive : Path
        A zip, tar or tar.gz file, told by its content.
    patterns : list of str
        Shell patterns for whole paths in the archive; `*` stands for any characters, also `/`.
    target : Path
        The folder to make; it appears complete or not at all.
    limits : Limits, optional

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    UserError
        If the archive is not one or is damaged, nothing matches, the disk is too full, or the
        archive is unsafe: a member that would lie outside of the folder, links out of it, is a
        device, is there twice or is encrypted, or more than the limits allow. Names the archive
        and the member.
    """
    if target.is_dir():
        return target
    with _opened(archive) as reader:
        target.parent.mkdir(parents=True, exist_ok=True)
        chosen = _chosen(archive, reader, patterns, limits or Limits())
        n_bytes = sum(entry.n_bytes for entry in chosen.values())
        require_free(target.parent, n_bytes, f"extracting {archive}")
        logger.info("Extracting %d files of %s to %s, this once", len(chosen), archive, target)
        with temporary_neighbour(target.parent) as temporary:
            folder = temporary / "members"
            folder.mkdir()
            for path, entry in chosen.items():
                _write(reader, entry, folder / path)
            _rename(folder, target)
    return target


def extraction_folder(archive_name: str, archive_hash: str, patterns: list[str]) -> str:
    """Name of the folder for what the patterns choose from this very archive."""
    key = hashlib.sha256(json.dumps([archive_hash, sorted(patterns)]).encode()).hexdigest()
    return f"{stem(archive_name)}-{key[:12]}"


def stem(archive_name: str) -> str:
    """Name of an archive without what tells its kind."""
    return re.sub(r"(?i)(?<=.)\.(zip|tar|tgz|tar\.gz)$", "", archive_name)


class _Zip:
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    def entries(self) -> Iterator[_Entry]:
        for info in self._file.infolist():
            kind = self._kind(info)
            encrypted = bool(info.flag_bits & 1)
            target = None
            if kind == "link" and not encrypted:
                with self._file.open(info) as content:
                    text = content.read(4096).decode("utf-8", "replace")
                target = posixpath.join(posixpath.dirname(info.filename), text)
            yield _Entry(info.filename, info.file_size, kind, info, target, encrypted)

    def open(self, entry: _Entry) -> IO[bytes]:
        return self._file.open(entry.handle)

    @staticmethod
    def _kind(info: zipfile.ZipInfo) -> Literal["file", "folder", "link", "other"]:
        if info.is_dir():
            return "folder"
        # Only archives made on Unix say more; zero is a plain file.
        mode = info.external_attr >> 16
        if not stat.S_IFMT(mode) or stat.S_ISREG(mode):
            return "file"
        return "link" if stat.S_ISLNK(mode) else "other"


class _Tar:
    def __init__(self, file: tarfile.TarFile) -> None:
        self._file = file

    def entries(self) -> Iterator[_Entry]:
        # Not getmembers(): limits have to hold before the next member is looked for.
        while (info := self._file.next()) is not None:
            target = info.linkname if info.islnk() else None
            if info.issym():
                target = posixpath.join(posixpath.dirname(info.name), info.linkname)
            yield _Entry(info.name, info.size, self._kind(info), info, target)
        self._check_end()

    def _check_end(self) -> None:
        # tarfile takes a damaged header for the end, and would leave the rest out in silence.
        self._file.fileobj.seek(self._file.offset)
        if self._file.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"it is cut off or damaged at byte {self._file.offset}")

    def open(self, entry: _Entry) -> IO[bytes]:
        content = self._file.extractfile(entry.handle)
        assert content is not None, entry.name
        return content

    @staticmethod
    def _kind(info: tarfile.TarInfo) -> Literal["file", "folder", "link", "other"]:
        if info.isreg():
            return "file"
        if info.isdir():
            return "folder"
        return "link" if info.islnk() or info.issym() else "other"


class _Bounded:
    """A file for tarfile, whose headers say how much it reads at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, n_bytes: int = -1) -> bytes:
        if not 0 <= n_bytes <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {n_bytes} bytes")
        return self._file.read(n_bytes)


@contextmanager
def _opened(archive: Path) -> Iterator[_Zip | _Tar]:
    """A reader of the archive; whatever fails in it is told with the archive's name."""
    try:
        with archive.open("rb") as file, _reader(file) as reader:
            yield reader
    except _RefusedError as error:
        name, reason = error.args
        raise UserError(f"archive {archive} is refused: member {name!r} {reason}") from error
    except UserError:
        raise
    except DAMAGED as error:
        raise UserError(
            f"{archive} cannot be read as a zip, tar or tar.gz archive: {error or 'it is damaged'}."
            " Delete it (and the .sha256 beside it, if any) to have it downloaded again, or "
            "replace it"
        ) from error
    except OSError as error:
        raise UserError(
            f"archive {archive} cannot be extracted: {error.filename or archive}: "
            f"{error.strerror or error}"
        ) from error


@contextmanager
def _reader(file: IO[bytes]) -> Iterator[_Zip | _Tar]:
    """A reader by the content: a tar may end like a zip, but not begin like one."""
    head = file.read(4)
    file.seek(0)
    if head in (b"PK\x03\x04", b"PK\x05\x06"):
        with zipfile.ZipFile(file) as zipped:
            yield _Zip(zipped)
    elif head[:2] == b"\x1f\x8b":
        with gzip.open(file) as unpacked, _tar(unpacked) as tar:
            yield _Tar(tar)
    else:
        with _tar(file) as tar:
            yield _Tar(tar)


def _tar(file: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=_Bounded(file), mode="r:")


def _chosen(
    archive: Path, reader: _Zip | _Tar, patterns: list[str], limits: Limits
) -> dict[str, _Entry]:
    """Files to extract, by their path; the whole archive is checked."""
    files: dict[str, _Entry] = {}
    wanted: dict[str, _Entry] = {}
    for path, entry in _checked(archive, reader, limits):
        if entry.kind == "file":
            files[path] = entry
        if entry.kind == "folder" or not _matches(path, patterns):
            continue
        if path in wanted:
            raise _RefusedError(entry.name, "is there more than once")
        if entry.encrypted:
            raise _RefusedError(entry.name, "is encrypted; extract it into a folder by hand")
        wanted[path] = entry
    chosen = {
        path: _linked(entry, files) if entry.kind == "link" else entry
        for path, entry in wanted.items()
    }
    if not chosen:
        shown = ", ".join(list(files)[:3]) or "no files"
        raise UserError(f"archive {archive} has no member that matches {patterns}; it has {shown}")
    _check_sizes(archive, list(chosen.values()), limits)
    return chosen


def _checked(archive: Path, reader: _Zip | _Tar, limits: Limits) -> Iterator[tuple[str, _Entry]]:
    """Entries by their path; one that no honest archive has ends it."""
    total = 0
    most = _most_bytes(archive, limits)
    for count, entry in enumerate(reader.entries(), start=1):
        path = _safe_path(entry.name, entry.name)
        if entry.kind == "other":
            raise _RefusedError(entry.name, "is a device, a pipe or of another special kind")
        if entry.target is not None:
            _safe_path(entry.target, entry.name, "links out of the folder")
        if entry.n_bytes < 0:
            raise _RefusedError(entry.name, f"has a size of {entry.n_bytes} bytes")
        if count > limits.max_members:
            raise _RefusedError(entry.name, f"is beyond the {limits.max_members} that are allowed")
        # A zip's members are not read unless they are chosen; a tar's have to be passed.
        total += entry.n_bytes if isinstance(reader, _Tar) else 0
        if total > most:
            raise _RefusedError(entry.name, _too_much(total, archive))
        yield path, entry


def _check_sizes(archive: Path, entries: list[_Entry], limits: Limits) -> None:
    most = _most_bytes(archive, limits)
    total = 0
    for entry in entries:
        total += entry.n_bytes
        if total > most:
            raise _RefusedError(entry.name, _too_much(total, archive))


def _most_bytes(archive: Path, limits: Limits) -> float:
    return min(limits.max_bytes, limits.max_ratio * archive.stat().st_size)


def _too_much(total: int, archive: Path) -> str:
    n_bytes = archive.stat().st_size
    return (
        f"makes it {total} bytes from an archive of {n_bytes}, as a decompression bomb does; if "
        "it is right, raise the source's max_extracted_gb or max_ratio"
    )


def _safe_path(name: str, member: str, reason: str = "would lie outside of the folder") -> str:
    """A member's path below the folder, with forward slashes."""
    # Windows reads both as separators, and its tools write either.
    path = name.replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path) or "\0" in path:
        raise _RefusedError(member, reason)
    # Written names may not go up at all, not even to come back; a link's target may.
    if ".." in (path if name == member else posixpath.normpath(path)).split("/"):
        raise _RefusedError(member, reason)
    return posixpath.normpath(path)


def _linked(link: _Entry, files: dict[str, _Entry]) -> _Entry:
    """The file that a link means: links are extracted as copies."""
    file = files.get(_safe_path(link.target or "", link.name, "links out of the folder"))
    if file is None:
        raise _RefusedError(link.name, f"links to {link.target!r}, which is no file in the archive")
    return file


def _matches(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _write(reader: _Zip | _Tar, entry: _Entry, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with reader.open(entry) as content, path.open("xb") as file:
            shutil.copyfileobj(content, file, _COPY_BYTES)
            n_bytes = file.tell()
    except (*DAMAGED, OSError) as error:
        raise _RefusedError(entry.name, f"cannot be extracted: {error}") from error
    if n_bytes != entry.n_bytes:
        raise _RefusedError(entry.name, f"has {n_bytes} bytes instead of {entry.n_bytes}")


def _rename(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        # Another run may have been first.
        if not target.is_dir():
            raise
