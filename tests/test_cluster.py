"""A real cluster of two worker processes gives the bytes that one process gives."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from disentangled_audio.corpora.ingest import Ingested, ingest
from disentangled_audio.errors import UserError
from disentangled_audio.parallel import in_parallel
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
from disentangled_audio.pipelines.stamps import stamp

distributed = pytest.importorskip("distributed")

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


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two processes of one thread each on this machine."""
    # Workers import this module, too.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1])]))
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as started:
        yield started


def _on(cluster: Any) -> ParallelParameters:
    return ParallelParameters(backend="dask", scheduler_address=cluster.scheduler_address)


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
    data: Path, cluster: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = ingest(CORPUS, [data], tmp_path / "here", HERE)
    features_here = _features(here, tmp_path / "features_here", HERE)
    capfd.readouterr()
    there = ingest(CORPUS, [data], tmp_path / "there", _on(cluster))
    features_there = _features(there, tmp_path / "features_there", _on(cluster))
    shown = capfd.readouterr()

    _assert_same(here, there)
    assert features_here == features_there
    assert shown.out + shown.err == ""


def _slow(chunk: int, folder: Path) -> int:
    with (folder / f"{chunk}-{os.getpid()}").open("w"):
        time.sleep(0.3)
    return chunk


def test_a_worker_that_is_killed_half_way_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    workers = list(cluster.scheduler_info["workers"].values()) or []
    killed: list[int] = []

    def kill_one() -> None:
        while len(list(tmp_path.iterdir())) < 3:
            time.sleep(0.01)
        process = int(next(iter(tmp_path.iterdir())).name.partition("-")[2])
        os.kill(process, signal.SIGKILL)
        killed.append(process)

    assert len(workers) == 2
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    chunks = list(range(12))
    done = list(in_parallel(partial(_slow, folder=tmp_path), chunks, _on(cluster)))
    killer.join(5)
    assert killed
    assert sorted(done) == chunks


def test_an_address_where_nobody_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        parallel = ParallelParameters(backend="dask", scheduler_address=address)
        with pytest.raises(UserError, match="no dask scheduler answers"):
            list(in_parallel(abs, [1], parallel))
