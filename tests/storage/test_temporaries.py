"""A run removes the temporary files that killed runs left behind."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from disentangled_audio.corpora.sources.archive import extract_members
from disentangled_audio.parameters import ArchiveSource
from disentangled_audio.storage.temporaries import (
    TEMPORARY,
    complete_folder,
    remove_leftovers,
    temporary_neighbour,
    write_whole,
)


def _generate(folder: Path) -> None:
    with complete_folder(folder / "done") as unfinished:
        (unfinished / "a.wav").write_bytes(b"RIFF")


def _extract(folder: Path) -> None:
    archive = folder / "mine" / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a.wav", b"RIFF")
    extract_members(archive, ArchiveSource(archive=["a.zip"]), folder / "done")


def _write(folder: Path) -> None:
    remove_leftovers(folder)
    write_whole(folder / "done", lambda path: path.write_bytes(b"RIFF"))


@pytest.mark.parametrize("work", [_generate, _extract, _write])
def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(
    tmp_path: Path, work: Callable[[Path], None]
) -> None:
    left = tmp_path / f"{TEMPORARY}killed"
    (tmp_path / "mine").mkdir()

    with temporary_neighbour(tmp_path) as in_use:
        (left / "half").mkdir(parents=True)
        work(tmp_path)
        assert not left.exists()
        assert in_use.is_dir()

    assert {path.name for path in tmp_path.iterdir()} == {"mine", "done"}
    done = tmp_path / "done"
    assert (done if done.is_file() else done / "a.wav").read_bytes() == b"RIFF"
