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
# The most that a header may make the reader hold in memory at once.
_MAX_HEADER_BYTES = 1 << 24
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits beyond which an archive is refused as a decompression bomb.

    Attributes
    ----------
    max_bytes : float
        Total size of the extracted members.
    max_ratio : float
        That size divided by the size of the archive.
    max_members : int
        Number of members.
    """

    max_bytes: float = 50e9
    max_ratio: float = 100.0
    max_members: int = 1_000_000

    @classmethod
    def of(cls, source: ArchiveSource) -> "Limits":
        """Give the limits of a source."""
        return cls(source.max_extracted_gb * 1e9, source.max_ratio)


@dataclass(frozen=True)
class Member:
    """An entry of an archive.

    Attributes
    ----------
    name : str
        Name in the archive.
    n_bytes : int
        Size when extracted.
    kind : str
    open : callable
        Opens its content.
    target : str or None
        Target of a link, below the archive's root.
    encrypted : bool
    sequential : bool
        Whether it must be unpacked to reach the next member.
    """

    name: str
    n_bytes: int
    kind: Literal["file", "folder", "link", "other"]
    open: Callable[[], IO[bytes] | None]
    target: str | None = None
    encrypted: bool = False
    sequential: bool = False


class _RefusedError(Exception):
    """Carries a member's name and what is wrong with it."""


def list_members(
    archive: Path, patterns: list[str], limits: Limits | None = None
) -> dict[str, Member]:
    """List the files in an archive that match a pattern, by path, in the archive's order.

    Parameters and errors are those of `extract_members`.
    """
    with _members(archive) as members:
        return _chosen(archive, members, patterns, limits or Limits())


def extract_members(
    archive: Path, patterns: list[str], target: Path, limits: Limits | None = None
) -> Path:
    """Extract the files that match one of the patterns, unless the target exists.

    Parameters
    ----------
    archive : Path
        A zip, tar or tar.gz file, recognised by its content.
    patterns : list of str
        Shell patterns for whole paths in the archive; `*` matches any characters, also `/`.
    target : Path
        The folder to create, which appears complete or not at all.
    limits : Limits, optional

    Returns
    -------
    Path
        `target`.

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
        chosen = _chosen(archive, members, patterns, limits or Limits())
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
    for info in archive.infolist():
        # Only archives made on Unix have a mode; without one it is a plain file.
        mode = stat.S_IFMT(info.external_attr >> 16)
        plain = "file" if mode in (0, stat.S_IFREG) else "link" if stat.S_ISLNK(mode) else "other"
        kind = "folder" if info.is_dir() else plain
        encrypted = bool(info.flag_bits & 1)
        target = None
        if kind == "link" and not encrypted:
            with archive.open(info) as content:
                target = _joined(info.filename, content.read(4096).decode("utf-8", "replace"))
        content_of = functools.partial(archive.open, info)
        yield Member(info.filename, info.file_size, kind, content_of, target, encrypted)


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    # Not getmembers(), because the limits must be checked before the next member is searched.
    while (info := archive.next()) is not None:
        linked = info.islnk() or info.issym()
        plain = "file" if info.isreg() else "link" if linked else "other"
        kind = "folder" if info.isdir() else plain
        target = _joined(info.name, info.linkname) if info.issym() else info.linkname
        content_of = functools.partial(archive.extractfile, info)
        target = target if linked else None
        yield Member(info.name, info.size, kind, content_of, target, sequential=True)
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


def _chosen(
    archive: Path, members: Iterator[Member], patterns: list[str], limits: Limits
) -> dict[str, Member]:
    """Choose the files to extract, by path, and check the whole archive."""
    files: dict[str, Member] = {}
    wanted: dict[str, Member] = {}
    allowed = _Allowance(archive, limits)
    for count, member in enumerate(members, start=1):
        path = _checked_path(member)
        if count > limits.max_members:
            raise _RefusedError(member.name, f"is beyond the {limits.max_members} that are allowed")
        if member.kind == "file":
            files[path] = member
        if member.sequential:
            allowed.take(member)
        if member.kind == "folder" or not any(fnmatch.fnmatchcase(path, p) for p in patterns):
            continue
        if path in wanted:
            raise _RefusedError(member.name, "occurs more than once")
        if member.encrypted:
            raise _RefusedError(member.name, "is encrypted; extract it into a folder by hand")
        wanted[path] = member
    # Links are extracted as copies.
    chosen = {
        path: _linked(member, files) if member.kind == "link" else member
        for path, member in wanted.items()
    }
    if not chosen:
        shown = ", ".join(list(files)[:3]) or "no files"
        raise UserError(f"archive {archive} has no member that matches {patterns}; it has {shown}")
    allowed = _Allowance(archive, limits)
    for member in chosen.values():
        allowed.take(member)
    return chosen


class _Allowance:
    """Counts the bytes of members and refuses the one that exceeds the limits."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self._n_bytes = archive.stat().st_size
        self._most = min(limits.max_bytes, limits.max_ratio * self._n_bytes)
        self._total = 0

    def take(self, member: Member) -> None:
        self._total += member.n_bytes
        if self._total > self._most:
            raise _RefusedError(
                member.name,
                f"makes {self._total} bytes from an archive of {self._n_bytes}, which looks like a "
                "decompression bomb; otherwise raise the source's max_extracted_gb or max_ratio",
            )


def _checked_path(member: Member) -> str:
    """Give a member's path below the folder, and refuse unsafe members."""
    path = _safe_path(member.name, member)
    if member.kind == "other":
        raise _RefusedError(member.name, "is a device, a pipe or of another special kind")
    if member.target is not None:
        _safe_path(member.target, member)
    if member.n_bytes < 0:
        raise _RefusedError(member.name, f"has a size of {member.n_bytes} bytes")
    return path


def _safe_path(name: str, member: Member) -> str:
    """Normalise the path of a member or of a link's target; refuse one outside of the folder."""
    own = name == member.name
    # On Windows both are separators, and its tools write either.
    path = name.replace("\\", "/")
    absolute = path.startswith("/") or re.match(r"[A-Za-z]:", path) or "\0" in path
    # A member's own name must not contain `..` at all; a link's target may, if it stays inside.
    if absolute or ".." in (path if own else posixpath.normpath(path)).split("/"):
        reason = "would lie outside of the folder" if own else "links out of the folder"
        raise _RefusedError(member.name, reason)
    return posixpath.normpath(path)


def _linked(link: Member, files: dict[str, Member]) -> Member:
    """Find the file that a link refers to."""
    file = files.get(_safe_path(link.target or "", link))
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
