"""Formats that only ffmpeg reads; a small script stands in for it."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from disentangled_audio.corpora.propose import propose_corpus
from disentangled_audio.corpora.reading import ffmpeg
from disentangled_audio.corpora.reading.decode import Decoded, decode
from disentangled_audio.corpora.sources.folder import File, RejectedError
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import FFMPEG_FILES, AudioFormat, Corpus
from tests.corpora.reading.formats import N_SAMPLES, RATE_HZ, encoded, faulty
from tests.corpora.reading.reading import ingest

UNCLEAR = b"no start that a format has"


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put an ffmpeg first on the path, which writes down its arguments; give that file."""
    programs, arguments = folder / "programs", folder / "arguments"
    programs.mkdir()
    (programs / "ffmpeg").write_text(
        f'#!/bin/sh\nfor one in "$@"; do printf \'%s\\n\' "$one"; done > {arguments}\n{script}\n'
    )
    (programs / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return arguments


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ffmpeg that makes a wav as ffmpeg does: without the size of its samples."""
    (tmp_path / "piped.wav").write_bytes(faulty("wav", "size=-1"))
    return _install(tmp_path, monkeypatch, f"cat {tmp_path / 'piped.wav'}")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path without ffmpeg."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def _decode(path: Path, content: bytes = UNCLEAR) -> Decoded:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return decode([File(path, path.name)], AudioFormat(), 0.05)


def _after(arguments: Path, option: str) -> str:
    given = arguments.read_text().split("\n")
    return given[given.index(option) + 1]


@pytest.mark.parametrize("ending", FFMPEG_FILES)
def test_every_ending_is_decoded_by_a_demuxer_of_its_own(
    arguments: Path, tmp_path: Path, ending: str
) -> None:
    decoded = _decode(tmp_path / f"a.{ending.upper()}")

    assert decoded.samples.shape == (N_SAMPLES, 1)
    assert decoded.warning == ""
    given = arguments.read_text().split("\n")
    # Before the input, or it would be guessed, and a playlist followed.
    assert given.index("-f") < given.index("-i")
    assert "-nostdin" in given
    assert _after(arguments, "-protocol_whitelist") == "file,pipe"


@pytest.mark.parametrize(
    "name", ["-y.m4a", "concat:a|b.m4a", "http:x.m4a", "$(touch x).m4a", "a b\n.m4a", "%d.m4a"]
)
def test_a_name_is_only_a_name(arguments: Path, tmp_path: Path, name: str) -> None:
    _decode(tmp_path / name)

    assert f"\nfile:{tmp_path / name}\n" in arguments.read_text()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("start", "demuxer"),
    [
        (b"\0\0\0\x20ftypM4A ", "mov"),
        (b"\x1a\x45\xdf\xa3", "matroska"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
        (b"#!AMR\n", "amr"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"RIFF\x10\0\0\0AVI LIST", "avi"),
    ],
)
def test_content_counts_more_than_a_name(
    arguments: Path, tmp_path: Path, start: bytes, demuxer: str
) -> None:
    assert _decode(tmp_path / "a.wav", start + bytes(400)).samples.shape == (N_SAMPLES, 1)

    assert _after(arguments, "-f") == demuxer


@pytest.mark.parametrize("content", [b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\n"])
def test_a_list_of_other_files_is_never_read_as_one(
    arguments: Path, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(RejectedError, match="not audio that can be decoded"):
        _decode(tmp_path / "a.wav", content)
    assert not arguments.exists()
    _decode(tmp_path / "a.mp4", content)
    assert _after(arguments, "-f") == "mov"


def test_a_wav_with_another_ending_needs_no_ffmpeg(nowhere: None, tmp_path: Path) -> None:
    assert _decode(tmp_path / "a.m4a", encoded("WAV")).samples.shape == (N_SAMPLES, 1)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo a >&2; printf 'b\\033[2J' >&2; exit 1", r"ffmpeg cannot decode it: b\?\[2J$"),
        ("exit 3", "ffmpeg cannot decode it: no reason given"),
        ("exit 0", "ffmpeg finds no sound in it"),
        ("sleep 60", r"ffmpeg takes longer than 0\.2 s"),
        ("cat /dev/zero", "ffmpeg makes more than 100000 bytes of it"),
        ("echo no wav", "not audio that can be decoded"),
    ],
)
def test_a_failing_ffmpeg_is_named_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    _install(tmp_path, monkeypatch, script)
    monkeypatch.setattr(ffmpeg, "_MAX_S", 0.2 if "sleep" in script else 20.0)
    monkeypatch.setattr(ffmpeg, "_MAX_OUTPUT_BYTES", 100_000)

    with pytest.raises(RejectedError, match=reason) as caught:
        _decode(tmp_path / "a.m4a")
    assert caught.value.what_to_do


def _corpus(folder: Path, **source: Any) -> Corpus:
    return Corpus.model_validate(
        {
            "sources": [{"label": "mine", **(source or {"folder": str(folder)})}],
            "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 0.2},
        }
    )


def _mixed(folder: Path) -> Path:
    """Two classes, most files of which need ffmpeg."""
    for name in ("owl/1.wav", "owl/2.wav", "wren/1.wav", "wren/2.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded("WAV"))
    for name in ("owl/3.m4a", "owl/4.m4a", "wren/3.M4A", "wren/4.wma", "wren/5.webm"):
        (folder / name).write_bytes(UNCLEAR)
    return folder


def test_without_ffmpeg_files_are_counted_by_ending(
    nowhere: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _mixed(tmp_path / "mine")

    ingested = ingest(_corpus(folder), [])
    warnings = propose_corpus(folder).warnings

    assert len(ingested.recordings) == 4
    assert set(ingested.rejected["reason"]) == {"needs ffmpeg, which is not installed"}
    assert len(ingested.rejected) == 5
    for said in (caplog.text, "\n".join(warnings)):
        assert "3 files ending in .m4a were not read: ffmpeg is not installed" in said
        assert "1 file ending in .wma was not read" in said
        assert "1 file ending in .webm was not read" in said


def test_with_ffmpeg_they_are_read(arguments: Path, tmp_path: Path) -> None:
    folder = _mixed(tmp_path / "mine")

    ingested = ingest(_corpus(folder), [])

    assert len(ingested.recordings) == 9
    assert ingested.rejected.empty
    assert propose_corpus(folder).counts == {"owl": 4, "wren": 5}


def test_a_member_of_a_zip_is_decoded_too(arguments: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("a.m4a", UNCLEAR)
    source = {"archive": str(tmp_path / "some.zip"), "extract": False}

    assert len(ingest(_corpus(tmp_path, **source), [tmp_path]).recordings) == 1
    assert _after(arguments, "-i").endswith("/recording")


def test_a_corpus_of_nothing_else_says_what_to_install(nowhere: None, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.m4a").write_bytes(UNCLEAR)

    with pytest.raises(UserError, match=r"no usable recording remains.*install ffmpeg"):
        ingest(_corpus(tmp_path / "mine"), [])
    with pytest.raises(UserError, match=r"1 file ending in \.m4a was not read: ffmpeg is not"):
        propose_corpus(tmp_path / "mine")


def test_the_samples_are_those_of_the_tone(arguments: Path, tmp_path: Path) -> None:
    whole = _decode(tmp_path / "a.wav", encoded("WAV"))

    np.testing.assert_array_equal(_decode(tmp_path / "a.m4a").samples, whole.samples)
