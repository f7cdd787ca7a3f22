"""Lists and extracts members of untrusted zip and tar archives."""

import fnmatch
import functools
import gzip
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from disentangled_audio.corpora.sources.ignored import is_ignored
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource
from disentangled_audio.storage.disk_errors import require_free
from disentangled_audio.storage.temporaries import complete_folder

logger = logging.getLogger(__name__)

# Errors of the readers on damaged content.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(struct.error, EOFError, KeyError, OverflowError, RuntimeError, ValueError),
)
_MAX_MEMBERS = 1_000_000
# The most that a header may make the reader hold in memory at once.
_MAX_HEADER_BYTES = 1 << 24
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Member:
    """An entry of an archive, named as there; `n_bytes` is its size when extracted.

    Attributes
    ----------
    target : str
        Target of a link, below the archive's root.
    sequential : bool
        Whether it must be unpacked to reach the next member.
    """

    name: str
    n_bytes: int
    kind: Literal["file", "folder", "link", "other"]
    open: Callable[[], IO[bytes] | None]
    target: str = ""
    encrypted: bool = False
    sequential: bool = False


class _RefusedError(Exception):
    """Carries a member's name and what is wrong with it."""


def list_members(archive: Path, source: ArchiveSource) -> dict[str, Member]:
    """List a source's files in its archive by path; errors are those of `extract_members`."""
    with _members(archive) as members:
        return _chosen(archive, members, source)


def extract_members(archive: Path, source: ArchiveSource, target: Path) -> Path:
    """Extract a source's files from its archive into a new folder, unless that exists.

    The folder appears complete or not at all. The source's `members` choose the files, and its
    limits tell what is a decompression bomb.

    Raises
    ------
    UserError
        If the archive cannot be read, nothing matches, the disk is too full, or the archive is
        unsafe: a member would lie outside of the folder, links out of it, is a device, encrypted
        or duplicated, or the archive exceeds the limits. Names the archive and the member.
    """
    if target.is_dir():
        return target
    with _members(archive) as members:
        chosen = _chosen(archive, members, source)
        with complete_folder(target) as folder:
            n_bytes = sum(member.n_bytes for member in chosen.values())
            require_free(folder, n_bytes, f"extracting {archive}")
            logger.info("Extracting %d files of %s to %s (only once)", len(chosen), archive, target)
            for path, member in chosen.items():
                _write(member, folder / path)
    return target


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    """Open an archive and yield its members; errors name the archive."""
    try:
        with archive.open("rb") as file, ExitStack() as stack:
            # Recognised by its start: a tar may end like a zip, but not begin like one.
            head = file.read(4)
            file.seek(0)
            if head in (b"PK\x03\x04", b"PK\x05\x06"):
                yield _zip_members(stack.enter_context(zipfile.ZipFile(file)))
                return
            unpacked = stack.enter_context(gzip.open(file)) if head[:2] == b"\x1f\x8b" else file
            yield _tar_members(
                stack.enter_context(tarfile.open(fileobj=_Bounded(unpacked), mode="r:"))
            )
    except _RefusedError as error:
        name, reason = error.args
        raise UserError(f"archive {archive} is refused: member {name!r} {reason}") from error
    except UserError:
        raise
    except DAMAGED as error:
        raise UserError(
            f"{archive} cannot be read as a zip, tar or tar.gz archive: {error or 'it is damaged'}."
            " Delete it (and its .sha256 file, if there is one) to download it again, or replace it"
        ) from error
    except OSError as error:
        raise UserError(
            f"archive {archive} cannot be extracted: {error.filename or archive}: "
            f"{error.strerror or error}"
        ) from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    # Only archives made on Unix have a mode; without one it is a plain file.
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    for info in archive.infolist():
        mode = stat.S_IFMT(info.external_attr >> 16)
        kind = "folder" if info.is_dir() else kinds.get(mode, "other")
        encrypted = bool(info.flag_bits & 1)
        open_it = functools.partial(archive.open, info)
        target = ""
        if kind == "link" and not encrypted:
            with open_it() as content:
                target = _joined(info.filename, content.read(4096).decode("utf-8", "replace"))
        yield Member(info.filename, info.file_size, kind, open_it, target, encrypted)


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    # Not getmembers(), because the limits must be checked before the next member is searched.
    while (info := archive.next()) is not None:
        plain = "link" if info.islnk() or info.issym() else "file" if info.isreg() else "other"
        kind = "folder" if info.isdir() else plain
        open_it = functools.partial(archive.extractfile, info)
        target = _joined(info.name, info.linkname) if info.issym() else info.linkname
        yield Member(info.name, info.size, kind, open_it, target, sequential=True)
    # tarfile mistakes a damaged header for the end and would silently ignore the rest.
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"it is truncated or damaged at byte {archive.offset}")


def _joined(link: str, target: str) -> str:
    return posixpath.join(posixpath.dirname(link), target)


class _Bounded:
    """Limits how much tarfile reads at once, which the archive's headers decide."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, n_bytes: int = -1) -> bytes:
        if not 0 <= n_bytes <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {n_bytes} bytes")
        return self._file.read(n_bytes)


def _chosen(archive: Path, members: Iterator[Member], source: ArchiveSource) -> dict[str, Member]:
    """Choose the files to extract, by path, and check the whole archive."""
    files: dict[str, Member] = {}
    wanted: dict[str, Member] = {}
    n_archive = archive.stat().st_size
    n_unpacked = 0
    for count, member in enumerate(members, start=1):
        path = _checked_path(member)
        if count > _MAX_MEMBERS:
            raise _RefusedError(member.name, f"is beyond the {_MAX_MEMBERS} that are allowed")
        if member.sequential:
            n_unpacked += member.n_bytes
            _check_size(member, n_unpacked, n_archive, source)
        if member.kind == "file":
            files[path] = member
        if member.kind == "folder" or is_ignored(path) or not _is_member(path, source):
            continue
        if path in wanted:
            raise _RefusedError(member.name, "occurs more than once")
        if member.encrypted:
            raise _RefusedError(member.name, "is encrypted; extract it into a folder by hand")
        wanted[path] = member
    if not wanted:
        shown = ", ".join(list(files)[:3]) or "no files"
        raise UserError(
            f"archive {archive} has no member that matches {source.members}; it has {shown}"
        )
    n_extracted = 0
    for path, member in wanted.items():
        # Links are extracted as copies.
        wanted[path] = file = _linked(member, files) if member.kind == "link" else member
        n_extracted += file.n_bytes
        _check_size(file, n_extracted, n_archive, source)
    return wanted


def _is_member(path: str, source: ArchiveSource) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in source.members)


def _check_size(member: Member, total: int, n_archive: int, source: ArchiveSource) -> None:
    if total > min(source.max_extracted_gb * 1e9, source.max_ratio * n_archive):
        raise _RefusedError(
            member.name,
            f"makes {total} bytes from an archive of {n_archive}, which looks like a "
            "decompression bomb; otherwise raise the source's max_extracted_gb or max_ratio",
        )


def _checked_path(member: Member) -> str:
    """Give a member's path below the folder, and refuse unsafe members."""
    path = _inside(member.name)
    # Not even where the way up stays inside.
    if path is None or ".." in re.split(r"[/\\]", member.name):
        raise _RefusedError(member.name, "would lie outside of the folder")
    if member.kind == "other":
        raise _RefusedError(member.name, "is a device, a pipe or of another special kind")
    if member.kind == "link" and _inside(member.target) is None:
        raise _RefusedError(member.name, "links out of the folder")
    if member.n_bytes < 0:
        raise _RefusedError(member.name, f"has a size of {member.n_bytes} bytes")
    return path


def _inside(name: str) -> str | None:
    """Normalise a path in an archive; None if it leads out of the folder."""
    # On Windows both are separators, and its tools write either.
    path = posixpath.normpath(name.replace("\\", "/"))
    absolute = path.startswith("/") or re.match(r"[A-Za-z]:", path) or "\0" in path
    return None if absolute or path.split("/")[0] == ".." else path


def _linked(link: Member, files: dict[str, Member]) -> Member:
    """Find the file that a link refers to."""
    file = files.get(_inside(link.target) or "")
    if file is None:
        raise _RefusedError(link.name, f"links to {link.target!r}, which is not in the archive")
    return file


def _write(member: Member, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as content, path.open("xb") as file:
            shutil.copyfileobj(content, file, _COPY_BYTES)
            n_bytes = file.tell()
    except (*DAMAGED, OSError) as error:
        raise _RefusedError(member.name, f"cannot be extracted: {error}") from error
    if n_bytes != member.n_bytes:
        raise _RefusedError(member.name, f"has {n_bytes} bytes instead of {member.n_bytes}")
