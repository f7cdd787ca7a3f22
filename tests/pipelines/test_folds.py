"""Every fold of a protocol on the tiny twin: the same as single runs, each trained once."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from disentangled_audio.errors import UserError
from tests.conftest import load_catalog, make_project, run_kedro

CHUNKS = "data/07_reporting/twin_tiny/database_by_room/.chunks"
CV = ["cross_validation"]


@pytest.fixture(scope="module")
def folds_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every fold of the tiny twin has run."""
    project = make_project(tmp_path_factory.mktemp("folds"))
    run_kedro(project, pipelines=CV)
    return project


def _trained(project: Path) -> dict[str, int]:
    """When each fold's predictions were written."""
    files = sorted((project / CHUNKS).glob("*/predictions.parquet"))
    return {file.parent.name: file.stat().st_mtime_ns for file in files}


def test_every_row_is_tested_once(folds_run: Path) -> None:
    catalog = load_catalog(folds_run)
    predictions, recordings = catalog.load("cv_predictions"), catalog.load("recordings")
    for _, rows in predictions[predictions["role"] == "test"].groupby("model"):
        assert sorted(rows["recording_id"]) == sorted(recordings["recording_id"])


def test_a_fold_is_the_run_of_that_fold_alone(folds_run: Path, tiny_run: Path) -> None:
    of_fold = load_catalog(folds_run).load("cv_predictions").query("fold == '0'")
    alone = load_catalog(tiny_run).load("predictions")
    pd.testing.assert_frame_equal(
        of_fold.reset_index(drop=True), alone, check_flags=False, check_like=True
    )


def test_metrics_are_over_all_folds(folds_run: Path) -> None:
    catalog = load_catalog(folds_run)
    metrics, predictions = catalog.load("cv_metrics"), catalog.load("cv_predictions")
    tested = predictions.query("model == 'svm' and role == 'test'")
    by_fold = {
        fold: (rows["predicted"] == rows["target"]).groupby(rows["target"]).mean().mean()
        for fold, rows in tested.groupby("fold")
    }
    scores = metrics["models"]["svm"]
    assert scores["mean_balanced_accuracy"] == pytest.approx(sum(by_fold.values()) / len(by_fold))
    assert scores["worst_fold"]["balanced_accuracy"] == pytest.approx(min(by_fold.values()))
    assert list(metrics["folds"]) == sorted(by_fold)
    assert metrics["n_folds"] == len(by_fold)
    assert metrics["simulated"] is True
    compared = {(result["a"], result["b"]) for result in metrics["comparisons"]}
    assert ("hybrid", "svm") in compared


def test_a_fold_is_trained_once(folds_run: Path) -> None:
    before = _trained(folds_run)
    run_kedro(folds_run, pipelines=CV)
    assert _trained(folds_run) == before


def test_other_parameters_are_other_folds(folds_run: Path) -> None:
    before = _trained(folds_run)
    params = {"svm": {"C": [1.0]}, "cross_validation": {"folds": "1"}}
    run_kedro(folds_run, pipelines=CV, params=params)
    after = _trained(folds_run)
    assert len(set(after) - set(before)) == 1
    assert load_catalog(folds_run).load("fold_runs")["fold"].tolist() == ["1"]
    metrics = load_catalog(folds_run).load("cv_metrics")
    assert (len(metrics["folds"]), metrics["n_folds"]) == (1, 4)


def test_an_unknown_fold_is_named(folds_run: Path) -> None:
    params: dict[str, Any] = {"cross_validation": {"folds": ["9"]}}
    with pytest.raises(UserError, match=r"no fold '9'; this protocol has 0, 1"):
        run_kedro(folds_run, pipelines=CV, params=params)


def test_an_interrupted_fold_goes_on_from_its_training(
    folds_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disentangled_audio.models import fusion

    params = {"seed": 8, "cross_validation": {"folds": "0"}}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    known = set((folds_run / CHUNKS).glob("training-0-*/checkpoint.npz"))
    with monkeypatch.context() as patched:
        patched.setattr(fusion.ProbabilityFusion, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            run_kedro(folds_run, pipelines=CV, params=params)
    (kept,) = set((folds_run / CHUNKS).glob("training-0-*/checkpoint.npz")) - known
    trained = kept.stat().st_mtime_ns

    run_kedro(folds_run, pipelines=CV, params=params)

    # It had finished, and is not repeated.
    assert kept.stat().st_mtime_ns == trained
