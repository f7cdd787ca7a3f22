"""What killed runs left of generated files, archives and chunks is removed by the next run."""

from pathlib import Path

from disentangled_audio.corpora.disk import complete_folder
from disentangled_audio.temporaries import TEMPORARY, temporary_neighbour


def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / f"{TEMPORARY}killed"
    (left / "twin").mkdir(parents=True)
    (tmp_path / "mine").mkdir()

    with temporary_neighbour(tmp_path) as in_use, complete_folder(tmp_path / "twin") as unfinished:
        (unfinished / "a.wav").write_bytes(b"RIFF")
        assert not left.exists()
        assert in_use.is_dir()

    assert {path.name for path in tmp_path.iterdir()} == {"mine", "twin"}
    assert (tmp_path / "twin" / "a.wav").read_bytes() == b"RIFF"
