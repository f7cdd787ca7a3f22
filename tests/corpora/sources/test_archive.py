"""Untrusted archives: the requested members are extracted, and nothing else happens."""

import gzip
import io
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from disentangled_audio.corpora.sources import archive as reader
from disentangled_audio.corpora.sources.archive import extract_members, list_members
from disentangled_audio.corpora.sources.places import stem
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource

FILES = {"top/a/1.wav": b"one", "top/b/2.wav": b"two!", "top/readme.txt": b"read"}
KINDS = ["zip", "tar", "tar.gz"]


def _source(*members: str, **limits: float) -> ArchiveSource:
    return ArchiveSource(archive=["any.zip"], members=list(members), **limits)


ALL, WAVS = _source("*"), _source("*.wav")


def _zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def _tar(path: Path, *members: tuple[str | tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def _archive(folder: Path, kind: str, *members: tuple[str, bytes]) -> Path:
    return (_zip if kind == "zip" else _tar)(folder / f"some.{kind}", *members)


def _unix(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def _special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def _content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _assert_refused(archive: Path, member: str, reason: str, source: ArchiveSource = ALL) -> None:
    """Neither listed nor extracted; archive and member are named, nothing is left behind."""
    target = archive.parent / "out" / "folder"
    for act in (
        lambda: list_members(archive, source),
        lambda: extract_members(archive, source, target),
    ):
        with pytest.raises(UserError) as caught:
            act()
        for text in (str(archive), repr(member), reason):
            assert text in str(caught.value)
    assert not any((archive.parent / "out").glob("*"))
    assert {path.name for path in archive.parent.iterdir()} <= {archive.name, "out"}


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_matches_is_listed_and_extracted(tmp_path: Path, kind: str) -> None:
    archive = _archive(tmp_path, kind, *FILES.items())
    target = tmp_path / "new" / "out"

    listed = {path: member.n_bytes for path, member in list_members(archive, WAVS).items()}
    assert listed == {"top/a/1.wav": 3, "top/b/2.wav": 4}
    assert extract_members(archive, WAVS, target) == target

    assert _content(target) == {name: FILES[name] for name in list(FILES)[:2]}
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["*/a/*"], ["top/a/1.wav"]),
        (["top/*.txt", "*/2.wav"], ["top/b/2.wav", "top/readme.txt"]),
        (["*/?/[!2]*.wav"], ["top/a/1.wav"]),
        (["*"], list(FILES)),
    ],
)
def test_patterns_are_for_whole_paths(
    tmp_path: Path, patterns: list[str], chosen: list[str]
) -> None:
    archive = _archive(tmp_path, "zip", *FILES.items())

    assert list(list_members(archive, _source(*patterns))) == chosen


def test_a_pattern_without_matches_shows_existing_members(tmp_path: Path) -> None:
    archive = _archive(tmp_path, "tar.gz", *FILES.items())

    with pytest.raises(UserError, match=r"no member that matches \['\*\.mp3'\]") as caught:
        extract_members(archive, _source("*.mp3"), tmp_path / "out")
    assert "top/a/1.wav" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_extraction_is_done_once(tmp_path: Path) -> None:
    archive = _archive(tmp_path, "zip", *FILES.items())
    target = extract_members(archive, WAVS, tmp_path / "out")
    archive.unlink()

    assert extract_members(archive, WAVS, target) == target


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.zip", "a"),
        ("a.TAR.GZ", "a"),
        ("a.b.tgz", "a.b"),
        ("a.tar", "a"),
        ("azip", "azip"),
        # Not an empty name, which would stand for the data folder itself.
        (".zip", ".zip"),
    ],
)
def test_stem_removes_the_archives_suffixes(name: str, expected: str) -> None:
    assert stem(name) == expected


def test_a_global_header_is_not_a_member(tmp_path: Path) -> None:
    header = tarfile.TarInfo.create_pax_global_header({"comment": "0" * 40})
    archive = _tar(tmp_path / "some.tar", *FILES.items())
    archive.write_bytes(header + archive.read_bytes())

    assert len(list_members(archive, ALL)) == len(FILES)


def test_paths_are_normalised_and_folders_are_not_members(tmp_path: Path) -> None:
    archive = _tar(
        tmp_path / "some.tar",
        (_special("./top", tarfile.DIRTYPE), b""),
        (_special("./top", tarfile.DIRTYPE), b""),
        ("./top/./1.wav", b"one"),
    )

    assert _content(extract_members(archive, _source("top/*"), tmp_path / "out")) == {
        "top/1.wav": b"one"
    }


def test_an_archive_made_on_windows_has_its_folders(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "some.zip", ("top/1.wav", b"one"))
    archive.write_bytes(archive.read_bytes().replace(b"top/1.wav", b"top\\1.wav"))

    assert _content(extract_members(archive, _source("top/*"), tmp_path / "out")) == {
        "top/1.wav": b"one"
    }


OUTSIDE = "would lie outside of the folder"
LEADS_OUT = "links out of the folder"
NO_FILE = "which is not in the archive"
SPECIAL = "is a device, a pipe"
TWICE = "occurs more than once"
EVIL_NAMES = [
    *("../evil.wav", "top/../../evil.wav", "top/../evil.wav", "top/..", "..\\evil.wav"),
    *("/etc/evil.wav", "\\evil.wav", "C:evil.wav", "c:\\evil.wav", "//host/share/evil.wav"),
]
LINK = stat.S_IFLNK | 0o777
ZIPPED: list[tuple[str | zipfile.ZipInfo, bytes, str]] = [
    *((name, b"evil", OUTSIDE) for name in EVIL_NAMES),
    (_unix("top/link.wav", LINK), b"../../etc/hostname", LEADS_OUT),
    (_unix("top/link.wav", LINK), b"/etc/hostname", LEADS_OUT),
    (_unix("link.wav", LINK), b"nothing.wav", NO_FILE),
    *((_unix("dev.wav", kind), b"", SPECIAL) for kind in (stat.S_IFIFO, stat.S_IFCHR)),
    *((_unix("dev.wav", kind), b"", SPECIAL) for kind in (stat.S_IFBLK, stat.S_IFSOCK)),
    *((name, b"two", TWICE) for name in ("good.wav", "./good.wav", ".//good.wav")),
]
TARRED: list[tuple[str | tarfile.TarInfo, bytes, str]] = [
    *((name, b"evil", OUTSIDE) for name in EVIL_NAMES),
    *(
        (_special("top/link.wav", tarfile.SYMTYPE, target), b"", LEADS_OUT)
        for target in ("../../etc/hostname", "/etc/hostname", "../..")
    ),
    *(
        (_special("top/link.wav", tarfile.LNKTYPE, target), b"", LEADS_OUT)
        for target in ("../etc/hostname", "/etc/hostname")
    ),
    *(
        (_special("link.wav", tarfile.SYMTYPE, target), b"", NO_FILE)
        for target in ("link.wav", "nothing.wav", ".")
    ),
    *((_special("dev.wav", kind), b"", SPECIAL) for kind in (tarfile.FIFOTYPE, tarfile.CHRTYPE)),
    (_special("dev.wav", tarfile.BLKTYPE), b"", SPECIAL),
    *((name, b"two", TWICE) for name in ("good.wav", "./good.wav", ".//good.wav")),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "member", "content", "reason"),
    [*((_zip, *danger) for danger in ZIPPED), *((_tar, *danger) for danger in TARRED)],
)
def test_an_unsafe_member_is_refused_by_its_name(
    tmp_path: Path, make: Callable[..., Path], member: Any, content: bytes, reason: str
) -> None:
    archive = make(tmp_path / "some", ("good.wav", b"good"), (member, content))
    name = member if isinstance(member, str) else getattr(member, "filename", None) or member.name

    _assert_refused(archive, name, reason)
    if reason in (OUTSIDE, LEADS_OUT, SPECIAL):
        # Also where nobody asks for that member.
        with pytest.raises(UserError, match=reason):
            list_members(archive, _source("good.wav"))


def test_writing_through_a_link_is_refused(tmp_path: Path) -> None:
    link = _special("top/link", tarfile.SYMTYPE, "/tmp")
    archive = _tar(tmp_path / "some.tar", (link, b""), ("top/link/evil.wav", b"evil"))

    _assert_refused(archive, "top/link", LEADS_OUT)


@pytest.mark.parametrize("make", [_zip, _tar])
def test_a_link_inside_is_extracted_as_a_copy(tmp_path: Path, make: Callable[..., Path]) -> None:
    link = (
        (_unix("top/b/2.wav", stat.S_IFLNK | 0o777), b"../a/1.wav")
        if make is _zip
        else (_special("top/b/2.wav", tarfile.SYMTYPE, "../a/1.wav"), b"")
    )
    archive = make(tmp_path / "some", link, ("top/a/1.wav", b"one"))

    target = extract_members(archive, ALL, tmp_path / "out")

    assert _content(target) == {"top/a/1.wav": b"one", "top/b/2.wav": b"one"}
    assert not (target / "top/b/2.wav").is_symlink()


def test_a_hard_link_is_extracted_as_a_copy(tmp_path: Path) -> None:
    link = _special("top/b/2.wav", tarfile.LNKTYPE, "top/a/1.wav")
    archive = _tar(tmp_path / "some.tar.gz", ("top/a/1.wav", b"one"), (link, b""))

    target = extract_members(archive, _source("*/b/*"), tmp_path / "out")
    assert _content(target) == {"top/b/2.wav": b"one"}


@pytest.mark.parametrize("make", [_zip, _tar])
def test_a_path_that_is_both_file_and_folder_is_refused(
    tmp_path: Path, make: Callable[..., Path]
) -> None:
    archive = make(tmp_path / "some", ("top", b"file"), ("top/1.wav", b"one"))

    with pytest.raises(UserError, match=r"member 'top/1\.wav' cannot be extracted"):
        extract_members(archive, ALL, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _encrypt(archive: Path) -> Path:
    """Set the flag for encryption of the only member, in both of its headers."""
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    archive.write_bytes(content)
    return archive


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = _encrypt(_zip(tmp_path / "some.zip", ("secret.wav", b"secret")))

    _assert_refused(archive, "secret.wav", "is encrypted")


@pytest.mark.parametrize(
    "source", [_source("*", max_extracted_gb=999_999e-9), _source("*", max_ratio=20)]
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_decompression_bomb_is_refused(tmp_path: Path, kind: str, source: ArchiveSource) -> None:
    archive = _archive(tmp_path, kind, ("good.wav", b"good"), ("bomb.wav", bytes(1_000_000)))

    _assert_refused(archive, "bomb.wav", "which looks like a decompression bomb", source)
    generous = _source("*", max_extracted_gb=1_000_004e-9, max_ratio=2000)
    assert len(list_members(archive, generous)) == 2


def test_a_bomb_in_a_tar_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "some.tgz", ("bomb", bytes(1_000_000)), ("good.wav", b"good"))

    with pytest.raises(UserError, match="member 'bomb' makes 1000000 bytes"):
        list_members(archive, _source("good.wav", max_extracted_gb=1e-6))


def test_many_links_to_one_file_count_each(tmp_path: Path) -> None:
    links = [(_special(f"{i}.wav", tarfile.SYMTYPE, "big.wav"), b"") for i in range(10)]
    archive = _tar(tmp_path / "some.tar", ("big.wav", bytes(1000)), *links)

    _assert_refused(archive, "big.wav", "makes 6000 bytes", _source("*", max_extracted_gb=5e-6))


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_MAX_MEMBERS", 3)
    archive = _zip(tmp_path / "some.zip", *((f"{i}.wav", b"") for i in range(4)))

    _assert_refused(archive, "3.wav", "beyond the 3")


def test_a_zip_that_understates_a_size_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "some.zip", ("lie.wav", bytes(100_000)))
    content = bytearray(archive.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 10)
    archive.write_bytes(content)

    with pytest.raises(UserError, match=r"member 'lie\.wav' cannot be extracted"):
        extract_members(archive, ALL, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_header_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    header = _special("pax", tarfile.XHDTYPE)
    header.size = 1 << 32
    archive = tmp_path / "some.tgz"
    with gzip.open(archive, "wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(10_000))

    with pytest.raises(UserError, match="cannot be read as a zip, tar"):
        list_members(archive, ALL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_truncated_archive_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    noise = np.random.default_rng(0).bytes(25_600)
    archive = _archive(tmp_path, kind, ("1.wav", noise), ("2.wav", noise))
    # A tar is filled up with zeros, which nobody misses.
    content = archive.read_bytes()[:52_000]
    archive.write_bytes(content[: int(share * len(content))])

    with pytest.raises(UserError, match="to download it again") as caught:
        extract_members(archive, WAVS, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("at", [512 + 512, 512 + 512 + 100])
@pytest.mark.parametrize("cut", [True, False])
def test_a_tar_that_ends_or_is_damaged_between_members_is_refused(
    tmp_path: Path, at: int, cut: bool
) -> None:
    archive = _tar(tmp_path / "some.tar", ("1.wav", b"one"), ("2.wav", b"two"))
    content = archive.read_bytes()
    archive.write_bytes(content[:at] if cut else content[:at] + b"??" + content[at + 2 :])

    with pytest.raises(UserError, match="it is truncated or damaged at byte 1024"):
        list_members(archive, WAVS)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "some.zip"
    with zipfile.ZipFile(archive, "w") as stored:
        stored.writestr("1.wav", b"content as it was")
    archive.write_bytes(archive.read_bytes().replace(b"as it was", b"as it is!"))

    with pytest.raises(UserError, match=r"member '1\.wav' cannot be extracted: Bad CRC"):
        extract_members(archive, WAVS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html>please log in</html>", b"PK\x03\x04", b"\x1f\x8b"]
)
def test_a_file_that_is_not_an_archive_is_named(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "some.zip"
    archive.write_bytes(content)

    with pytest.raises(UserError, match=r"some\.zip cannot be read as a zip, tar or tar\.gz"):
        list_members(archive, ALL)


def test_a_missing_archive_and_a_target_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.zip: No such file"):
        extract_members(tmp_path / "none.zip", ALL, tmp_path / "out")
    archive = _archive(tmp_path, "zip", *FILES.items())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"some\.zip cannot be extracted: .*file: "):
        extract_members(archive, ALL, tmp_path / "file" / "out")


def test_a_full_disk_is_noticed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _archive(tmp_path, "zip", *FILES.items())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=6))

    with pytest.raises(UserError, match=r"extracting .*some\.zip needs"):
        extract_members(archive, WAVS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = _zip(tmp_path / "inner.zip", ("inner.wav", b"inner"))
    archive = _tar(tmp_path / "some.tar", ("inner.zip", inner.read_bytes()))

    assert list(list_members(archive, ALL)) == ["inner.zip"]
