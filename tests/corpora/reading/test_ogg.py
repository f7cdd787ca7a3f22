"""Ogg files that were joined, or cut."""

import io
import struct

import numpy as np
import pytest
import soundfile

from disentangled_audio.corpora.reading.decode import read_samples
from disentangled_audio.corpora.sources.folder import RejectedError
from disentangled_audio.parameters import AudioFormat

CODECS = [codec for codec in ("VORBIS", "OPUS") if codec in soundfile.available_subtypes("OGG")]
RATE_HZ = 48000


def _ogg(codec: str, n_samples: int, n_channels: int = 1) -> bytes:
    noise = np.random.default_rng(n_samples).uniform(-0.5, 0.5, (n_samples, n_channels))
    file = io.BytesIO()
    soundfile.write(file, noise, RATE_HZ, format="OGG", subtype=codec)
    return file.getvalue()


def _read(content: bytes) -> np.ndarray:
    return read_samples(content, AudioFormat())[0]


@pytest.mark.parametrize("codec", CODECS)
def test_a_chained_file_is_read_whole(codec: str) -> None:
    parts = [_ogg(codec, n_samples) for n_samples in (40000, 9000, 20000)]

    samples = _read(b"".join(parts))

    np.testing.assert_array_equal(samples, np.concatenate([_read(part) for part in parts]))
    assert len(samples) == 69000


def test_links_that_differ_are_named() -> None:
    with pytest.raises(RejectedError, match=r"differ .*: 48000 Hz with 1, 48000 Hz with 2$"):
        _read(_ogg("VORBIS", 9000) + _ogg("VORBIS", 9000, 2))


def test_bytes_after_the_pages_are_passed_over() -> None:
    assert len(_read(_ogg("VORBIS", 40000) + bytes(500))) == 40000


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("n_missing", [1, 50, 3000])
def test_a_file_that_is_cut_within_a_page_is_truncated(codec: str, n_missing: int) -> None:
    content = _ogg(codec, 40000)

    with pytest.raises(RejectedError, match=r"truncated: \d+ of \d+ bytes of the last Ogg page$"):
        _read(content[:-n_missing])


@pytest.mark.parametrize("n_bytes", [4, 26, 27])
def test_a_file_that_ends_in_the_first_page_is_truncated(n_bytes: int) -> None:
    with pytest.raises(RejectedError, match="the file is truncated"):
        _read(_ogg("VORBIS", 9000)[:n_bytes])


def _checksum(page: bytes) -> int:
    """CRC-32 of Ogg: not reflected, and begun with zero."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value


def _page(packet: bytes, flags: int, number: int) -> bytes:
    sizes = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, 7, number, 0, len(sizes)) + sizes
    page = head + packet
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _flac_in_ogg(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="FLAC")
    flac = file.getvalue()
    # The marker and the first block, other blocks, and the frames.
    first, rest = flac[:42], flac[42:]
    head = b"\x7fFLAC\x01\x00" + struct.pack(">H", 1) + first
    return b"".join(_page(part, 2 if not n else 0, n) for n, part in enumerate((head, rest)))


@pytest.mark.parametrize("n_parts", [1, 3])
def test_flac_in_ogg_is_read_whole(n_parts: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, 4000)

    read = _read(_flac_in_ogg(samples) * n_parts)

    np.testing.assert_allclose(read[:, 0], np.tile(samples, n_parts), atol=2**-15)
