"""Formats and faults of their headers, as each command meets them: the table of `formats`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.corpora.propose import propose_corpus
from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.parameters import Corpus
from tests.corpora.reading.formats import (
    CELLS,
    FAULTS,
    FORMATS,
    N_CUT,
    N_SAMPLES,
    OUTCOMES,
    RATE_HZ,
    TONE_HZ,
    encoded,
    faulty,
)
from tests.corpora.reading.reading import ingest

LOSSY = ("ogg", "opus", "mp3")
WHOLE = [(name, "whole") for name in FORMATS]


def _class(name: str, fault: str) -> str:
    return f"{list(FORMATS).index(name)}x{FAULTS.index(fault) if fault in FAULTS else 9}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class for each cell of the table, with a good recording and that of the cell."""
    folder = tmp_path_factory.mktemp("formats")
    for name, fault in [*CELLS, *WHOLE]:
        place = folder / _class(name, fault)
        place.mkdir()
        content = FORMATS[name].content() if fault == "whole" else faulty(name, fault)
        (place / f"cell.{FORMATS[name].ending}").write_bytes(content)
        (place / "good.wav").write_bytes(encoded("WAV"))
    return folder


@pytest.fixture(scope="module")
def counts(folder: Path) -> dict[str, int]:
    """What `init-corpus` counts."""
    return propose_corpus(folder).counts


@pytest.fixture(scope="module")
def ingested(folder: Path) -> Ingested:
    """What `kedro run` reads."""
    described: dict[str, Any] = {
        "sources": [{"folder": str(folder), "label": "mine"}],
        "max_rejected_share": 1.0,
        "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 0.3},
    }
    return ingest(Corpus.model_validate(described), [])


@pytest.fixture(scope="module")
def classified(classifier: Any, folder: Path) -> pd.DataFrame:
    """What `classify` answers."""
    return classifier.predict(folder).set_index("file")


def test_the_table_has_twenty_formats_and_six_faults() -> None:
    assert len({name for name, _ in OUTCOMES}) >= 20
    assert {name for name, _ in OUTCOMES} == set(FORMATS)
    assert len(OUTCOMES) == len(FORMATS) * len(FAULTS)


@pytest.mark.parametrize(("name", "fault"), [*CELLS, *WHOLE])
def test_init_corpus_counts_what_can_be_read(counts: dict[str, int], name: str, fault: str) -> None:
    # Only decoding shows that a flac was cut, and this command does not decode it.
    is_refused = CELLS.get((name, fault)) == "X" and name != "flac"

    assert counts[_class(name, fault)] == (1 if is_refused else 2)


@pytest.mark.parametrize(("name", "fault"), [*CELLS, *WHOLE])
def test_ingestion_reads_warns_or_refuses(ingested: Ingested, name: str, fault: str) -> None:
    path = f"mine/{_class(name, fault)}/cell.{FORMATS[name].ending}"
    outcome = CELLS.get((name, fault), "R")
    table = ingested.recordings.set_index("path")
    if outcome == "X":
        reason = ingested.rejected.set_index("path").loc[path, "reason"]
        assert reason.startswith("the file is truncated")
        if name not in (*LOSSY, "flac"):
            assert reason.endswith(f": {N_CUT} of {N_SAMPLES} samples are missing")
        return
    row = table.loc[path]
    assert bool(row["warnings"]) == (outcome == "W")
    assert row["sample_rate_hz"] == RATE_HZ
    n_more = row["duration_s"] - N_SAMPLES / RATE_HZ
    # Frames of an mp3 without a header include the encoder's delay.
    assert n_more == 0 or (name == "mp3" and 0 < n_more < 0.15)
    clip = ingested.waveforms[list(table.index).index(path)]
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    assert spectrum.argmax() * RATE_HZ / len(clip) == pytest.approx(TONE_HZ, abs=5)


@pytest.mark.parametrize(("name", "fault"), [*CELLS, *WHOLE])
def test_classification_answers_warns_or_refuses(
    classified: pd.DataFrame, folder: Path, name: str, fault: str
) -> None:
    row = classified.loc[str(folder / _class(name, fault) / f"cell.{FORMATS[name].ending}")]
    outcome = CELLS.get((name, fault), "R")
    if outcome == "X":
        assert row["error"].startswith("the file is truncated")
        return
    assert pd.isna(row["error"])
    assert row["class"]
    assert ("its header" in row["warnings"]) == (outcome == "W")
