"""A corpus of long recordings whose parts are labelled runs from end to end."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from tests.conftest import TRAINING, load_catalog, make_project, run_kedro

RATE_HZ = 8000
N_FILES = 10
# Limits in Hz of the calls of each kind, which are noise.
BIRDS = {"owl": (200, 1000), "wren": (1200, 2200), "heron": (2500, 3800)}
RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tSpecies\n"


def _calls(number: int) -> list[tuple[float, float, str]]:
    """Times and kinds of the calls in one recording, which differ from file to file."""
    shift_s = 0.1 * number
    return [(1 + 2 * k + shift_s, 1.8 + 2 * k + shift_s, bird) for k, bird in enumerate(BIRDS)]


def _band(rng: np.random.Generator, n_samples: int, low_hz: float, high_hz: float) -> np.ndarray:
    spectrum = np.fft.rfft(0.2 * rng.normal(size=n_samples))
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    return np.fft.irfft(spectrum * ((frequency_hz > low_hz) & (frequency_hz < high_hz)), n_samples)


def _write_recordings(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(N_FILES):
        rng = np.random.default_rng(number)
        sound = 0.002 * rng.normal(size=9 * RATE_HZ)
        for start_s, end_s, bird in _calls(number):
            first, end = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
            sound[first:end] += _band(rng, end - first, *BIRDS[bird])
        soundfile.write(folder / f"day{number}.wav", sound, RATE_HZ)


def _write_labels(folder: Path, kind: str) -> str:
    """Write the labels in one of the formats; gives the names of their files."""
    rows = [(f"day{number}", *call) for number in range(N_FILES) for call in _calls(number)]
    if kind == "csv":
        lines = [f"{name}.wav,{start},{end},{bird}" for name, start, end, bird in rows]
        (folder / "labels.csv").write_text("\n".join(["file,start,end,label", *lines]))
        return "labels.csv"
    for number in range(N_FILES):
        own = [row[1:] for row in rows if row[0] == f"day{number}"]
        if kind == "audacity":
            text = "".join(f"{start}\t{end}\t{bird}\n\\\t0\t900\n" for start, end, bird in own)
            (folder / f"day{number}.txt").write_text(text)
        else:
            text = "".join(f"{k}\tS\t1\t{s}\t{e}\t{b}\n" for k, (s, e, b) in enumerate(own))
            (folder / f"day{number}.Table.1.selections.txt").write_text(RAVEN + text)
    return "*.txt"


def _params(folder: Path, kind: str, **segments: Any) -> dict[str, Any]:
    _write_recordings(folder / "days")
    files = _write_labels(folder / "days", kind)
    corpus = {
        "sources": [{"folder": str(folder / "days")}],
        "segments": {"files": files, **segments},
        "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 0.8},
    }
    protocol = {"target": "label", "split": {"strategy": "random", "n_folds": 4, "fold": 0}}
    file = folder / "days.yml"
    file.write_text(yaml.safe_dump({"corpora": {"days": corpus}, "protocols": {"bird": protocol}}))
    return {
        "corpus_file": str(file),
        "fourier": {"n_components": 4},
        "disentangler": {"schedule": {"epochs": 1}},
    }


def _run(folder: Path, kind: str, *pipelines: str) -> Any:
    params = _params(folder, kind)
    project = make_project(folder / "project")
    run_kedro(project, env="folder", params=params, pipelines=list(pipelines))
    return load_catalog(project, env="folder", params=params)


def test_the_rest_of_a_corpus_is_a_class_and_what_is_left_out_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    params = _params(tmp_path, "csv", background="rest", invalid="leave_out")
    with (tmp_path / "days" / "labels.csv").open("a") as file:
        file.write("\nnight.wav,1,2,owl\nday0.wav,20,21,owl\n")
    project = make_project(tmp_path / "project")
    run_kedro(project, env="folder", params=params, pipelines=["ingestion"])
    catalog = load_catalog(project, env="folder", params=params)

    counts = catalog.load("recordings")["label"].value_counts()
    assert {bird: counts[bird] for bird in BIRDS} == dict.fromkeys(BIRDS, N_FILES)
    assert counts["background"] > 3 * N_FILES
    assert len(catalog.load("rejected_recordings")) == 2
    roles = catalog.load("splits").merge(catalog.load("recordings")[["recording_id", "path"]])
    assert set(roles.groupby("path")["role"].nunique()) == {1}
    findings = [text for text in caplog.messages if "left out (" in text]
    assert len(findings) == 1
    assert "1 × the label reaches beyond its recording" in findings[0]
    assert catalog.load("integrity")["not_heard"]["recordings"] == 0


@pytest.mark.slow
def test_every_format_of_labels_gives_the_same_predictions(tmp_path: Path) -> None:
    kinds = ("audacity", "raven", "csv")
    runs = {kind: _run(tmp_path / kind, kind, *TRAINING) for kind in kinds}

    for name in ("splits", "svm_probabilities", "hybrid_probabilities"):
        tables = [runs[kind].load(name) for kind in kinds]
        pd.testing.assert_frame_equal(tables[1], tables[0])
        pd.testing.assert_frame_equal(tables[2], tables[0])
    splits, probabilities = (runs["csv"].load(name) for name in ("splits", "svm_probabilities"))
    test = probabilities.merge(splits[splits["role"] == "test"], on="recording_id")
    columns = {f"p_{bird}": bird for bird in BIRDS}
    predicted = test[list(columns)].idxmax(axis=1).map(columns)
    assert set(test["target"]) == set(BIRDS)
    assert (predicted == test["target"]).mean() > 0.9
