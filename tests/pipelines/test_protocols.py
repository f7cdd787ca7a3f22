"""The published protocol, and unlabelled rows, from ingestion to the report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from scipy.signal import resample_poly

from disentangled_audio.errors import UserError
from tests.classified import assert_as_then, classify, raw
from tests.conftest import REPOSITORY, load_catalog, make_project, project_beside, run_kedro

PAPER = {"protocol_name": "paper"}


@pytest.fixture(scope="module")
def paper_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = project_beside(tiny_run, tmp_path_factory.mktemp("paper"))
    run_kedro(project, params=PAPER)
    return project


def test_the_published_protocol_averages_channels_and_keeps_every_second_sample(
    paper_run: Path,
) -> None:
    catalog = load_catalog(paper_run, params=PAPER)
    recordings, waveforms = catalog.load("recordings"), catalog.load("waveforms")

    longest_s = recordings["duration_s"].max()
    assert waveforms.attrs["sample_rate_hz"] == 8000
    assert waveforms.shape[1] == round(longest_s * 8000)
    row = int(recordings["duration_s"].argmin())
    file = raw(paper_run) / recordings["path"][row].rpartition("/")[2]
    samples, _ = soundfile.read(file, dtype="float32", always_2d=True)
    expected = samples.mean(axis=1)[::2]
    np.testing.assert_allclose(waveforms[row][: len(expected)], expected, atol=1e-6)
    assert not waveforms[row][len(expected) :].any()
    # Without a filter: what a resampler would give is something else.
    assert not np.allclose(expected, resample_poly(samples.mean(axis=1), 1, 2), atol=1e-3)


def test_the_published_split_is_a_random_fifth_whatever_the_runs_seed(paper_run: Path) -> None:
    splits = load_catalog(paper_run, params=PAPER).load("splits")
    other = {**PAPER, "seed": 8}
    run_kedro(paper_run, params=other, pipelines=["ingestion"])

    again = load_catalog(paper_run, params=other).load("splits")

    assert (splits["role"] == "test").mean() == pytest.approx(0.2, abs=0.03)
    assert splits["role"].tolist() == again["role"].tolist()


def test_the_published_protocol_keeps_its_clips_apart_and_is_scored(paper_run: Path) -> None:
    metrics = load_catalog(paper_run, params=PAPER).load("metrics")
    clips = paper_run / "data" / "02_primary" / "twin_tiny" / "paper" / "waveforms.zarr"

    assert metrics["protocol"] == "paper"
    assert metrics["simulated"]
    assert {"svm", "code_svm", "cnn", "hybrid"} <= set(metrics["models"])
    assert clips.is_dir()
    assert not (paper_run / "data" / "02_primary" / "twin_tiny" / "waveforms.zarr").exists()


def test_the_published_protocol_keeps_long_clips_in_one_piece(paper_run: Path) -> None:
    catalog = load_catalog(paper_run, params=PAPER)
    n_items, n_samples = catalog.load("waveforms").shape

    assert n_samples > 9 * 8000
    assert catalog.load("log_mel").shape[:2] == (n_items, -(-n_samples // 128))
    assert catalog.load("content_view").shape[:2] == (n_items, 32)


def test_recordings_are_classified_as_the_published_protocol_prepared_them(
    paper_run: Path,
) -> None:
    table = classify(paper_run, paper_run / "data" / "01_raw", params=PAPER)

    predictions = load_catalog(paper_run, params=PAPER).load("predictions")
    assert_as_then(table, predictions, ("svm", "cnn", "hybrid"))
    assert set(table["channel"]) == {"mean"}


def test_what_the_protocol_fixes_cannot_be_changed_by_a_run(tmp_path: Path) -> None:
    params = {**PAPER, "corpus": {"analysis": {"channel": "first"}}}

    with pytest.raises(UserError, match=r"protocol 'paper' sets corpus.analysis.channel=mean"):
        run_kedro(make_project(tmp_path / "project"), params=params, pipelines=["ingestion"])


def test_globals_say_which_protocols_need_clips_of_their_own() -> None:
    base = REPOSITORY / "conf" / "base"
    named = yaml.safe_load((base / "globals.yml").read_text(encoding="utf-8"))
    protocols = yaml.safe_load((base / "parameters_protocols.yml").read_text(encoding="utf-8"))

    asking = {name for name, one in protocols["_protocols"].items() if "analysis" in one}
    assert asking == set(named["protocol_analysis"])


def _corpus_with_simulated(folder: Path, level: float = 0.5) -> dict[str, Any]:
    """The tiny twin beside responses of three simulated rooms."""
    (folder / "sim").mkdir(parents=True)
    for room in range(3):
        for take in range(4):
            rng = np.random.default_rng([room, take])
            decay = np.exp(-np.arange(8000) / (800 * (room + 1)))
            samples = level * decay * rng.uniform(-1, 1, 8000)
            soundfile.write(folder / "sim" / f"Room{room}-{take}.wav", samples, 16000)
    corpora = REPOSITORY / "conf" / "base" / "parameters_corpora.yml"
    described = yaml.safe_load(corpora.read_text(encoding="utf-8"))
    twin = described["_corpora"]["twin_tiny"]
    simulated = {
        "folder": str(folder / "sim"),
        "columns": {"database": "simulated"},
        "name_patterns": r"(?P<room>Room\d)-\d\.wav",
    }
    return {
        "mixed": {
            **twin,
            "sources": [*twin["sources"], simulated],
            "name_patterns": described["_slr28_names"],
            "link": described["_noises_of_rooms"],
            "analysis": described["_analysis_rir"],
        }
    }


def _write_corpus(folder: Path, **changes: Any) -> dict[str, str]:
    file = folder / "mixed.yml"
    file.write_text(yaml.safe_dump({"corpora": _corpus_with_simulated(folder, **changes)}))
    return {"corpus_file": str(file), "corpus_name": "mixed"}


@pytest.mark.slow
def test_unlabelled_rows_are_learned_from_and_never_scored(tiny_run: Path, tmp_path: Path) -> None:
    project = project_beside(tiny_run, tmp_path)
    params = {**_write_corpus(tmp_path), "protocol_name": "database_with_unlabelled"}

    run_kedro(project, params=params)

    catalog = load_catalog(project, params=params)
    splits, predictions = catalog.load("splits"), catalog.load("predictions")
    simulated = splits["recording_id"].str.startswith("sim/")
    assert simulated.sum() == 12
    assert set(splits.loc[simulated, "role"]) == {"unlabelled"}
    assert splits.loc[simulated, "target"].isna().all()
    assert not predictions["recording_id"].str.startswith("sim/").any()
    assert "p_simulated" not in predictions
    # What is fitted on labelled rows is that of a run without the others.
    assert len(catalog.load("augmented_features")) == 2 * (splits["role"] == "train").sum()


def test_simulated_rows_may_be_a_class_of_their_own(tiny_run: Path, tmp_path: Path) -> None:
    project = project_beside(tiny_run, tmp_path)
    params = {**_write_corpus(tmp_path), "protocol_name": "database_by_room"}
    params["protocol"] = {"split": {"n_folds": 3}}

    run_kedro(project, params=params, pipelines=["ingestion"])

    splits = load_catalog(project, params=params).load("splits")
    of_roles = splits[splits["target"] == "simulated"].groupby("role").size()
    assert set(of_roles.index) == {"train", "validation", "test"}
    assert of_roles.sum() == 12
