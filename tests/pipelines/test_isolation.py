"""Runs of different corpora and protocols never read each other's versions."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disentangled_audio.errors import UserError
from tests.conftest import load_catalog, make_project, run_kedro

QUICK = {
    "fourier": {"n_components": 8},
    "augmentation": {"copies": 0},
    "disentangler": {"schedule": {"epochs": 1, "refit_epochs": 1}},
    "svm": {"C": [1.0], "gamma_scale": [1.0], "inner_folds": 2},
    "evaluation": {"n_resamples": 100},
}
SPEAKERS = ["anna", "bert", "carl", "dora", "emil", "jackson"]


@pytest.fixture(scope="module")
def spoken_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `fsdd` expects it: each digit a tone, each speaker an overtone."""
    root = tmp_path_factory.mktemp("recordings")
    folder = root / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    time_s = np.arange(4000) / 8000
    rng = np.random.default_rng(0)
    for digit in range(3):
        for number, speaker in enumerate(SPEAKERS):
            for take in range(6):
                tone = np.sin(2 * np.pi * (300 + 150 * digit) * time_s)
                tone += 0.3 * np.sin(2 * np.pi * (2000 + 200 * number) * time_s)
                tone += 0.01 * rng.standard_normal(len(time_s))
                soundfile.write(folder / f"{digit}_{speaker}_{take}.wav", 0.3 * tone, 8000)
    return root


@pytest.fixture(scope="module")
def two_corpora(
    tiny_run: Path, spoken_digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """After the tiny twin, digits, each pipeline by itself; and then a report of the twin."""
    project = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("two") / "project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISENTANGLED_AUDIO_DATA", str(spoken_digits))
        for name in (
            "ingestion",
            "feature_engineering",
            "representation_learning",
            "svm_classification",
            "audit",
            "reporting",
        ):
            run_kedro(project, env="fsdd", pipelines=[name], params=QUICK)
    run_kedro(project, pipelines=["reporting"])
    return project


def test_reporting_of_one_corpus_after_a_run_of_another(two_corpora: Path, tiny_run: Path) -> None:
    catalog = load_catalog(two_corpora)
    assert catalog.load("metrics")["corpus"] == "twin_tiny"
    assert catalog.load("predictions").equals(load_catalog(tiny_run).load("predictions"))

    other = load_catalog(two_corpora, env="fsdd").load("metrics")
    assert other["corpus"] == "fsdd"
    assert other["simulated"] is False
    assert other["protocol"] == "digit_leave_speaker_out"


def test_each_pipeline_runs_from_what_the_others_saved(two_corpora: Path) -> None:
    catalog = load_catalog(two_corpora, env="fsdd")
    assert catalog.load("metrics")["n_test"] == 18
    predictions = catalog.load("predictions")
    assert set(predictions.query("role == 'test'")["group"]) == {"jackson"}


def test_artefacts_of_two_ingestions_are_not_mixed(
    spoken_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISENTANGLED_AUDIO_DATA", str(spoken_digits))
    project = make_project(tmp_path / "project")
    run_kedro(project, env="fsdd", pipelines=["ingestion", "feature_engineering"], params=QUICK)
    clip = {"corpus": {"analysis": {"duration_s": 0.4}}}
    run_kedro(project, env="fsdd", pipelines=["ingestion"], params=clip)
    mixed = {**QUICK, **clip}
    with pytest.raises(UserError, match=r"corpus_hash .* and "):
        run_kedro(project, env="fsdd", pipelines=["representation_learning"], params=mixed)


def test_a_protocol_has_its_own_results(
    spoken_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISENTANGLED_AUDIO_DATA", str(spoken_digits))
    project = make_project(tmp_path / "project")
    run_kedro(project, env="fsdd", pipelines=["ingestion"])
    official = {
        "protocol_name": "digit_official",
        "protocol": {"split": {"test": ["0", "1"], "validation_folds": 2}},
    }
    run_kedro(project, env="fsdd", pipelines=["ingestion"], params=official)
    by_speaker = load_catalog(project, env="fsdd").load("splits")
    by_take = load_catalog(project, env="fsdd", params=official).load("splits")
    assert set(by_speaker.query("role == 'test'")["group"]) == {"jackson"}
    takes = by_take["recording_id"].str.extract(r"_(\d)\.wav$")[0]
    assert set(takes[by_take["role"] == "test"]) == {"0", "1"}
    assert set(takes[by_take["role"] != "test"]) == {"2", "3", "4", "5"}


def test_splits_of_another_fold_are_not_reported_as_this_one(
    spoken_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISENTANGLED_AUDIO_DATA", str(spoken_digits))
    project = make_project(tmp_path / "project")
    other_fold = {"protocol": {"split": {"fold": "anna"}}}
    run_kedro(project, env="fsdd", pipelines=["ingestion"], params=other_fold)
    with pytest.raises(UserError, match="'splits' were made with another protocol"):
        run_kedro(project, env="fsdd", pipelines=["feature_engineering"], params=QUICK)


def test_recordings_of_another_corpus_of_the_same_name_are_not_taken(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    rng = np.random.default_rng(0)
    for place in ("first", "second"):
        for take in range(8):
            for label in ("owl", "wren"):
                file = tmp_path / place / "calls" / label / f"{take}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(file, rng.normal(0, 0.1, 16000), 16000)

    def described(place: str, licence: str) -> dict[str, str]:
        source = f"{{folder: {tmp_path / place / 'calls'}, licence: {licence}}}"
        analysis = "{sample_rate_hz: 16000, duration_s: 1.0}"
        file = tmp_path / f"{place}_{licence}.yml"
        file.write_text(f"corpora: {{calls: {{sources: [{source}], analysis: {analysis}}}}}")
        return {"corpus_file": str(file)}

    run_kedro(project, env="folder", pipelines=["ingestion"], params=described("first", "own"))
    with pytest.raises(UserError, match=r"'calls' come from other corpus\.sources"):
        run_kedro(
            project,
            env="folder",
            pipelines=["feature_engineering"],
            params=described("second", "own"),
        )
    # Other words on the same recordings are no other corpus.
    run_kedro(
        project,
        env="folder",
        pipelines=["feature_engineering"],
        params=described("first", "CC0") | {"fourier": {"n_components": 4}},
    )
