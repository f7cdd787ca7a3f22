"""Copies in a folder: together in random parts, a leak where a column parts them, told once."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from disentangled_audio.parameters import Corpus, ParallelParameters, Protocol
from disentangled_audio.pipelines.ingestion.nodes import (
    check_integrity,
    read_recordings,
    split_recordings,
)

RATE_HZ = 8000
CORPUS = Corpus.model_validate(
    {
        "sources": [{"folder": "birds"}],
        "name_patterns": [r"(?P<species>[a-z]+)_(?P<site>\d)_(?P<take>\d)\.wav"],
        "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 1.0},
    }
)
Read = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Six owls and six wrens of three sites; of two owls, another site has an overlapping cut."""
    folder = tmp_path_factory.mktemp("copies")
    (folder / "birds").mkdir()
    for number, species in enumerate(["owl", "wren"]):
        for site in range(3):
            for take in range(2):
                seed = 100 * number + 10 * site + take
                if species == "owl" and site == 2:
                    seed = take
                song = np.random.default_rng(seed).standard_normal(2 * RATE_HZ) * 0.1
                start = 3000 if site == 2 else 0
                path = folder / "birds" / f"{species}_{site}_{take}.wav"
                soundfile.write(path, song[start:][:RATE_HZ], RATE_HZ)
    recordings, _, rejected, shared = read_recordings(
        [folder], CORPUS, folder / "chunks", ParallelParameters(n_jobs=1)
    )
    return recordings, rejected, shared


def _checked(read: Read, **protocol: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    recordings, rejected, shared = read
    split = {"n_folds": 3, "validation_folds": 2, "allow_missing_classes": True}
    described = {"target": "species", **protocol, "split": split | protocol["split"]}
    splits = split_recordings(recordings, Protocol.model_validate(described), seed=1)
    return splits, check_integrity(recordings, splits, rejected, shared, CORPUS)


def test_random_parts_keep_copies_together(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    recordings = read[0]
    with caplog.at_level(logging.WARNING):
        splits, integrity = _checked(read, split={"strategy": "random"})
    assert (splits["role"].groupby(recordings["sound_group"]).nunique() == 1).all()
    (finding,) = integrity["findings"]
    assert finding.startswith("4 recordings share sound with others")
    assert "in 2 sets" in finding
    assert [finding] == [r.getMessage() for r in caplog.records if "share sound" in r.getMessage()]


def test_copies_that_a_column_parts_are_a_leak(read: Read) -> None:
    split = {"strategy": "column", "column": "site", "test": "2"}
    _, integrity = _checked(read, group_by="site", split=split)
    assert integrity["shared_sound"]["leaking"] == 2
    leak, _ = integrity["findings"]
    assert leak.startswith("Leak: 2 of 4 test recordings share sound with training recordings")
    assert "birds/owl_2_0.wav from 0.00 s with birds/owl_0_0.wav from 0.38 s, 0.62 s long" in leak
