"""The environments of real recordings, where the recordings are."""

from pathlib import Path

import pandas as pd
import pytest

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.sources.folder import files_in_folder
from disentangled_audio.evaluation.splits import fold_protocols, make_splits
from tests.conftest import load_catalog, make_project, run_kedro

QUICK = {
    "disentangler": {"schedule": {"epochs": 2, "refit_epochs": 1}},
    "svm": {"C": [1.0], "gamma_scale": [1.0]},
}


@pytest.fixture
def project(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISENTANGLED_AUDIO_DATA", str(real_data))
    return make_project(tmp_path / "project")


def test_rooms_from_recordings_to_report(project: Path) -> None:
    run_kedro(project, env="rooms", params=QUICK)
    catalog = load_catalog(project, env="rooms")
    recordings, splits = catalog.load("recordings"), catalog.load("splits")
    assert len(recordings) == 36 * 8
    assert recordings["room"].nunique() == 9
    assert set(recordings["sample_rate_hz"]) == {16000}
    assert catalog.load("rejected_recordings").empty
    far = recordings["distance"] == "far"
    assert ((splits["role"] == "test") == far).all()
    metrics = catalog.load("metrics")
    assert metrics["simulated"] is False
    assert metrics["n_test"] == 144
    # Every file of this part of the corpus is one second long: a shortcut that is none.
    assert metrics["controls"]["byte_size"]["balanced_accuracy"] == pytest.approx(1 / 9)


def test_spoken_digits_are_all_read_and_the_speaker_is_held_out(project: Path) -> None:
    run_kedro(project, env="fsdd", pipelines=["ingestion"])
    catalog = load_catalog(project, env="fsdd")
    recordings, splits = catalog.load("recordings"), catalog.load("splits")
    assert len(recordings) == 3000
    assert catalog.load("rejected_recordings").empty
    assert catalog.load("waveforms").shape == (3000, 8000)
    speakers = splits.assign(speaker=recordings["speaker"]).groupby("role")["speaker"].unique()
    assert list(speakers["test"]) == ["jackson"]
    assert len(speakers["validation"]) == 1
    assert len(speakers["train"]) == 4


def test_takes_of_one_sound_are_never_on_two_sides_of_a_published_fold(
    project: Path, real_data: Path
) -> None:
    catalog = load_catalog(project, env="esc10")
    corpus, protocol = catalog.load("params:corpus"), catalog.load("params:protocol")
    grammar = NameGrammar(corpus, [])
    names = [file.relative for file in files_in_folder(real_data / "esc10", corpus.files)]
    recordings = pd.DataFrame({"path": name, **grammar.parse(name)} for name in names)
    recordings["recording_id"] = recordings["path"]

    assert len(recordings) == 400
    folds = fold_protocols(recordings, protocol, seed=7)
    assert list(folds) == [f"published_fold={number}" for number in range(1, 6)]
    for number, fold in enumerate(folds.values(), start=1):
        splits = make_splits(recordings, fold, seed=7)
        test = splits["role"] == "test"
        assert (test == (recordings["published_fold"] == str(number))).all()
        assert splits.groupby(recordings["clip"])["role"].nunique().max() == 1
        # Inner folds keep these groups together.
        assert (splits["group"] == recordings["clip"]).all()
        n_classes = splits.groupby("role")["target"].nunique()
        assert n_classes.to_dict() == {"train": 10, "validation": 10, "test": 10}
