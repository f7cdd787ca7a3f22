"""Hostile files are rejected with their reason or read correctly, and do not affect others."""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.corpora.reading.decode import decode
from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.corpora.sources.folder import File, RejectedError, files_in_folder
from disentangled_audio.corpora.sources.named import named_files
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AudioFormat, Corpus
from tests.corpora.reading.reading import ingest
from tests.corpora.sources import hostile

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="pipes, sockets and such names are of Unix"
)
REASONS = {name: reason for name, (_, reason) in {**hostile.BYTES, **hostile.ENTRIES}.items()} | {
    "caf?.wav": "the file's name is not valid UTF-8"
}


def _corpus(**source: Any) -> Corpus:
    return Corpus.model_validate(
        {
            "sources": [{"folder": "mine", **source}],
            "max_rejected_share": 1.0,
            "analysis": {
                "sample_rate_hz": hostile.RATE_HZ,
                "duration_s": 0.1,
                "part": "beginning",
                "fill": "noise_floor",
                "normalise_energy": False,
            },
        }
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """The good files without any other."""
    data = tmp_path_factory.mktemp("alone")
    hostile.build_good(data / "mine")
    return ingest(_corpus(), [data])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `mine` has good and hostile files."""
    data = tmp_path_factory.mktemp("hostile")
    hostile.build_good(data / "mine")
    try:
        hostile.build_hostile(data / "mine")
    except OSError as error:
        pytest.skip(f"this file system takes no such names: {error}")
    return data


@pytest.fixture(scope="module")
def mixed(data: Path) -> Iterator[Ingested]:
    """All files, with one unreadable and one that shrinks while it is read."""
    with pytest.MonkeyPatch.context() as patch:
        # Patched, because the user who runs the tests may be root.
        patch.setattr(Path, "read_bytes", _read_bytes(Path.read_bytes))
        patch.setattr(os, "scandir", _scandir(os.scandir))
        yield ingest(_corpus(), [data])


def _read_bytes(whole: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    def read(path: Path) -> bytes:
        if path.name == hostile.LOCKED:
            raise PermissionError(13, "Permission denied", str(path))
        content = whole(path)
        return content[: len(content) // 2] if path.name == hostile.SHRINKS else content

    return read


def _scandir(listed: Callable[..., Any]) -> Callable[..., Any]:
    def scan(path: Any = ".") -> Any:
        if not isinstance(path, int) and Path(os.fsdecode(path)).name == hostile.CLOSED:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    return scan


def test_there_are_a_hundred_hostile_files() -> None:
    assert len(REASONS) >= 50
    assert len(REASONS) + len(hostile.FORMATS) + len(hostile.NAMES) >= 100


def test_every_file_is_accepted_or_rejected_with_advice(mixed: Ingested) -> None:
    accepted = [*hostile.GOOD, *hostile.FORMATS, *hostile.NAMES]

    assert set(mixed.recordings["path"]) == {f"mine/{name}" for name in accepted}
    assert sorted(mixed.rejected["path"]) == sorted(f"mine/{name}" for name in REASONS)
    assert mixed.rejected["what_to_do"].str.len().gt(0).all()


@pytest.mark.parametrize("name", REASONS)
def test_a_hostile_file_has_its_reason(mixed: Ingested, name: str) -> None:
    reasons = mixed.rejected.set_index("path")["reason"]

    assert reasons[f"mine/{name}"].startswith(REASONS[name])


@pytest.mark.parametrize("name", hostile.FORMATS)
def test_a_rare_format_has_its_values(data: Path, mixed: Ingested, name: str) -> None:
    fine = hostile.FORMATS[name]

    decoded = decode([File(data / "mine" / name, name)], AudioFormat(), 0.05)

    np.testing.assert_allclose(decoded.samples, fine.samples, atol=fine.resolution)
    row = mixed.recordings.set_index("path").loc[f"mine/{name}"]
    assert row["sample_rate_hz"] == fine.rate_hz
    assert row["n_channels"] == fine.samples.shape[1]
    assert row["duration_s"] == len(fine.samples) / fine.rate_hz
    assert row["peak"] == pytest.approx(np.abs(fine.samples[:, 0]).max(), abs=fine.resolution)


@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_strange_name_is_only_a_name(mixed: Ingested, name: str) -> None:
    position = mixed.recordings["path"].tolist().index(f"mine/{name}")

    np.testing.assert_allclose(mixed.waveforms[position], hostile.sound()[:800, 0], atol=2**-15)


def test_the_good_files_are_the_same_as_without_the_bad_ones(
    alone: Ingested, mixed: Ingested
) -> None:
    kept = mixed.recordings["path"].isin([f"mine/{name}" for name in hostile.GOOD]).to_numpy()

    assert len(alone.recordings) == len(hostile.GOOD)
    assert alone.rejected.empty
    pd.testing.assert_frame_equal(
        mixed.recordings[kept].reset_index(drop=True), alone.recordings, check_exact=True
    )
    assert mixed.waveforms[kept].tobytes() == alone.waveforms[:].tobytes()


def test_the_tables_can_be_written_and_read(mixed: Ingested, tmp_path: Path) -> None:
    for table in (mixed.recordings[["path", "sha256"]], mixed.rejected):
        table.to_csv(tmp_path / "table.csv", index=False, lineterminator="\n")
        table.to_parquet(tmp_path / "table.parquet")

        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)
        read = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, lineterminator="\n")
        assert read["path"].tolist() == table["path"].tolist()


def test_entries_that_no_pattern_can_match_are_ignored(tmp_path: Path) -> None:
    hostile.build_good(tmp_path)
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "note.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")

    assert [file.relative for file in files_in_folder(tmp_path, ["*.flac"])] == ["good 2.flac"]


def test_a_linked_folder_is_entered_once(tmp_path: Path) -> None:
    hostile.build_good(tmp_path / "elsewhere")
    (tmp_path / "mine").mkdir()
    for name in ("a", "b"):
        (tmp_path / "mine" / name).symlink_to("../elsewhere/sub")

    files = files_in_folder(tmp_path / "mine", ["**/*.wav"])

    assert [(file.relative, file.fault is None) for file in files] == [
        ("a/deep/good 4.wav", True),
        ("b", False),
    ]


def test_a_source_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / hostile.CLOSED).mkdir()
    monkeypatch.setattr(os, "scandir", _scandir(os.scandir))

    with pytest.raises(UserError, match="closed cannot be read: Permission denied"):
        files_in_folder(tmp_path / hostile.CLOSED, ["*.wav"])


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has it")
def test_a_file_that_fails_when_it_is_read_is_rejected() -> None:
    with pytest.raises(RejectedError, match=r"cannot be read: Input/output error"):
        File(Path("/proc/self/mem"), "mem.wav").read()


@pytest.mark.parametrize("pattern", ["**.wav", "/x/*.wav", "", "../*.wav", "."])
def test_an_invalid_pattern_is_named_for_archives_too(tmp_path: Path, pattern: str) -> None:
    archive = _zip(tmp_path, ("good.wav", hostile.wav()))

    with pytest.raises(UserError, match=r"corpus\.files .*write a pattern"):
        ingest(_in_place(archive, files=pattern), [tmp_path])


# ── Archives ───────────────────────────────────────────────────────────────────────────────────


def _in_place(archive: Path, **source: Any) -> Corpus:
    described = {"folder": None, "archive": str(archive), "members": "*", "extract": False}
    return _corpus(**{**described, **source})


def _zip(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes], packed: int = 0) -> Path:
    with zipfile.ZipFile(folder / "some.zip", "w", packed) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return folder / "some.zip"


def _change(archive: Path, old: bytes, new: bytes, *, count: int = -1) -> None:
    content = archive.read_bytes()
    assert old in content
    archive.write_bytes(content.replace(old, new, count))


def _set_flag(archive: Path, name: bytes) -> None:
    """Mark a member as encrypted in both of its headers."""
    content = bytearray(archive.read_bytes())
    for signature, flags, start in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = content.index(name)
        while content[at - start : at - start + 4] != signature:
            at = content.index(name, at + 1)
        content[at - start + flags] |= 1
    archive.write_bytes(content)


def _wrong_crc(archive: Path) -> None:
    _change(archive, hostile.wav()[-64:], bytes(64), count=1)


def _wrong_stream(archive: Path) -> None:
    start = archive.read_bytes().index(b"bad.wav") + len("bad.wav")
    content = bytearray(archive.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    archive.write_bytes(content)


def _other_name(archive: Path) -> None:
    _change(archive, b"bad.wav", b"odd.wav", count=1)


def _unknown_method(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    for signature, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = content.index(signature)
        content[start + at] = 99
    archive.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "packed", "reason"),
    [
        (_wrong_crc, 0, "damaged in its archive: Bad CRC-32 for file 'bad.wav'"),
        (_wrong_stream, zipfile.ZIP_DEFLATED, "damaged in its archive: Error -3"),
        (_wrong_stream, zipfile.ZIP_LZMA, "damaged in its archive: "),
        (_wrong_stream, zipfile.ZIP_BZIP2, "damaged in its archive: "),
        (_other_name, 0, "damaged in its archive: File name in directory 'bad.wav' and header"),
        (_unknown_method, 0, "damaged in its archive: That compression method is not supported"),
    ],
)
def test_a_damaged_member_is_rejected_and_the_others_are_read(
    tmp_path: Path, damage: Callable[[Path], None], packed: int, reason: str
) -> None:
    other = hostile.encoded(hostile.sound(900), subtype="PCM_24")
    archive = _zip(tmp_path, ("bad.wav", hostile.wav()), ("good.wav", other), packed=packed)
    damage(archive)

    ingested = ingest(_in_place(archive), [tmp_path])

    assert ingested.recordings["path"].tolist() == ["some/good.wav"]
    (row,) = ingested.rejected.to_dict("records")
    assert row["path"] == "some/bad.wav"
    assert row["reason"].startswith(reason)
    assert row["what_to_do"] == "get the archive again"


@pytest.mark.parametrize("extract", [True, False])
def test_an_unsafe_zip_is_refused_by_the_name_of_its_member(tmp_path: Path, extract: bool) -> None:
    archive = _zip(tmp_path, ("good.wav", hostile.wav()), ("../bad.wav", b"x"))

    with pytest.raises(UserError, match=r"some\.zip is refused: member '\.\./bad\.wav' would lie"):
        ingest(_in_place(archive, extract=extract), [tmp_path])


@pytest.mark.parametrize("extract", [True, False])
def test_an_encrypted_member_is_named_and_can_be_left_out(tmp_path: Path, extract: bool) -> None:
    archive = _zip(tmp_path, ("a/good.wav", hostile.wav()), ("b/bad.wav", hostile.wav()))
    _set_flag(archive, b"b/bad.wav")

    with pytest.raises(UserError, match=r"member 'b/bad\.wav' is encrypted; extract it into"):
        ingest(_in_place(archive, extract=extract), [tmp_path])
    ingested = ingest(_in_place(archive, extract=extract, members="a/*"), [tmp_path])
    assert ingested.recordings["path"].tolist() == ["some/a/good.wav"]


def test_a_zip_in_a_zip_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    inner = _zip(tmp_path / "inner", ("unseen.wav", hostile.wav()))
    archive = _zip(tmp_path, ("good.wav", hostile.wav()), ("in.zip", inner.read_bytes()))

    ingested = ingest(_in_place(archive, files="*"), [tmp_path])

    assert ingested.recordings["path"].tolist() == ["some/good.wav"]
    assert ingested.rejected["path"].tolist() == ["some/in.zip"]
    assert ingested.rejected["reason"].item().startswith("not audio that can be decoded")


def test_a_zip_that_a_person_names_may_have_any_name(tmp_path: Path) -> None:
    archive = _zip(tmp_path, ("good.wav", hostile.wav())).rename(tmp_path / "-what? a:b*.zip")

    assert [str(file) for file in named_files([str(archive)])] == [f"{archive}:good.wav"]
