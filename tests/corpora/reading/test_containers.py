"""Wrong sizes beyond those of the table of `formats`, joined files, and files read by blocks."""

import struct
from pathlib import Path

import numpy as np
import pytest

from disentangled_audio.corpora.reading.audio import audio_info, header_warning
from disentangled_audio.corpora.reading.decode import decode, read_samples
from disentangled_audio.corpora.sources import folder
from disentangled_audio.corpora.sources.folder import File, LargeFile, RejectedError
from disentangled_audio.parameters import AudioFormat
from tests.corpora.reading.formats import N_SAMPLES, encoded
from tests.corpora.sources.hostile import chunk, pcm_16, sound, wav

AUDIO = AudioFormat()
DATA = pcm_16(sound())
SIZE = len(DATA)


def _read(content: bytes) -> np.ndarray:
    return read_samples(content, AUDIO)[0]


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        # The whole file, its whole header or the usual header is counted.
        (wav(data_size=SIZE + 44, riff_size=SIZE + 80), "counts 3244 bytes of samples, 3200 are"),
        (wav(data_size=SIZE + 36), "counts 3236 bytes of samples, 3200 are there"),
        (
            wav(data_size=SIZE + 44, riff_size=SIZE + 180, before=chunk(b"LIST", bytes(92))),
            "counts 3244 bytes of samples",
        ),
        # The size of the file is right, so nothing was cut.
        (wav(data_size=SIZE + 8), "counts 3208 bytes of samples"),
        (wav(data_size=2**31 - 1, riff_size=2**31 + 35), "leaves the size of its samples open"),
        (wav(data_size=0x7F000008, riff_size=0x7F00002C), "leaves the size of its samples open"),
        (wav(data_size=0, riff_size=36), "leaves the size of its samples open"),
        (wav(riff_size=SIZE), "gives the file a size of 3208 bytes, it has 3244"),
        (wav(riff_size=10**6), "gives the file a size of 1000008 bytes, it has 3244"),
    ],
)
def test_a_wrong_size_is_a_warning_while_the_samples_are_there(
    content: bytes, warning: str
) -> None:
    np.testing.assert_allclose(_read(content)[:, :1], sound(), atol=2**-15)
    assert header_warning(content).startswith("its header ")
    assert warning in header_warning(content)


@pytest.mark.parametrize(
    ("content", "n_missing", "n_all"),
    [
        (wav()[:-2], 1, 1600),
        (wav()[:-3], 2, 1600),
        (wav()[:-8], 4, 1600),
        (wav(data_size=SIZE + 8, riff_size=SIZE + 44), 4, 1604),
        (wav(data_size=2 * SIZE), 1600, 3200),
        (encoded("AIFF", "PCM_24")[:-3001], 1001, N_SAMPLES),
        (encoded("W64")[:-2], 1, N_SAMPLES),
    ],
)
def test_missing_samples_are_counted(content: bytes, n_missing: int, n_all: int) -> None:
    with pytest.raises(RejectedError, match=f": {n_missing} of {n_all} samples are missing$"):
        _read(content)


def test_an_empty_chunk_of_samples_before_others_is_empty() -> None:
    content = wav(b"", after=chunk(b"LIST", bytes(3200)))

    assert len(_read(content)) == 0
    assert header_warning(content) == ""


def test_a_chunk_beyond_the_end_of_every_file_is_not_looked_for() -> None:
    content = bytearray(encoded("W64"))
    content[56:64] = b"\xff" * 7 + b"\x7f"

    with pytest.raises(RejectedError, match="not audio that can be decoded"):
        _read(bytes(content))


@pytest.mark.parametrize("how", [("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("FLAC", "PCM_16")])
def test_joined_files_are_read_whole(how: tuple[str, str]) -> None:
    content = encoded(*how)

    joined = _read(content * 3)

    np.testing.assert_array_equal(joined, np.concatenate([_read(content)] * 3))


def test_joined_files_that_differ_are_named() -> None:
    with pytest.raises(RejectedError, match="its parts differ in sampling rate or channels"):
        _read(wav() + wav(rate_hz=16000))


@pytest.mark.parametrize("how", [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24")])
def test_a_large_file_is_read_by_blocks_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: tuple[str, str]
) -> None:
    (tmp_path / "a.wav").write_bytes(encoded(*how))
    file = File(tmp_path / "a.wav", "a.wav")
    held = decode([file], AUDIO, 0.05)
    monkeypatch.setattr(folder, "MAX_HELD_BYTES", 1000)

    by_blocks = decode([file], AUDIO, 0.05)

    assert isinstance(file.read(), LargeFile)
    np.testing.assert_array_equal(by_blocks.samples, held.samples)
    assert (by_blocks.sha256, by_blocks.n_bytes) == (held.sha256, held.n_bytes)


def test_a_large_file_that_changes_while_it_is_read_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MAX_HELD_BYTES", 1000)
    path = tmp_path / "a.wav"
    path.write_bytes(encoded("WAV"))
    found = File(path, "a.wav").read()
    path.write_bytes(encoded("WAV") + b"more")

    with pytest.raises(RejectedError, match="the file changed while it was read"):
        read_samples(found, AUDIO)
    path.unlink()
    with pytest.raises(RejectedError, match="cannot be read: No such file"):
        read_samples(found, AUDIO)


def test_the_length_of_a_streamed_flac_is_counted(tmp_path: Path) -> None:
    content = bytearray(encoded("FLAC"))
    content[21] &= 0xF0
    content[22:26] = struct.pack(">I", 0)
    (tmp_path / "a.flac").write_bytes(content)

    assert audio_info(File(tmp_path / "a.flac", "a.flac")).n_samples == N_SAMPLES
