"""Counts the frames of an MP3 file, whose length libsndfile only estimates without a header.

The estimate divides the size of the file, with its tags, by that of the first frame: it is too
long for a small file with a large tag, and too short for a variable bit rate that begins high.
libsndfile ignores what lies beyond it.

References
----------
ISO/IEC 11172-3, 2.4.1.3 and 13818-3 (frames); ID3v2.4.0, "Main structure"; APEv2 specification;
Tavernier, "mp3 info tag revision 1" (Xing, Info and LAME); Windszus 2007, "MPEG audio frame header"
(VBRI).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from disentangled_audio.corpora.sources.folder import differing_parts, truncated

# By the header's bits of the version: MPEG 1, 2 and 2.5.
_RATES_HZ = {
    3: (44100, 48000, 32000),
    2: (22050, 24000, 16000),
    0: (11025, 12000, 8000),
}
_MPEG_1 = 3
_LAYER_3 = 1
_BIT_RATES_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW_BIT_RATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# Number of bytes of a frame's own header.
_HEADER = 4


@dataclass(frozen=True)
class _Header:
    """What the four bytes at the start of a frame say of it."""

    n_bytes: int
    n_samples: int
    sample_rate_hz: int
    n_channels: int
    n_side: int


@dataclass(frozen=True)
class _Announced:
    """Number of frames and of bytes that the first frame of a file gives; None if it does not."""

    n_frames: int | None
    n_bytes: int | None


@dataclass(frozen=True)
class _Frame:
    start: int
    header: _Header
    announced: _Announced | None

    @property
    def end(self) -> int:
        return self.start + self.header.n_bytes


def frames_in_full(content: bytes) -> tuple[bytes, int | None]:
    """Frames of an MP3 file whose length libsndfile would not know, and their number of samples.

    Parameters
    ----------
    content : bytes
        A file of any format.

    Returns
    -------
    content : bytes
        The content itself if its header gives the number of frames, or if it is not MP3. Otherwise
        all frames with sound, and zeros that make libsndfile's estimate long enough.
    n_samples : int or None
        Number of samples per channel in all frames; None for the content itself.

    Raises
    ------
    RejectedError
        If the last frame is cut, if the file has fewer frames and bytes than its header announces,
        or if its frames differ in sampling rate or number of channels.
    """
    start, end = _skip_tags(content, 0), _end_of_frames(content)
    if _header_at(content, start, end) is None:
        return content, None
    frames = list(_frames(content, start, end))
    whole = [frame for frame in frames if frame.end <= end]
    sounding = [frame for frame in whole if frame.announced is None]
    announced = frames[0].announced or _Announced(None, None)
    _check_complete(announced, len(sounding), sum(frame.header.n_bytes for frame in whole))
    _check_last(content, end, frames[-1])
    kinds = sorted({(frame.header.sample_rate_hz, frame.header.n_channels) for frame in frames})
    if len(kinds) > 1:
        raise differing_parts(kinds)
    if announced.n_frames == len(sounding) and not _is_vbri(content, start):
        return content, None
    return _padded(content, sounding), sum(frame.header.n_samples for frame in sounding)


def _padded(content: bytes, frames: list[_Frame]) -> bytes:
    sound = b"".join(content[frame.start : frame.end] for frame in frames)
    # libsndfile takes every frame to be as large as the first, give or take a byte.
    n_bytes = (len(frames) + 2) * (frames[0].header.n_bytes + 1) if frames else 0
    return sound.ljust(n_bytes, b"\0")


def _check_complete(announced: _Announced, n_frames: int, n_bytes: int) -> None:
    if announced.n_frames is None or n_frames >= announced.n_frames:
        return
    # Some programs count the header as a frame; then the bytes show that nothing is missing.
    if announced.n_bytes is None or n_bytes < announced.n_bytes:
        raise truncated(f": {n_frames} of {announced.n_frames} MPEG frames")


def _check_last(content: bytes, end: int, frame: _Frame) -> None:
    n_bytes = end - frame.start
    if n_bytes < frame.header.n_bytes:
        raise truncated(f": {n_bytes} of {frame.header.n_bytes} bytes of the last MPEG frame")
    if n_bytes - frame.header.n_bytes < _HEADER and content[frame.end : frame.end + 1] == b"\xff":
        raise truncated(": part of the header of another MPEG frame")


def _frames(content: bytes, start: int, end: int) -> Iterator[_Frame]:
    """Frames in order, a header and a cut last one among them, without tags and damaged parts."""
    while start < end:
        header = _header_at(content, start, end)
        if header is not None:
            yield _Frame(start, header, _announced(content, start, header))
            start += header.n_bytes
            continue
        after_tags = _skip_tags(content, start)
        start = after_tags if after_tags > start else _next_frame(content, start + 1, end)


def _next_frame(content: bytes, start: int, end: int) -> int:
    """Position of the next two frames in a row, because damaged bytes can look like one header."""
    while (start := content.find(b"\xff", start, end)) >= 0:
        first = _header_at(content, start, end)
        if first is not None and _header_at(content, start + first.n_bytes, end) is not None:
            return start
        start += 1
    return end


def _header_at(content: bytes, start: int, end: int) -> _Header | None:
    return _header(content[start : min(start + _HEADER, end)])


@lru_cache(maxsize=4096)
def _header(header: bytes) -> _Header | None:
    """Read the header of a frame of layer III; None for anything else, and for free bit rates."""
    if len(header) < _HEADER or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version not in _RATES_HZ or layer != _LAYER_3 or bit_rate in (0, 15) or rate == 3:
        return None
    is_mpeg_1, is_mono = version == _MPEG_1, header[3] >> 6 == 3
    kbps = (_BIT_RATES_KBPS if is_mpeg_1 else _LOW_BIT_RATES_KBPS)[bit_rate - 1]
    rate_hz = _RATES_HZ[version][rate]
    return _Header(
        n_bytes=(144_000 if is_mpeg_1 else 72_000) * kbps // rate_hz + (header[2] >> 1 & 1),
        n_samples=1152 if is_mpeg_1 else 576,
        sample_rate_hz=rate_hz,
        n_channels=1 if is_mono else 2,
        n_side=(17 if is_mono else 32) if is_mpeg_1 else (9 if is_mono else 17),
    )


def _announced(content: bytes, start: int, header: _Header) -> _Announced | None:
    """Read what a header in place of sound announces; None for a frame with sound."""
    # Most programs ignore the two bytes of a checksum; some count them.
    for offset in (_HEADER + header.n_side, _HEADER + header.n_side + 2):
        tag = content[start + offset : start + min(offset + 16, header.n_bytes)]
        if tag[:4] in (b"Xing", b"Info"):
            return _xing(tag)
    tag = content[start + 36 : start + min(54, header.n_bytes)]
    if tag[:4] == b"VBRI" and len(tag) == 18:
        return _Announced(_number(tag[14:18]), _number(tag[10:14]))
    return None


def _xing(tag: bytes) -> _Announced:
    flags, numbers = _number(tag[4:8]), tag[8:]
    n_frames = _number(numbers[:4]) if flags & 1 else None
    numbers = numbers[4:] if flags & 1 else numbers
    return _Announced(n_frames, _number(numbers[:4]) if flags & 2 else None)


def _number(four_bytes: bytes) -> int:
    return int.from_bytes(four_bytes, "big")


def _is_vbri(content: bytes, start: int) -> bool:
    """Tell whether a header is of the kind that libsndfile does not read."""
    return content[start + 36 : start + 40] == b"VBRI"


def _skip_tags(content: bytes, start: int) -> int:
    """Position after tags (ID3 or APE) and the zeros that pad them."""
    while size := _tag_size(content, start):
        start += size
        while content[start : start + 1] == b"\0":
            start += 1
    return start


def _tag_size(content: bytes, start: int) -> int:
    """Number of bytes of the tag at a position; 0 if there is none."""
    head = content[start : start + 32]
    if head[:3] == b"ID3" and len(head) >= 10:
        n_bytes = sum(part << 7 * power for power, part in enumerate(reversed(head[6:10])))
        return 10 + n_bytes + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        return 32 + int.from_bytes(head[12:16], "little")
    return 0


def _end_of_frames(content: bytes) -> int:
    """Position where tags at the end of a file begin, which a cut frame would seem to include."""
    end = len(content)
    if content[-128:][:3] == b"TAG":
        end -= 128
    footer = content[max(end - 32, 0) : end]
    if footer[:8] == b"APETAGEX" and len(footer) == 32:
        has_header = footer[23] & 0x80
        end -= int.from_bytes(footer[12:16], "little") + (32 if has_header else 0)
    return max(end, 0)
