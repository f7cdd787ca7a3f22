"""Stored chunks are never computed again, and only complete ones count."""

import logging
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from disentangled_audio.parameters import ParallelParameters
from disentangled_audio.storage.chunk_store import is_complete, stored_arrays
from disentangled_audio.storage.disk_errors import disk_trouble
from tests.conftest import remount

HERE = ParallelParameters(n_jobs=1)
N_ITEMS, CHUNK_ROWS = 10, 3
STARTS = [0, 3, 6, 9]


def _squares(rows: slice, calls: list[int], fail_at: int | None = None) -> dict[str, Any]:
    if rows.start == fail_at:
        raise LookupError("no")
    calls.append(rows.start)
    numbers = np.arange(rows.start, rows.stop, dtype=np.float32)
    return {"square": np.stack([numbers, numbers**2], axis=1), "zero": np.zeros(len(numbers))}


def _stored(folder: Path, **changes: Any) -> tuple[Any, list[int]]:
    calls: list[int] = []
    compute = partial(_squares, calls=calls, **changes)
    return stored_arrays(folder, N_ITEMS, CHUNK_ROWS, compute, HERE), calls


def _chunk_times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/c/**/*") if path.is_file()}


def test_rows_equal_those_of_one_computation(tmp_path: Path) -> None:
    arrays, calls = _stored(tmp_path / "arrays")
    expected = _squares(slice(0, N_ITEMS), [])
    assert set(arrays) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(arrays[name][...], values)
    # One row first, for shapes and types.
    assert calls == [0, *STARTS]
    assert is_complete(tmp_path / "arrays")


def test_stored_chunks_are_reused_even_if_they_are_zeros(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "arrays"
    _stored(folder)
    before = _chunk_times(folder)
    assert len(before) == 2 * len(STARTS)
    with caplog.at_level(logging.INFO, "disentangled_audio"):
        _, calls = _stored(folder)
    assert calls == []
    assert _chunk_times(folder) == before
    assert "square, zero: 4 of 4 stored chunks are reused" in caplog.text


def test_an_error_leaves_the_finished_chunks(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    with pytest.raises(LookupError):
        _stored(folder, fail_at=6)
    before = _chunk_times(folder)
    assert not is_complete(folder)
    _, calls = _stored(folder)
    assert calls == [6, 9]
    assert before.items() <= _chunk_times(folder).items()


def test_a_missing_folder_is_not_complete(tmp_path: Path) -> None:
    assert not is_complete(tmp_path / "nothing")


def test_progress_starts_at_what_is_stored(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    _stored(folder)
    (folder / "zero" / "c" / "3").unlink()
    seen: list[tuple[int, int]] = []
    stored_arrays(
        folder,
        N_ITEMS,
        CHUNK_ROWS,
        partial(_squares, calls=[]),
        HERE,
        lambda done, of: seen.append((done, of)),
    )
    assert seen == [(9, 10), (10, 10)]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.storage.test_chunk_store import HERE, N_ITEMS, CHUNK_ROWS, _squares
from disentangled_audio.storage.chunk_store import stored_arrays

def compute(rows):
    if rows.start == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return _squares(rows, [])

stored_arrays(Path(sys.argv[1]), N_ITEMS, CHUNK_ROWS, compute, HERE)
"""


def test_after_a_kill_only_missing_chunks_are_computed(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    repository = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(repository), *sys.path])},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    before = _chunk_times(folder)
    arrays, calls = _stored(folder)
    assert calls == [6, 9]
    assert before.items() <= _chunk_times(folder).items()
    np.testing.assert_array_equal(arrays["square"][:, 1], np.arange(N_ITEMS) ** 2)


def _large(rows: slice, calls: list[int]) -> dict[str, Any]:
    calls.append(rows.start)
    return {"large": np.full((rows.stop - rows.start, 5000), rows.start, dtype=np.float32)}


def test_a_full_disk_keeps_whole_chunks_and_more_room_lets_it_go_on(small_disk: Path) -> None:
    folder, calls = small_disk / "arrays", []
    with pytest.raises(OSError, match="No space left") as caught:
        stored_arrays(folder, N_ITEMS, CHUNK_ROWS, partial(_large, calls=calls), HERE)
    assert "the disk is full" in str(disk_trouble(caught.value))
    before = _chunk_times(folder)
    assert 0 < len(before) < len(STARTS)
    assert not list(small_disk.rglob("*.partial"))

    remount(small_disk, "size=2m")
    calls.clear()
    arrays = stored_arrays(folder, N_ITEMS, CHUNK_ROWS, partial(_large, calls=calls), HERE)
    assert calls == STARTS[len(before) :]
    assert before.items() <= _chunk_times(folder).items()
    assert arrays["large"][:, 0].tolist() == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9]


def test_a_chunk_is_written_only_for_the_arrays_that_lack_it(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    _stored(folder)
    before = _chunk_times(folder)
    lost = folder / "square" / "c" / "1" / "0"
    lost.unlink()
    assert not is_complete(folder)

    arrays, calls = _stored(folder)

    after = _chunk_times(folder)
    assert calls == [STARTS[1]]
    assert {path for path in after if after[path] != before[path]} == {lost}
    np.testing.assert_array_equal(arrays["square"][:, 0], np.arange(N_ITEMS))
