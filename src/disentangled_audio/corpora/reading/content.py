"""Bytes of recordings: held in memory if there are few, or else read by blocks."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from disentangled_audio.corpora.sources.folder import (
    File,
    LargeFile,
    RejectedError,
    unreadable,
)
from disentangled_audio.storage.hashing import bytes_hash

Part = bytes | LargeFile
_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Content:
    """Bytes of a recording's files, in order.

    Attributes
    ----------
    parts : tuple of bytes or LargeFile
        Content of each file.
    paths : tuple of (Path or None)
        Where another program can read each file.
    names : tuple of str
        Name of each file.
    sha256 : str
        Hash of the concatenated files.
    file_sha256 : tuple of str
        Hash of each file.
    """

    parts: tuple[Part, ...]
    paths: tuple[Path | None, ...]
    names: tuple[str, ...]
    sha256: str
    file_sha256: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Total number of bytes."""
        return sum(map(len, self.parts))

    @property
    def n_held(self) -> int:
        """Number of bytes in memory."""
        return sum(len(part) for part in self.parts if isinstance(part, bytes))


def read_content(files: Sequence[File]) -> Content:
    """Read all bytes of a recording's files and hash them.

    Raises
    ------
    RejectedError
        If a file is empty or cannot be read.
    """
    parts = tuple(file.read() for file in files)
    if not all(map(len, parts)):
        raise RejectedError("the file is empty", "copy or record it again")
    each = tuple(bytes_hash(_blocks(part)) for part in parts)
    whole = (block for part in parts for block in _blocks(part))
    return Content(
        parts,
        tuple(file.own_path for file in files),
        tuple(file.relative for file in files),
        each[0] if len(each) == 1 else bytes_hash(whole),
        each,
    )


def _blocks(part: Part) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
        return
    try:
        with part.open() as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise unreadable(error) from error


@contextmanager
def opened(part: Part) -> Iterator[BinaryIO]:
    """Open the content of a file.

    Raises
    ------
    RejectedError
        If the disk does not give it, or it has changed in the meantime.
    """
    if isinstance(part, bytes):
        yield InMemory(part)
        return
    with part.open() as file:
        view = View(file, 0, len(part))
        try:
            yield view
        finally:
            if view.error is not None:
                raise unreadable(view.error)
    part.check()


class InMemory(io.BytesIO):
    """Bytes that libsndfile reads as a file."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position; like a file, ignore an invalid one."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            # An error here would be raised in libsndfile's callback, which can only print it.
            return self.tell()


class View(io.RawIOBase):
    """A part of a file, some bytes of which are replaced.

    Parameters
    ----------
    file : binary file
    start, end : int
        Positions of the part.
    patches : dict
        Bytes by their position in the part.

    Attributes
    ----------
    error : OSError or None
        What went wrong while libsndfile read it, which it cannot tell.
    """

    def __init__(
        self, file: BinaryIO, start: int, end: int, patches: Mapping[int, bytes] | None = None
    ) -> None:
        self._file = file
        self._start = start
        self._n_bytes = end - start
        self._patches = patches or {}
        self._position = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it has positions."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position; ignore an invalid one."""
        position = (0, self._position, self._n_bytes)[whence] + offset
        if position >= 0:
            self._position = position
        return self._position

    def tell(self) -> int:
        """Give the position."""
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill a buffer as far as there are bytes."""
        target = memoryview(cast(bytearray, buffer)).cast("B")
        n_wanted = max(0, min(len(target), self._n_bytes - self._position))
        try:
            self._file.seek(self._start + self._position)
            found = bytearray(self._file.read(n_wanted))
        except OSError as error:
            self.error, found = error, bytearray()
        for at, patch in self._patches.items():
            _overlay(found, at - self._position, patch)
        target[: len(found)] = found
        self._position += len(found)
        return len(found)


def _overlay(content: bytearray, at: int, patch: bytes) -> None:
    """Replace bytes, some of which may lie outside the content."""
    first, last = max(at, 0), min(at + len(patch), len(content))
    if first < last:
        content[first:last] = patch[first - at : last - at]
