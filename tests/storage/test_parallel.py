"""Chunks on several workers are each done once, and errors are raised."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from joblib.parallel import get_active_backend

from disentangled_audio.parameters import ParallelParameters
from disentangled_audio.storage import parallel

CHUNKS = list(range(7))
TWO = ParallelParameters(n_jobs=2)


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are worth their start however little remains."""
    monkeypatch.setattr(parallel, "_START_UP_S", 0.0)


def _process_of(chunk: int) -> tuple[int, int]:
    time.sleep(0.02)
    return chunk, os.getpid()


def _fail_at(chunk: int, bad: int, folder: Path) -> int:
    if chunk == bad:
        raise LookupError(f"chunk {chunk} is bad")
    (folder / str(chunk)).touch()
    return chunk


def test_one_worker_keeps_the_order_and_this_process() -> None:
    done = list(parallel.in_parallel(_process_of, CHUNKS, ParallelParameters(n_jobs=1)))
    assert done == [(chunk, os.getpid()) for chunk in CHUNKS]


def test_little_work_starts_no_process() -> None:
    done = list(parallel.in_parallel(_process_of, CHUNKS, TWO))
    assert {process for _, process in done} == {os.getpid()}


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_much_work_is_shared_and_each_chunk_is_done_once(backend: str) -> None:
    where = ParallelParameters(backend=backend, n_jobs=2)
    done = list(parallel.in_parallel(_process_of, CHUNKS, where))
    assert sorted(chunk for chunk, _ in done) == CHUNKS
    assert done[0] == (0, os.getpid())
    others = {process for _, process in done[1:]}
    assert (os.getpid() in others) == (backend == "threading")


@pytest.mark.usefixtures("_at_once")
def test_others_start_before_the_first_result_is_used(tmp_path: Path) -> None:
    where = ParallelParameters(backend="threading", n_jobs=2)
    results = parallel.in_parallel(partial(_fail_at, bad=99, folder=tmp_path), CHUNKS, where)
    next(results)
    end = time.monotonic() + 10
    while not (tmp_path / "1").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert (tmp_path / "1").exists()
    assert len(list(results)) == len(CHUNKS) - 1


def test_without_chunks_nothing_is_done() -> None:
    assert list(parallel.in_parallel(_process_of, [], TWO)) == []


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_in_a_chunk_leaves_the_finished_chunks(n_jobs: int, tmp_path: Path) -> None:
    work: Callable[[int], int] = partial(_fail_at, bad=4, folder=tmp_path)
    with pytest.raises(LookupError, match="chunk 4 is bad"):
        list(parallel.in_parallel(work, CHUNKS, ParallelParameters(n_jobs=n_jobs)))
    assert (tmp_path / "0").exists()
    assert not (tmp_path / "4").exists()


@pytest.mark.usefixtures("_at_once")
def test_the_callers_joblib_backend_is_unchanged() -> None:
    before = type(get_active_backend()[0])
    where = ParallelParameters(backend="threading", n_jobs=2)
    for _ in parallel.in_parallel(_process_of, CHUNKS, where):
        assert type(get_active_backend()[0]) is before
