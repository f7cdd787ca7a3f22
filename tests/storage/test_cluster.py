"""A cluster of two worker processes gives the same bytes as one process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from disentangled_audio.corpora.reading.ingest import Ingested, ingest
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    Corpus,
    FourierParameters,
    ParallelParameters,
    ViewParameters,
)
from disentangled_audio.pipelines.feature_engineering.nodes import (
    compute_spectra,
    make_encoder_views,
)
from disentangled_audio.runs.provenance import stamp
from disentangled_audio.storage.parallel import in_parallel
from tests.conftest import REPOSITORY

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

HERE = ParallelParameters(n_jobs=1)
N_FILES = 300
CORPUS = Corpus.model_validate(
    {
        "sources": [{"folder": "mine"}],
        "name_patterns": r"(?P<room>[a-z]+)_\d+\.wav",
        "kind": "rir",
        "analysis": {"sample_rate_hz": 8000, "duration_s": 0.2},
    }
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some chunks of short responses."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mine").mkdir()
    rng = np.random.default_rng(0)
    decay = np.exp(-np.arange(1600) / 200)
    for number in range(N_FILES):
        room = "hall" if number % 2 else "attic"
        samples = 0.1 * decay * rng.standard_normal(1600)
        soundfile.write(folder / "mine" / f"{room}_{number:03d}.wav", samples, 8000)
    return folder


@dataclass(frozen=True)
class Cluster:
    parallel: ParallelParameters
    workers: list[int]


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers of one thread each, as they would be started by hand."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    # Workers import this module, too.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    with ExitStack() as processes:

        def start(*arguments: str) -> int:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, f"--scheduler-file={file}"],
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            processes.callback(process.wait)
            processes.callback(process.kill)
            return process.pid

        start("scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard")
        _wait_until(file.exists)
        options = ("--nthreads=1", "--no-nanny", "--no-dashboard")
        workers = [start("worker", *options) for _ in range(2)]
        address = json.loads(file.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=30)
        yield Cluster(ParallelParameters(backend="dask", scheduler_address=address), workers)


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _assert_same(one: Ingested, other: Ingested) -> None:
    pd.testing.assert_frame_equal(one.recordings, other.recordings)
    pd.testing.assert_frame_equal(one.rejected, other.rejected)
    assert one.waveforms[...].tobytes() == other.waveforms[...].tobytes()


def _features(ingested: Ingested, chunks: Path, parallel: ParallelParameters) -> list[bytes]:
    ingested.recordings.attrs["corpus_hash"] = "same"
    waveforms = stamp(ingested.waveforms, ingested.recordings)
    spectra = compute_spectra(waveforms, FourierParameters(), chunks, parallel)
    views = make_encoder_views(waveforms, CORPUS, ViewParameters(), chunks, parallel)
    return [array[...].tobytes() for array in (spectra, *views)]


def test_a_cluster_gives_the_same_bytes(
    data: Path, cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = ingest(CORPUS, [data], tmp_path / "here", HERE)
    features_here = _features(here, tmp_path / "features_here", HERE)
    capfd.readouterr()
    there = ingest(CORPUS, [data], tmp_path / "there", cluster.parallel)
    features_there = _features(there, tmp_path / "features_there", cluster.parallel)
    shown = capfd.readouterr()

    _assert_same(here, there)
    assert features_here == features_there
    assert shown.err == ""
    # Progress, and no warnings.
    assert all(line.endswith("items/s") for line in shown.out.splitlines())


@contextmanager
def _killed_half_way(worker: int, done: Callable[[], int]) -> Iterator[None]:
    """Kill a worker when three chunks are done and it holds some of the others."""
    # A worker that is stopped takes chunks and does not finish them, so its death is half way.
    os.kill(worker, signal.SIGSTOP)

    def kill() -> None:
        _wait_until(lambda: done() >= 3)
        os.kill(worker, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    yield
    killer.join(30)
    assert not killer.is_alive()


def test_a_worker_that_is_killed_half_way_loses_nothing(
    data: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("disentangled_audio.corpora.reading.ingest._MAX_CHUNK_FILES", 15)
    here = ingest(CORPUS, [data], tmp_path / "here", HERE)

    with _killed_half_way(
        cluster.workers[0], lambda: len(list(tmp_path.glob("there/files/*.json")))
    ):
        there = ingest(CORPUS, [data], tmp_path / "there", cluster.parallel)

    _assert_same(here, there)


def test_a_worker_that_is_killed_among_features_loses_nothing(
    data: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("disentangled_audio.corpora.reading.ingest._MAX_CHUNK_FILES", 15)
    ingested = ingest(CORPUS, [data], tmp_path / "clips", HERE)
    here = _features(ingested, tmp_path / "here", HERE)

    with _killed_half_way(
        cluster.workers[0],
        lambda: len(list(tmp_path.glob("there/fourier_spectra-*/fourier_spectra/c/*/0"))),
    ):
        there = _features(ingested, tmp_path / "there", cluster.parallel)

    assert here == there


def _deadly(chunk: int) -> int:
    # The scheduler raises this after a chunk has killed several workers.
    raise distributed.KilledWorker("chunk", SimpleNamespace(address="tcp://127.0.0.1:1"), 3)


def test_a_chunk_that_kills_workers_is_reported(cluster: Cluster) -> None:
    with pytest.raises(UserError, match="several workers died while working on the same chunk"):
        list(in_parallel(_deadly, [1, 2], cluster.parallel))


def test_an_unreachable_scheduler_is_named() -> None:
    parallel = ParallelParameters(backend="dask", scheduler_address="nonsense://x")
    with pytest.raises(UserError, match=r"scheduler answers at .*scheduler_address=nonsense://x"):
        list(in_parallel(abs, [1], parallel))
