"""Only one run at a time uses a corpus and protocol, and a killed run blocks nobody."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from disentangled_audio.datasets.json_dataset import JSONDataset
from disentangled_audio.errors import UserError
from disentangled_audio.runs.checks import run_lock
from disentangled_audio.storage.locks import RUN_LOCK, RunLock
from disentangled_audio.storage.temporaries import TEMPORARY, remove_leftovers, write_whole
from tests.conftest import load_catalog, project_beside, run_kedro

OUTPUTS = Path("data/07_reporting/twin_tiny")


def _kedro(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kedro", "run", "--env=test", "--pipelines=ingestion"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_second_run_names_the_first_and_harms_nothing(tiny_run: Path, tmp_path: Path) -> None:
    project = project_beside(tiny_run, tmp_path)
    run_kedro(project, pipelines=["ingestion"])
    before = sorted(project.glob("data/**/*"))
    lock = project / OUTPUTS / "database_by_room" / RUN_LOCK

    with subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env=test"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        try:
            end = time.monotonic() + 60
            while not lock.read_text() and time.monotonic() < end:
                time.sleep(0.05)
            second = _kedro(project)
            run_kedro(project, pipelines=["ingestion"], params={"protocol_name": "paper"})
            assert first.poll() is None, "the first run ended too early to be in the way"
        finally:
            os.kill(first.pid, signal.SIGKILL)

    assert second.returncode == 1
    shown = " ".join(second.stderr.split())
    assert "another run of corpus 'twin_tiny' with protocol 'database_by_room'" in shown
    assert f"process {first.pid}, since 20" in shown
    assert "Traceback" not in second.stdout + second.stderr
    assert set(before) <= set(project.glob("data/**/*"))
    paper = {"protocol_name": "paper"}
    assert len(load_catalog(project, params=paper).load("splits")) > 0

    run_kedro(project, pipelines=["ingestion"])
    assert load_catalog(project).load("recordings").shape[0] > 0


def test_a_run_that_fails_releases_its_lock_and_one_that_finds_it_held_stops(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_beside(tiny_run, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("disentangled_audio.datasets.atomic.AtomicSave.save", _fail)
        patched.setattr("disentangled_audio.datasets.zarr_dataset.ZarrDataset.save", _fail)
        with pytest.raises(RuntimeError, match="no"):
            run_kedro(project, pipelines=["ingestion"])
    with (
        RunLock(project / OUTPUTS / "database_by_room" / RUN_LOCK, "the test"),
        pytest.raises(UserError, match=rf"the test is still in progress: process {os.getpid()}"),
    ):
        run_kedro(project, pipelines=["ingestion"])


def _fail(*_: object) -> None:
    raise RuntimeError("no")


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(tmp_path: Path) -> None:
    lock = tmp_path / RUN_LOCK
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from disentangled_audio.storage.locks import RunLock\n"
        "lock = RunLock(Path(sys.argv[1]), 'parent')\n"
        "lock.acquire()\n"
        # Told by the child: on a busy machine it may not have run yet when the parent goes on.
        "if not os.fork(): print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        with pytest.raises(UserError, match="parent is still in progress"):
            RunLock(lock, "the test").acquire()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        try:
            with RunLock(lock, "the test"):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


def test_the_lock_of_another_user_names_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / RUN_LOCK
    lock.write_text(json.dumps({"purpose": "a run of anna", "since": "noon"}))
    monkeypatch.setattr(Path, "owner", lambda _: "anna")
    _refuse(monkeypatch, errno.EACCES)

    with pytest.raises(UserError, match=r"belongs to anna, where a run of anna .* since noon"):
        RunLock(lock, "the test").acquire()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    left = tmp_path / f"{TEMPORARY}killed"
    left.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("filelock._native._unix.fcntl.flock", _fails(number))
        with RunLock(tmp_path / RUN_LOCK, "the test"):
            assert "this disk has no locks" in caplog.text
        write_whole(tmp_path / "done", lambda path: path.write_bytes(b"done"))
        remove_leftovers(tmp_path)
    # Nobody can tell whether it is in use.
    assert left.is_dir()
    assert (tmp_path / "done").read_bytes() == b"done"
    remove_leftovers(tmp_path)
    assert not list(tmp_path.glob(f"{TEMPORARY}*"))


def test_the_mode_of_a_lock_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        with RunLock(tmp_path / RUN_LOCK, "the test"):
            assert (tmp_path / RUN_LOCK).stat().st_mode & 0o777 == 0o664
    finally:
        os.umask(before)


def test_a_lock_may_be_released_by_another_thread(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / RUN_LOCK, "the test")
    lock.acquire()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lock.release).result()
    with RunLock(tmp_path / RUN_LOCK, "the test"):
        pass


def _refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr("disentangled_audio.storage.locks.FileLock.acquire", _fails(number))


def _fails(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_jobs_that_train_folds_need_no_run_lock(tmp_path: Path) -> None:
    manifest = JSONDataset(filepath=str(tmp_path / "run_manifest.json"))
    names = {name: MemoryDataset("x") for name in ("params:corpus_name", "params:protocol_name")}
    catalog = DataCatalog({"run_manifest": manifest, **names})
    plan = Node(list, None, "fold_plan", name="plan")
    runs = Node(list, "fold_plan", "fold_runs", name="runs")
    ingestion = Node(list, None, "recordings", name="ingestion")
    assert run_lock(Pipeline([plan, runs]), catalog) is None
    assert run_lock(Pipeline([plan, runs, ingestion]), catalog) is not None
