"""Ogg files that were joined, or cut."""

import io

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
