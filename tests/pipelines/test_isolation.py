"""Runs of different corpora and protocols never read each other's versions."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus
from disentangled_audio.runs.provenance import digest_of_sources
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


@pytest.fixture(scope="module")
def ingested(spoken_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with the clips and features of the digits."""
    project = make_project(tmp_path_factory.mktemp("digits") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISENTANGLED_AUDIO_DATA", str(spoken_digits))
        run_kedro(project, env="fsdd", pipelines=["ingestion", "feature_engineering"], params=QUICK)
        yield project


@pytest.fixture
def project(ingested: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(ingested, tmp_path / "project"))


def test_artefacts_of_two_ingestions_are_not_mixed(project: Path) -> None:
    clip = {"corpus": {"analysis": {"duration_s": 0.4}}}
    run_kedro(project, env="fsdd", pipelines=["ingestion"], params=clip)
    mixed = {**QUICK, **clip}
    with pytest.raises(UserError, match=r"corpus_hash .* and "):
        run_kedro(project, env="fsdd", pipelines=["representation_learning"], params=mixed)


def test_a_protocol_has_its_own_results(project: Path) -> None:
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


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"protocol": {"split": {"fold": "anna"}}}, "'splits' were made with another protocol"),
        ({"corpus": {"sources": [{"folder": "fsdd/recordings"}]}}, r"other corpus\.sources"),
    ],
)
def test_saved_results_of_another_definition_are_not_taken(
    ingested: Path, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run_kedro(ingested, env="fsdd", pipelines=["feature_engineering"], params=QUICK | params)


def test_other_words_on_the_same_recordings_are_no_other_corpus() -> None:
    first, reworded, other = (
        Corpus(sources=[source], analysis={"sample_rate_hz": 8000, "duration_s": 1.0})
        for source in ({"folder": "a"}, {"folder": "a", "licence": "CC0"}, {"folder": "b"})
    )
    assert digest_of_sources(first) == digest_of_sources(reworded) != digest_of_sources(other)
