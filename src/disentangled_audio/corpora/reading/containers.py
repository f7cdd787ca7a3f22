"""Finds the samples of a file whose header may give a wrong size.

Programs that write to a pipe do not know the size, others count the header or leave a zero. The
samples are there all the same, and they end with the file. A file whose header is consistent but
longer than the file was cut.

References
----------
Microsoft and IBM 1991, "Multimedia programming interface and data specifications" (RIFF); EBU Tech
3306 and ITU-R BS.2088 (RF64, BW64); Apple 1989, "AIFF" and 1991 "AIFF-C"; Morrison 1985, "EA IFF
85" (8SVX); Sony Wave64; Sun .au; Apple Core Audio Format 1.0.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# No real file has more chunks before its samples.
_MAX_CHUNKS = 1000
# Placeholders for an unknown size lie above it; no file that is read is as large.
UNKNOWN_SIZE = 0x7F000000
# The usual header of a wav, which some programs count among the samples.
_WAV_HEADER = 44
_CHUNK_HEAD = 8
_LAST = 2**62
# How every warning begins.
HEADER = "its header"
# What RF64 has in place of sizes that stand in its chunk ds64, and where that begins.
_IN_DS64 = 0xFFFFFFFF
_DS64 = 20


@dataclass(frozen=True)
class _Family:
    """Containers of chunks, each with a name and a size.

    Attributes
    ----------
    head : str
        Format of a chunk's name and size, for `struct`.
    first : int
        Position of the first chunk.
    samples : dict
        By name, how many bytes of the chunk with samples come before them.
    counted : int
        Bytes of a chunk's head that its size includes.
    align : int
        Chunks begin at multiples of it.
    outer : (format, position, added) or None
        Where the size of the file stands, and the bytes to add to it.
    may_be_open : bool
        Whether a size of only ones is a legal one, of a stream.
    """

    head: str
    first: int
    samples: dict[bytes, int]
    counted: int = 0
    align: int = 2
    outer: tuple[str, int, int] | None = None
    may_be_open: bool = False


_IN_W64 = b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
_IN_SVX = b"BODY"
# After these, libsndfile takes all that follows for samples.
_READ_ON = (_IN_W64, _IN_SVX)
_WAVE = {b"data": 0}
_RIFF = _Family("<4sI", 12, _WAVE, outer=("<I", 4, 8))
_FAMILIES = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"BW64": _RIFF,
    b"RIFX": _Family(">4sI", 12, _WAVE, outer=(">I", 4, 8)),
    b"FORM": _Family(">4sI", 12, {b"SSND": 8, _IN_SVX: 0}, outer=(">I", 4, 8)),
    b"riff": _Family(
        *("<16sQ", 40, {_IN_W64: 0}),
        counted=24,
        align=8,
        outer=("<Q", 16, 0),
    ),
    b"caff": _Family(">4sq", 8, {b"data": 4}, align=1, may_be_open=True),
}
_AU_ORDERS = {b".snd": ">", b"dns.": "<"}


@dataclass(frozen=True)
class _Declared:
    """What a header says of the samples.

    Attributes
    ----------
    start : int
        Position of the first.
    n_bytes : int
        Their size.
    size_at, size_format, added
        Where the size stands, and what it counts beside the samples.
    may_be_open : bool
        Whether a size of only ones is a legal one, of a stream.
    ends_file : bool
        Whether the decoder must not see what follows the samples.
    """

    start: int
    n_bytes: int
    size_at: int
    size_format: str
    added: int = 0
    may_be_open: bool = False
    ends_file: bool = False

    @property
    def size(self) -> bytes:
        """The size as it stands in the header."""
        return struct.pack(self.size_format, self.n_bytes + self.added)


@dataclass(frozen=True)
class Extent:
    """Where the samples of a file are.

    Attributes
    ----------
    end : int
        Position at which the decoder has to stop.
    n_bytes : int
        Size of the samples that are there.
    n_missing : int
        Size of those that are missing at the end.
    warning : str
        What is wrong with the header, although all samples are there; empty if nothing is.
    patches : dict
        What to replace for the decoder, by its position; empty if the header is right.
    """

    end: int
    n_bytes: int
    n_missing: int
    warning: str
    patches: dict[int, bytes]


def is_container(file: BinaryIO) -> bool:
    """Tell whether `extent` knows the format of a file."""
    magic = _read(file, 0, 4)
    return magic in _FAMILIES or magic in _AU_ORDERS


def extent(file: BinaryIO) -> Extent | None:
    """Find the samples of a RIFF, RF64, BW64, AIFF, 8SVX, Wave64, AU or CAF file.

    Returns
    -------
    Extent or None
        None if it is another format, or ends before its samples.
    """
    n_file = file.seek(0, io.SEEK_END)
    magic = _read(file, 0, 4)
    family = _FAMILIES.get(magic)
    declared = _declared_in_au(file, magic) if family is None else _declared(file, family)
    if declared is None or declared.start > n_file:
        return None
    n_there = n_file - declared.start
    n_outer = None if family is None else size_of_file(file)
    is_stream = _is_stream(file, family, declared, n_there)
    n_missing = 0 if is_stream else max(0, declared.n_bytes - n_there)
    if _counts_header(n_missing, declared.start, n_outer, n_file):
        n_missing = 0
    n_bytes = n_there if is_stream else max(0, min(declared.n_bytes, n_there))
    end = declared.start + n_bytes
    size = struct.pack(declared.size_format, n_bytes + declared.added)
    warning = _about_samples(declared, n_there, is_stream=is_stream)
    if family is not None and n_outer is not None:
        warning = warning or _about_file(end, n_outer, n_file, family.align)
    return Extent(
        end if declared.ends_file else n_file,
        n_bytes,
        n_missing,
        "" if n_missing else warning,
        _patches(magic, declared, size),
    )


def _patches(magic: bytes, declared: _Declared, size: bytes) -> dict[int, bytes]:
    patches = {} if size == declared.size else {declared.size_at: size}
    # libsndfile knows the format by its older name alone.
    return {0: b"RF64", **patches} if magic == b"BW64" else patches


def size_of_file(file: BinaryIO) -> int | None:
    """Give the size that a file's header says it has; None if the format has no such field."""
    family = _FAMILIES.get(_read(file, 0, 4))
    if family is None or family.outer is None:
        return None
    code, position, added = family.outer
    n_bytes = _number(file, position, code)
    if n_bytes == _IN_DS64 and _read(file, 12, 4) == b"ds64":
        n_bytes = _number(file, _DS64, "<Q")
    return None if n_bytes is None else n_bytes + added


def _declared(file: BinaryIO, family: _Family) -> _Declared | None:
    for name, body, size in _chunks(file, family, family.first):
        if name not in family.samples:
            continue
        before = family.samples[name]
        if size == _IN_DS64 and _read(file, 12, 4) == b"ds64":
            in_ds64 = _number(file, _DS64 + 8, "<Q") or 0
            return _Declared(body, in_ds64, _DS64 + 8, "<Q")
        code = family.head[0] + family.head[-1]
        size_at = body - struct.calcsize(code)
        added = before + family.counted
        return _Declared(
            *(body + before, size - before, size_at, code, added),
            may_be_open=family.may_be_open,
            ends_file=name in _READ_ON,
        )
    return None


def _declared_in_au(file: BinaryIO, magic: bytes) -> _Declared | None:
    order = _AU_ORDERS.get(magic, ">")
    start, n_bytes = _number(file, 4, f"{order}I"), _number(file, 8, f"{order}I")
    if magic not in _AU_ORDERS or start is None or n_bytes is None:
        return None
    return _Declared(start, n_bytes, 8, f"{order}I", may_be_open=True)


def _chunks(file: BinaryIO, family: _Family, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, position and size of each chunk; the size is what the chunk says."""
    n_head = struct.calcsize(family.head)
    for _ in range(_MAX_CHUNKS):
        head = _read(file, at, n_head)
        if len(head) < n_head:
            return
        name, size = struct.unpack(family.head, head)
        size -= family.counted
        yield name, at + n_head, size
        at += n_head + max(0, size)
        at += -at % family.align


def _is_stream(file: BinaryIO, family: _Family | None, declared: _Declared, n_there: int) -> bool:
    """Tell whether the program that wrote a file left the size of its samples open."""
    if declared.n_bytes > 0:
        return declared.n_bytes >= UNKNOWN_SIZE and declared.n_bytes > n_there
    if declared.n_bytes + declared.added < 0:
        return True
    return n_there > 0 and not (family and _are_chunks(file, family, declared.start, n_there))


def _are_chunks(file: BinaryIO, family: _Family, at: int, n_bytes: int) -> bool:
    """Tell whether further chunks fill a file to its end, so that there really are no samples."""
    end = at
    for name, body, size in _chunks(file, family, at):
        if not name[:4].isascii() or not name[:4].decode().isprintable():
            return False
        end = body + max(0, size)
    return end > at and 0 <= at + n_bytes - end < family.align


def _counts_header(n_missing: int, n_header: int, n_outer: int | None, n_file: int) -> bool:
    """Tell whether only the header seems to be missing, because the size counts it too."""
    if n_missing in (n_header, n_header - _CHUNK_HEAD, _WAV_HEADER):
        return True
    return n_outer is not None and n_outer <= n_file + 1 and n_missing <= n_header


def _about_samples(declared: _Declared, n_there: int, *, is_stream: bool) -> str:
    if is_stream:
        is_legal = declared.may_be_open and not declared.size.strip(b"\xff")
        return "" if is_legal else f"{HEADER} leaves the size of its samples open"
    if declared.n_bytes > n_there:
        return f"{HEADER} counts {declared.n_bytes} bytes of samples, {n_there} are there"
    return ""


def _about_file(end: int, n_outer: int, n_file: int, align: int) -> str:
    if end <= n_outer < n_file + align:
        return ""
    return f"{HEADER} gives the file a size of {n_outer} bytes, it has {n_file}"


def _number(file: BinaryIO, position: int, code: str) -> int | None:
    content = _read(file, position, struct.calcsize(code))
    return struct.unpack(code, content)[0] if len(content) == struct.calcsize(code) else None


def _read(file: BinaryIO, position: int, n_bytes: int) -> bytes:
    # Sizes of 64 bits lead to where no file can be.
    file.seek(min(position, _LAST))
    return file.read(n_bytes)
