"""The environments of real recordings, where the recordings are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.reading.decode import decode
from disentangled_audio.corpora.sources.folder import File, files_in_folder
from disentangled_audio.evaluation.splits import fold_protocols, make_splits
from disentangled_audio.parameters import AudioFormat, Corpus
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


def _named_recordings(folder: Path, corpus: Corpus) -> pd.DataFrame:
    """Columns of the names alone, which splits need."""
    grammar = NameGrammar(corpus, [])
    names = [file.relative for file in files_in_folder(folder, corpus.files)]
    recordings = pd.DataFrame({"path": name, **grammar.parse(name)} for name in names)
    return recordings.assign(recording_id=recordings["path"])


def test_takes_of_one_sound_are_never_on_two_sides_of_a_published_fold(
    project: Path, real_data: Path
) -> None:
    catalog = load_catalog(project, env="esc10")
    corpus, protocol = catalog.load("params:corpus"), catalog.load("params:protocol")
    recordings = _named_recordings(real_data / "esc10", corpus)

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


@pytest.mark.parametrize(
    ("protocol_name", "held_out", "n_folds"),
    [("instrument_leave_notes_out", "note", 5), ("pitch_leave_instruments_out", "instrument", 4)],
)
def test_every_fold_of_notes_holds_out_whole_groups_and_has_every_class(
    project: Path, real_data: Path, protocol_name: str, held_out: str, n_folds: int
) -> None:
    catalog = load_catalog(project, env="philharmonia", params={"protocol_name": protocol_name})
    corpus, protocol = catalog.load("params:corpus"), catalog.load("params:protocol")
    recordings = _named_recordings(real_data / "philharmonia", corpus)

    assert len(recordings) == 2444
    folds = fold_protocols(recordings, protocol, seed=7)
    assert len(folds) == n_folds
    tested = []
    for fold in folds.values():
        splits = make_splits(recordings, fold, seed=7)
        assert splits.groupby(recordings[held_out])["role"].nunique().max() == 1
        n_classes = splits.groupby("role")["target"].nunique()
        assert n_classes.to_dict() == {"train": 12, "validation": 12, "test": 12}
        tested += splits.loc[splits["role"] == "test", "recording_id"].tolist()
    assert sorted(tested) == sorted(recordings["recording_id"])


def test_notes_whose_files_do_not_give_their_length_are_read_whole(real_data: Path) -> None:
    files = sorted((real_data / "philharmonia").glob("*.mp3"))[::40]

    decoded = [decode([File(file, file.name)], AudioFormat(), 0.05) for file in files]

    # Frames of MPEG 1; libsndfile's own estimate of these files is up to twice as long.
    assert all(len(one.samples) % 1152 == 0 for one in decoded)
    assert 0.7 < np.mean([one.duration_s for one in decoded]) < 0.9
