"""Zip and tar archives of unknown origin: what is asked for is extracted, or read in place."""

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

# What the readers raise on content that is not what it should be.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(struct.error, EOFError, KeyError, OverflowError, RuntimeError, ValueError),
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

    @classmethod
    def of(cls, source: ArchiveSource) -> "Limits":
        """What a source's archive may hold."""
        return cls(source.max_extracted_gb * 1e9, source.max_ratio)


@dataclass(frozen=True)
class Member:
    """Something in an archive.

    Attributes
    ----------
    name : str
        What the archive itself calls it.
    n_bytes : int
        Its size when extracted.
    kind : str
    open : callable
        Gives its content.
    target : str or None
        Where a link leads, below the archive's root.
    encrypted : bool
    passed : bool
        Whether its content has to be unpacked to get at the next member.
    """

    name: str
    n_bytes: int
    kind: Literal["file", "folder", "link", "other"]
    open: Callable[[], IO[bytes] | None]
    target: str | None = None
    encrypted: bool = False
    passed: bool = False


class _RefusedError(Exception):
    """The member's name and what is wrong with it."""


def list_members(
    archive: Path, patterns: list[str], limits: Limits | None = None
) -> dict[str, Member]:
    """Files in an archive that match one of the patterns, by their path, in the archive's order.

    Raises
    ------
    UserError
        As `extract_members`.
    """
    with _members(archive) as members:
        return _chosen(archive, members, patterns, limits or Limits())


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
    with _members(archive) as members:
        chosen = _chosen(archive, members, patterns, limits or Limits())
        with complete_folder(target) as folder:
            n_bytes = sum(member.n_bytes for member in chosen.values())
            require_free(folder, n_bytes, f"extracting {archive}")
            logger.info("Extracting %d files of %s to %s, this once", len(chosen), archive, target)
            for path, member in chosen.items():
                _write(member, folder / path)
    return target


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    """What is in an archive; whatever fails in it is told with the archive's name."""
    try:
        with archive.open("rb") as file, ExitStack() as stack:
            # By the content: a tar may end like a zip, but not begin like one.
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
            " Delete it (and the .sha256 beside it, if any) to have it downloaded again, or "
            "replace it"
        ) from error
    except OSError as error:
        raise UserError(
            f"archive {archive} cannot be extracted: {error.filename or archive}: "
            f"{error.strerror or error}"
        ) from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        # Only archives made on Unix say more; zero is a plain file.
        mode = stat.S_IFMT(info.external_attr >> 16)
        plain = "file" if mode in (0, stat.S_IFREG) else "link" if stat.S_ISLNK(mode) else "other"
        kind = "folder" if info.is_dir() else plain
        encrypted = bool(info.flag_bits & 1)
        target = None
        if kind == "link" and not encrypted:
            with archive.open(info) as content:
                target = _leads_to(info.filename, content.read(4096).decode("utf-8", "replace"))
        content_of = functools.partial(archive.open, info)
        yield Member(info.filename, info.file_size, kind, content_of, target, encrypted)


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    # Not getmembers(): limits have to hold before the next member is looked for.
    while (info := archive.next()) is not None:
        linked = info.islnk() or info.issym()
        plain = "file" if info.isreg() else "link" if linked else "other"
        kind = "folder" if info.isdir() else plain
        target = _leads_to(info.name, info.linkname) if info.issym() else info.linkname
        content_of = functools.partial(archive.extractfile, info)
        target = target if linked else None
        yield Member(info.name, info.size, kind, content_of, target, passed=True)
    # tarfile takes a damaged header for the end, and would leave the rest out in silence.
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"it is cut off or damaged at byte {archive.offset}")


def _leads_to(link: str, target: str) -> str:
    return posixpath.join(posixpath.dirname(link), target)


class _Bounded:
    """A file for tarfile, whose headers say how much it reads at once."""

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
    """Files to extract, by their path; the whole archive is checked."""
    files: dict[str, Member] = {}
    wanted: dict[str, Member] = {}
    allowed = _Allowance(archive, limits)
    for count, member in enumerate(members, start=1):
        path = _checked_path(member)
        if count > limits.max_members:
            raise _RefusedError(member.name, f"is beyond the {limits.max_members} that are allowed")
        if member.kind == "file":
            files[path] = member
        if member.passed:
            allowed.take(member)
        if member.kind == "folder" or not any(fnmatch.fnmatchcase(path, p) for p in patterns):
            continue
        if path in wanted:
            raise _RefusedError(member.name, "is there more than once")
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
    """How many bytes an archive may still hold."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self._n_bytes = archive.stat().st_size
        self._most = min(limits.max_bytes, limits.max_ratio * self._n_bytes)
        self._total = 0

    def take(self, member: Member) -> None:
        self._total += member.n_bytes
        if self._total > self._most:
            raise _RefusedError(
                member.name,
                f"makes it {self._total} bytes from an archive of {self._n_bytes}, as a "
                "decompression bomb does; if it is right, raise the source's max_extracted_gb or "
                "max_ratio",
            )


def _checked_path(member: Member) -> str:
    """A member's path below the folder; one that no honest archive has is refused."""
    path = _safe_path(member.name, member)
    if member.kind == "other":
        raise _RefusedError(member.name, "is a device, a pipe or of another special kind")
    if member.target is not None:
        _safe_path(member.target, member)
    if member.n_bytes < 0:
        raise _RefusedError(member.name, f"has a size of {member.n_bytes} bytes")
    return path


def _safe_path(name: str, member: Member) -> str:
    """A path of a member or of a link's target below the folder, with forward slashes."""
    own = name == member.name
    # Windows reads both as separators, and its tools write either.
    path = name.replace("\\", "/")
    absolute = path.startswith("/") or re.match(r"[A-Za-z]:", path) or "\0" in path
    # Written names may not go up at all, not even to come back; a link's target may.
    if absolute or ".." in (path if own else posixpath.normpath(path)).split("/"):
        reason = "would lie outside of the folder" if own else "links out of the folder"
        raise _RefusedError(member.name, reason)
    return posixpath.normpath(path)


def _linked(link: Member, files: dict[str, Member]) -> Member:
    """The file that a link means."""
    file = files.get(_safe_path(link.target or "", link))
    if file is None:
        raise _RefusedError(link.name, f"links to {link.target!r}, which is no file in the archive")
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
