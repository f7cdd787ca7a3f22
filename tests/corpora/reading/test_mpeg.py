"""MP3 files with and without a header that gives their length, with tags, joined and cut."""

import io
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disentangled_audio.corpora.reading.decode import read_samples
from disentangled_audio.corpora.sources.folder import RejectedError
from disentangled_audio.parameters import AudioFormat

pytestmark = pytest.mark.skipif(
    "MP3" not in soundfile.available_formats(), reason="libsndfile without MP3"
)

RATE_HZ = 44100
FRAME = 1152
# Of the encoder and the decoder together, in samples: removed only where a header gives it.
DELAY = 576 + 529
KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)


@cache
def _mp3(
    n_samples: int = RATE_HZ, rate_hz: int = RATE_HZ, n_channels: int = 1, fading: str = "out"
) -> bytes:
    """Noise that fades, so that frames of a variable bit rate differ in size."""
    fade = np.linspace(0.3, 0, n_samples) if fading == "out" else np.linspace(0, 0.3, n_samples)
    noise = np.random.default_rng(0).standard_normal((n_samples, n_channels)) * fade[:, np.newaxis]
    file = io.BytesIO()
    soundfile.write(file, np.tanh(noise), rate_hz, format="MP3", bitrate_mode="VARIABLE")
    return file.getvalue()


def _frames(content: bytes) -> list[bytes]:
    """Frames of a file of MPEG 1, the header first."""
    frames = []
    while content:
        rate_hz = (44100, 48000, 32000)[content[2] >> 2 & 3]
        n_bytes = 144_000 * KBPS[(content[2] >> 4) - 1] // rate_hz + (content[2] >> 1 & 1)
        frames.append(content[:n_bytes])
        content = content[n_bytes:]
    return frames


def _read(content: bytes) -> np.ndarray:
    return read_samples(content, AudioFormat())[0]


def _without_header(content: bytes) -> bytes:
    return b"".join(_frames(content)[1:])


def _with_header(content: bytes, kind: str) -> bytes:
    """Replace the header by one of another kind."""
    header, *frames = _frames(content)
    start, n_bytes = header[:36] if kind == "VBRI" else header[:21], len(content)
    match kind:
        case "VBRI":
            tag = b"VBRI" + bytes(6) + n_bytes.to_bytes(4, "big") + len(frames).to_bytes(4, "big")
        case "Xing without numbers":
            tag = b"Xing" + bytes(4)
        case "Info that counts itself":
            numbers = (3, len(frames) + 1, n_bytes)
            tag = b"Info" + b"".join(number.to_bytes(4, "big") for number in numbers)
    return (start + tag).ljust(len(header), b"\0") + b"".join(frames)


def _id3v2(n_bytes: int) -> bytes:
    size = bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    # Pictures in a tag can hold what looks like a frame.
    return b"ID3\x03\x00\x00" + size + (b"\xff\xfb\x90\xc4" * n_bytes)[:n_bytes]


def _ape(n_bytes: int) -> bytes:
    size = (n_bytes + 32).to_bytes(4, "little")
    header, footer = (
        b"APETAGEX\xd0\x07\0\0" + size + bytes(7) + bytes([flags]) + bytes(8)
        for flags in (0xA0, 0x80)
    )
    return header + b"\xff" * n_bytes + footer


ID3V1 = b"TAG" + b"\xff" * 125
TAGS = {
    "none": (b"", b""),
    "id3v2": (_id3v2(5000), b""),
    "id3v2 padded": (_id3v2(300) + bytes(1000), b""),
    "two id3v2": (_id3v2(5000) + _id3v2(70), b""),
    "id3v1": (b"", ID3V1),
    "ape": (b"", _ape(700)),
    "all": (_id3v2(5000), _ape(700) + ID3V1),
    "ape first": (_ape(700), b""),
}


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("fading", ["out", "in"])
def test_a_file_without_a_header_is_read_whole(fading: str, tags: str) -> None:
    content = _mp3(fading=fading)
    before, after = TAGS[tags]

    samples = _read(before + _without_header(content) + after)

    assert len(samples) == FRAME * (len(_frames(content)) - 1)
    np.testing.assert_allclose(samples[DELAY:][:RATE_HZ], _read(content), atol=1e-6)


@pytest.mark.parametrize("tags", ["none", "id3v2", "id3v1", "ape", "all"])
def test_the_delay_is_removed_from_a_file_whose_header_gives_it(tags: str) -> None:
    before, after = TAGS[tags]

    assert len(_read(before + _mp3() + after)) == RATE_HZ


@pytest.mark.parametrize("kind", ["VBRI", "Xing without numbers", "Info that counts itself"])
def test_a_header_that_libsndfile_misreads_is_not_sound(kind: str) -> None:
    content = _mp3()

    samples = _read(_with_header(content, kind))

    np.testing.assert_array_equal(samples, _read(_without_header(content)))


@pytest.mark.parametrize("rate_hz", [8000, 11025, 12000, 16000, 22050, 24000, 32000, 48000])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_frames_of_every_rate_are_counted(rate_hz: int, n_channels: int) -> None:
    content = _mp3(rate_hz, rate_hz, n_channels)

    # The header of the first file announces that file only.
    joined = _read(content + content)

    frame = FRAME if rate_hz >= 32000 else FRAME // 2
    assert joined.shape[1] == n_channels
    assert len(joined) % frame == 0
    assert 2 * rate_hz <= len(joined) <= 2 * (rate_hz + 4 * frame)


def test_joined_files_are_read_whole() -> None:
    first, second = _mp3(), _mp3(fading="in")

    joined = _read(_id3v2(40) + first + ID3V1 + _id3v2(5000) + second + ID3V1)

    n_first = len(_read(_without_header(first)))
    assert len(joined) == n_first + len(_read(_without_header(second)))
    np.testing.assert_allclose(joined[DELAY:][:RATE_HZ], _read(first), atol=1e-6)
    # The first frames of the second file still hear the end of the first.
    start = n_first + DELAY
    np.testing.assert_allclose(
        joined[start:][2 * FRAME : RATE_HZ], _read(second)[2 * FRAME :], atol=1e-6
    )


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(32000, 1), (RATE_HZ, 2)])
def test_parts_that_differ_are_named(rate_hz: int, n_channels: int) -> None:
    with pytest.raises(RejectedError, match=r"its parts differ .*44100 Hz with 1") as caught:
        _read(_mp3() + _mp3(9000, rate_hz, n_channels))
    assert f"{rate_hz} Hz with {n_channels}" in str(caught.value)


def test_damage_between_frames_is_passed_over() -> None:
    frames = _frames(_mp3())[1:]

    damaged = b"".join([*frames[:9], b"damage \xff\xfb\x90\xc4" * 50, *frames[9:]])

    assert len(_read(damaged)) == FRAME * len(frames)


def test_bytes_after_the_frames_are_not_missing_samples() -> None:
    frames = _without_header(_mp3())

    assert len(_read(frames + b"LYRICSBEGIN" + bytes(3000))) == len(_read(frames))


@pytest.mark.parametrize("tags", ["none", "id3v2", "all"])
def test_a_file_that_is_cut_within_a_frame_is_truncated(tags: str) -> None:
    before, after = TAGS[tags]
    content = _without_header(_mp3())
    last = len(content) - len(_frames(content)[-1])
    cuts = [last + 1, last + 3, last + 4, len(content) - 1]
    cuts += [random.Random(0).randrange(5000, last) for _ in range(10)]
    ends = {sum(map(len, _frames(content)[:n])) for n in range(len(_frames(content)))}

    for cut in set(cuts) - ends:
        with pytest.raises(
            RejectedError, match=r"^the file is truncated: .*(last|another) MPEG frame$"
        ):
            _read(before + content[:cut] + after)


@pytest.mark.parametrize("n_missing", [1, 20])
@pytest.mark.parametrize("kind", ["Info", "VBRI", "Info that counts itself"])
def test_a_file_with_fewer_frames_than_its_header_announces_is_truncated(
    kind: str, n_missing: int
) -> None:
    content = _mp3() if kind == "Info" else _with_header(_mp3(), kind)
    n_frames = len(_frames(content)) - 1

    with pytest.raises(
        RejectedError,
        match=rf"truncated: {n_frames - n_missing} of \d+ MPEG frames$",
    ):
        _read(b"".join(_frames(content)[:-n_missing]))


@pytest.mark.parametrize("content", [b"ID3", _id3v2(500)[:200], _id3v2(50), b"\xff\xfb\x90", ID3V1])
def test_tags_without_sound_are_not_audio(content: bytes) -> None:
    with pytest.raises(RejectedError, match="not audio that can be decoded"):
        _read(content)


def test_another_format_behind_a_tag_is_read(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 9000).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", samples, RATE_HZ)

    read = _read(_id3v2(500) + (tmp_path / "a.flac").read_bytes())

    np.testing.assert_allclose(read[:, 0], samples, atol=2**-15)
