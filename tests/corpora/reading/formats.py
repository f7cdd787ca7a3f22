"""A sound in every format, and its header made wrong in several ways."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import soundfile

RATE_HZ = 16000
N_SAMPLES = 6400
TONE_HZ = 440.0
N_CUT = 250
ONES = {"<I": 2**32 - 1, ">I": 2**32 - 1, "<Q": 2**64 - 1, ">q": -1}


def tone(n_samples: int = N_SAMPLES) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(n_samples) / RATE_HZ)


@cache
def encoded(name: str, subtype: str | None = None, endian: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(), RATE_HZ, format=name, subtype=subtype, endian=endian)
    return file.getvalue()


@dataclass(frozen=True)
class Layout:
    """Where a format keeps its sizes.

    Attributes
    ----------
    code : format of both sizes, for `struct`.
    whole : position of the size of the file; None if there is none.
    mark, offset : the size of the samples stands so many bytes behind the start of this text.
    samples, lead : so do the samples, behind another one.
    sample_bytes : size of a sample; 0 if it varies.
    """

    code: str
    whole: int | None
    mark: bytes
    offset: int
    samples: bytes
    lead: int
    sample_bytes: int


def _riff(sample_bytes: int, code: str = "<I") -> Layout:
    return Layout(code, 4, b"data", 4, b"data", 8, sample_bytes)


def _iff(sample_bytes: int, mark: bytes = b"SSND", lead: int = 16) -> Layout:
    return Layout(">I", 4, mark, 4, mark, lead, sample_bytes)


_RF64 = Layout("<Q", 20, b"ds64", 16, b"data", 8, 2)
_CAF = Layout(">q", None, b"data", 4, b"data", 16, 2)


@dataclass(frozen=True)
class Format:
    """A sound as a file, with the ending of its name."""

    ending: str
    content: Callable[[], bytes]
    layout: Layout | None = None


FORMATS = {
    "wav": Format("wav", lambda: encoded("WAV", "PCM_16"), _riff(2)),
    "wav, 8 bits": Format("WAV", lambda: encoded("WAV", "PCM_U8"), _riff(1)),
    "wav, 24 bits": Format("wave", lambda: encoded("WAV", "PCM_24"), _riff(3)),
    "wav, floats": Format("wav", lambda: encoded("WAV", "FLOAT"), _riff(4)),
    "wav, u-law": Format("wav", lambda: encoded("WAV", "ULAW"), _riff(1)),
    "wav, extensible": Format("bwf", lambda: encoded("WAVEX", "PCM_16"), _riff(2)),
    "wav, big endian": Format("wav", lambda: encoded("WAV", "PCM_16", "BIG"), _riff(2, ">I")),
    "rf64": Format("rf64", lambda: encoded("RF64", "PCM_16"), _RF64),
    "bw64": Format("bw64", lambda: encoded("RF64").replace(b"RF64", b"BW64", 1), _RF64),
    "w64": Format(
        "w64", lambda: encoded("W64"), Layout("<Q", 16, b"data\xf3", 16, b"data\xf3", 24, 2)
    ),
    "aiff": Format("aiff", lambda: encoded("AIFF"), _iff(2)),
    "aiff, 24 bits": Format("aif", lambda: encoded("AIFF", "PCM_24"), _iff(3)),
    "aiff-c": Format("aifc", lambda: encoded("AIFF", "FLOAT"), _iff(4)),
    "16sv": Format("iff", lambda: encoded("SVX", "PCM_16"), _iff(2, b"BODY", 8)),
    "au": Format("au", lambda: encoded("AU"), Layout(">I", None, b".snd", 8, b".snd", 24, 2)),
    "au, little endian": Format(
        *("snd", lambda: encoded("AU", "PCM_16", "LITTLE")),
        Layout("<I", None, b"dns.", 8, b"dns.", 24, 2),
    ),
    "caf": Format("caf", lambda: encoded("CAF", "PCM_16"), _CAF),
    "caf, floats": Format("caf", lambda: encoded("CAF", "FLOAT"), replace(_CAF, sample_bytes=4)),
    "nist": Format("sph", lambda: encoded("NIST")),
    "avr": Format("avr", lambda: encoded("AVR")),
    "flac": Format("flac", lambda: encoded("FLAC")),
    "ogg": Format("ogg", lambda: encoded("OGG", "VORBIS")),
    "opus": Format("opus", lambda: encoded("OGG", "OPUS")),
    "mp3": Format("mp3", lambda: encoded("MP3")),
}


def _set(content: bytes, position: int, code: str, number: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(code, changed, position, number)
    return bytes(changed)


def _changed_file_size(content: bytes, layout: Layout, added: int | None) -> bytes:
    assert layout.whole is not None
    (size,) = struct.unpack_from(layout.code, content, layout.whole)
    return _set(content, layout.whole, layout.code, 0 if added is None else size + added)


def _changed_size(content: bytes, layout: Layout, change: Callable[[int], int]) -> bytes:
    position = content.index(layout.mark) + layout.offset
    (size,) = struct.unpack_from(layout.code, content, position)
    return _set(content, position, layout.code, change(size))


def _header_counted(content: bytes, layout: Layout) -> bytes:
    n_header = content.index(layout.samples) + layout.lead
    return _changed_size(content, layout, lambda size: size + n_header)


def _without_xing(content: bytes) -> bytes:
    """The file without its first frame, which counts the others."""
    return content[content.index(b"\xff\xf3", 4) :]


def _without_count(name: str, content: bytes) -> bytes:
    """What programs write that do not know the number of samples yet."""
    match name:
        case "flac":
            return content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:]
        case "nist":
            return content.replace(b"sample_count -i 6400", b"sample_count -i 0000")
        case "avr":
            return _set(content, 26, ">I", 0)
        case _:
            return _without_xing(content)


FAULTS = ("file+8", "file=0", "+header", "size=0", "size=-1", "cut")


def faulty(name: str, fault: str) -> bytes:
    """A format's file with one of the faults."""
    content, layout = FORMATS[name].content(), FORMATS[name].layout
    if fault == "cut":
        sample_bytes = layout.sample_bytes if layout else 2
        return content[: -N_CUT * sample_bytes]
    if layout is None:
        is_open = fault == "size=-1"
        return _set(content, 26, ">I", ONES[">I"]) if is_open else _without_count(name, content)
    changes: dict[str, Callable[[], bytes]] = {
        "file+8": lambda: _changed_file_size(content, layout, 8),
        "file=0": lambda: _changed_file_size(content, layout, None),
        "+header": lambda: _header_counted(content, layout),
        "size=0": lambda: _changed_size(content, layout, lambda _: 0),
        "size=-1": lambda: _changed_size(content, layout, lambda _: ONES[layout.code]),
    }
    return changes[fault]()


# By format, what happens for each fault: R read, W read with a warning, X refused because samples
# are missing, - where the format has no such field.
TABLE = """
wav                 W W W W W X
wav, 8 bits         W W W W W X
wav, 24 bits        W W W W W X
wav, floats         W W W W W X
wav, u-law          W W W W W X
wav, extensible     W W W W W X
wav, big endian     W W W W W X
rf64                W W W W W X
bw64                W W W W W X
w64                 W W W W W X
aiff                W W W W W X
aiff, 24 bits       W W W W W X
aiff-c              W W W W W X
16sv                W W W W W X
au                  - - W W R X
au, little endian   - - W W R X
caf                 - - W W R X
caf, floats         - - W W R X
nist                - - - R - X
avr                 - - - R R X
flac                - - - R - X
ogg                 - - - - - X
opus                - - - - - X
mp3                 - - - R - X
"""
OUTCOMES = {
    (line[:20].strip(), fault): outcome
    for line in TABLE.strip().splitlines()
    for fault, outcome in zip(FAULTS, line[20:].split(), strict=True)
}
CELLS = {cell: outcome for cell, outcome in OUTCOMES.items() if outcome != "-"}
