"""Parts of a file that was joined from several files of one format (`cat a.wav b.wav`)."""

import io
import re
from typing import BinaryIO

from disentangled_audio.corpora.reading.containers import is_container, size_of_file
from disentangled_audio.corpora.reading.content import View

_FLAC = b"fLaC"
# The marker, and the head of the block of 34 bytes with which every file begins.
_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_START_BYTES = 8
_BLOCK_BYTES = 2**20
# Nobody joins more; each is opened on its own.
_MAX_PARTS = 10_000


def has_parts(file: BinaryIO) -> bool:
    """Tell whether `parts_of` knows the format of a file."""
    return is_container(file) or _head(file, 0)[0] == _FLAC


def parts_of(file: BinaryIO) -> list[BinaryIO]:
    """Split a file where another one begins.

    Returns
    -------
    list of binary files
        Each joined file in order; the whole file if it is one.
    """
    n_file = file.seek(0, io.SEEK_END)
    is_flac = _head(file, 0)[0] == _FLAC
    starts = _flac_starts(file) if is_flac else _chunked_starts(file, n_file)
    if len(starts) == 1:
        return [file]
    ends = [*starts[1:], n_file]
    return [View(file, start, end) for start, end in zip(starts, ends, strict=True)]


def _flac_starts(file: BinaryIO) -> list[int]:
    file.seek(0)
    starts, at, rest = [], 0, b""
    while block := file.read(_BLOCK_BYTES):
        searched = rest + block
        starts += [at - len(rest) + found.start() for found in _FLAC_START.finditer(searched)]
        at += len(block)
        rest = searched[1 - _START_BYTES :]
    return [0, *[start for start in starts if start > 0]][:_MAX_PARTS]


def _chunked_starts(file: BinaryIO, n_file: int) -> list[int]:
    starts = [0]
    head = _head(file, 0)
    while len(starts) < _MAX_PARTS:
        size = size_of_file(View(file, starts[-1], n_file))
        end = starts[-1] + (size or n_file)
        if end <= starts[-1] or end >= n_file or _head(file, end) != head:
            break
        starts.append(end)
    return starts


def _head(file: BinaryIO, position: int) -> tuple[bytes, bytes]:
    """Name of the format, and its kind, such as RIFF and WAVE."""
    file.seek(position)
    content = file.read(12)
    return content[:4], content[8:12]
