"""What systems leave beside recordings is ignored by every command alike, and only that."""

import zipfile
from pathlib import Path

import pytest

from disentangled_audio.corpora.propose import propose_corpus
from disentangled_audio.corpora.sources.ignored import is_ignored
from disentangled_audio.corpora.sources.named import named_files, unread_in
from disentangled_audio.corpora.sources.unread import unread
from disentangled_audio.parameters import Corpus
from tests.corpora.reading.formats import RATE_HZ, encoded
from tests.corpora.reading.reading import ingest

IGNORED = [
    *("owl/._1.wav", "._2.wav", ".DS_Store", "owl/.DS_Store", "__MACOSX/owl/._1.wav"),
    *("__MACOSX/owl/1.wav", "Thumbs.db", "owl/THUMBS.DB", "desktop.ini", ".git/1.wav"),
    *(".Trash/owl/1.wav", "owl/.cache/1.wav", "@eaDir/1.wav", "$RECYCLE.BIN/1.wav"),
]
KEPT = ["owl/1.wav", "wren/..wav", "wren/_.wav", "wren/a.b/1.wav", "owl/_._.wav"]


@pytest.mark.parametrize("relative", IGNORED)
def test_a_file_of_a_system_is_ignored(relative: str) -> None:
    assert is_ignored(relative)


@pytest.mark.parametrize("relative", KEPT)
def test_a_recording_is_not(relative: str) -> None:
    assert not is_ignored(relative)


def _folder(folder: Path) -> Path:
    for name in [*IGNORED, *KEPT]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded("WAV") if name in KEPT else b"\x00\x05\x16\x07 no sound")
    return folder


def _zip(folder: Path) -> Path:
    archive = folder.parent / "some.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive


@pytest.mark.parametrize("files", [None, "**/*", "**/*.wav"])
@pytest.mark.parametrize("kind", ["folder", "zip in place", "extracted zip"])
def test_training_ignores_them(tmp_path: Path, kind: str, files: str | None) -> None:
    folder = _folder(tmp_path / "mine")
    source = {"folder": str(folder)}
    if kind != "folder":
        source = {"archive": str(_zip(folder)), "extract": kind != "zip in place"}
    corpus = {
        "sources": [{"label": "mine", **source}],
        "files": files,
        "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 0.2},
    }
    data = tmp_path / "data"
    data.mkdir()

    ingested = ingest(Corpus.model_validate(corpus), [data])

    assert sorted(ingested.recordings["path"]) == sorted(f"mine/{name}" for name in KEPT)
    assert ingested.rejected.empty


def test_init_corpus_and_classify_ignore_them(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mine")

    assert sum(propose_corpus(folder).counts.values()) == len(KEPT)
    for place in (folder, _zip(folder)):
        assert sorted(file.relative for file in named_files([str(place)])) == sorted(KEPT)
    matched = named_files([f"{folder}/*", f"{folder}/**/*.wav"])
    assert {file.path for file in matched} == {folder / name for name in KEPT}


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path / ".recordings")

    assert len(named_files([str(folder)])) == len(KEPT)


@pytest.mark.parametrize("name", ["birds [2024]", "a[b", "[!x]", "what?"])
def test_a_folder_whose_name_looks_like_a_pattern_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    for recording in ("owl/1.wav", "owl/2.wav", "wren/1.wav", "wren/2.wav"):
        (folder / recording).parent.mkdir(parents=True, exist_ok=True)
        (folder / recording).write_bytes(encoded("WAV"))
    corpus = {
        "sources": [{"folder": str(folder)}],
        "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 0.2},
    }

    assert len(ingest(Corpus.model_validate(corpus), []).recordings) == 4
    assert propose_corpus(folder).counts == {"owl": 2, "wren": 2}


def test_endings_that_no_pattern_matches_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("1.wav", "2.wav", "noise.wav", "3.flac", "4.FLAC", "5.pcm", "note.txt"):
        (tmp_path / name).write_bytes(encoded("WAV"))
    corpus = {
        "sources": [{"folder": str(tmp_path)}],
        "files": "[0-9].wav",
        "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 0.2},
    }

    assert len(ingest(Corpus.model_validate(corpus), []).recordings) == 2

    flac = "2 files ending in .flac were not read: corpus.files does not match them"
    headerless = "1 file ending in .pcm was not read: they have no header"
    assert flac in caplog.text
    assert headerless in caplog.text
    assert "ending in .wav" not in caplog.text
    assert "ending in .txt" not in caplog.text
    assert [said.startswith(headerless) for said in unread(tmp_path)] == [True]
    assert unread_in([str(tmp_path)]) == unread(tmp_path)
