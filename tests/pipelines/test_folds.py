"""Every fold of a protocol on the tiny twin: the same as single runs, each trained once."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.pipelines.svm_classification.pipeline import create_pipeline
from disentangled_audio.runs.folds import folder_of
from disentangled_audio.runs.trained_runs import REFERENCES, is_trained, models_of
from tests.conftest import load_catalog, project_beside, run_kedro

pytestmark = pytest.mark.slow
KEYS = ("training_key", "classification_key")
CORPUS = "twin_tiny/database_by_room"
# Where tests train folds of their own: only what is said, in seconds.
SHORT = {"disentangler": {"schedule": {"epochs": 1}}}


@pytest.fixture(scope="module")
def folds_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every fold of the tiny twin has run; tests add folds of their own."""
    project = project_beside(tiny_run, tmp_path_factory.mktemp("folds"))
    run_kedro(project, pipelines=["cross_validation"])
    return project


def _versions(project: Path, fold: str, entry: str) -> dict[str, int]:
    """When each version of a fold's entry was written."""
    files = (project / "data").glob(f"0*/{CORPUS}/{fold}/{entry}.*/*/{entry}.*")
    return {file.parent.name: file.stat().st_mtime_ns for file in files}


def _all_versions(project: Path) -> set[str]:
    files = (project / "data").glob(f"0*/{CORPUS}/*/*/*/*.*")
    return {f"{file}: {file.stat().st_mtime_ns}" for file in files}


def _train(project: Path, folds: str, *, measure: bool = False, **params: Any) -> None:
    of_folds = {"folds": folds, "disentanglement": measure}
    params = {**SHORT, **params, "cross_validation": of_folds}
    run_kedro(project, pipelines=["folds"], params=params)


def _runs(project: Path) -> pd.DataFrame:
    return load_catalog(project).load("fold_runs").set_index("fold")


def test_every_row_is_tested_once(folds_run: Path) -> None:
    catalog = load_catalog(folds_run)
    predictions, recordings = catalog.load("cv_predictions"), catalog.load("recordings")
    for _, rows in predictions[predictions["role"] == "test"].groupby("model"):
        assert sorted(rows["recording_id"]) == sorted(recordings["recording_id"])


def test_a_fold_is_the_run_of_that_fold_alone(folds_run: Path, measured_run: Path) -> None:
    folds, alone = load_catalog(folds_run), load_catalog(measured_run)
    version = _first_runs(folds_run).loc["0"]
    versions = folds.load("0.run_manifest", version=version["version"])["dataset_versions"]
    for name in ("predictions", "codes", "splits", "svm_probabilities"):
        of_fold = folds.load(f"0.{name}", version=versions[name])
        pd.testing.assert_frame_equal(of_fold, alone.load(name), check_flags=False)
    of_fold = folds.load("0.leakage_matrix", version=version["measured"])
    pd.testing.assert_frame_equal(
        of_fold.replace("", np.nan).infer_objects(),
        alone.load("leakage_matrix"),
        check_flags=False,
        check_dtype=False,
    )
    summary = folds.load("0.disentanglement", version=version["measured"])
    assert summary == alone.load("disentanglement")


def _first_runs(project: Path) -> pd.DataFrame:
    """Of the run of all folds, whatever was run since."""
    catalog = load_catalog(project)
    oldest = min(catalog["fold_runs"].list_versions(full_path=False))
    return catalog.load("fold_runs", version=oldest).set_index("fold")


def test_models_of_a_fold_load_from_the_catalog(folds_run: Path) -> None:
    catalog, version = load_catalog(folds_run), _first_runs(folds_run).loc["2", "version"]
    versions = catalog.load("2.run_manifest", version=version)["dataset_versions"]
    svm = catalog.load("2.svm", version=version)
    features = catalog.load("2.fourier_features", version=versions["fourier_features"])
    features = features.drop(columns="recording_id")
    said = svm.predict_proba(features.to_numpy()[:3])
    saved = catalog.load("2.svm_probabilities", version=version).drop(columns="recording_id")
    assert said.shape == (3, saved.shape[1])
    assert (
        "content" in catalog.load("2.disentangler", version=versions["disentangler"]).output_names
    )


def test_a_fold_has_all_that_classifying_needs(folds_run: Path) -> None:
    catalog, version = load_catalog(folds_run), _first_runs(folds_run).loc["1", "version"]
    manifest = catalog.load("1.run_manifest", version=version)
    assert manifest["run_id"] == version
    assert is_trained(manifest)
    assert manifest["parameters"]["protocol"]["split"]["fold"] == 1
    assert set(manifest["feature_schema"]) >= {"log_mel", "mel_features", "codes"}
    assert set(manifest["seconds"]) == {node.name for node in create_pipeline().nodes}
    training = catalog.load("1.run_manifest", version=manifest["dataset_versions"]["run_manifest"])
    assert "train_disentangler" in training["seconds"]
    assert not is_trained(training)
    models = models_of(manifest["dataset_versions"])
    assert {"disentangler", "svm", "mel_svm", "hybrid"} <= set(models)
    for name in (*models, *REFERENCES):
        entry = name if name == "recordings" else f"1.{name}"
        of_entry = manifest["dataset_versions"][name]
        file = Path(catalog[entry]._get_versioned_path(of_entry))
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        assert manifest["file_sha256"][name] == found, name


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


def test_leakage_over_folds_is_the_mean_of_the_folds(folds_run: Path) -> None:
    catalog, runs = load_catalog(folds_run), _first_runs(folds_run)
    matrix, summary = catalog.load("cv_leakage_matrix"), catalog.load("cv_disentanglement")
    asked = "code == 'content' and factor == 'target' and condition == 'marginal'"
    scores = [
        catalog.load(f"{fold}.leakage_matrix", version=version)
        .query(f"{asked} and control == 'untrained'")["score"]
        .item()
        for fold, version in runs["measured"].items()
    ]
    found = matrix.query(f"{asked} and control == 'untrained'").iloc[0]
    assert len(scores) == 4
    assert found["score"] == pytest.approx(np.mean(scores))
    assert min(scores) <= found["low"] <= found["score"] <= found["high"] <= max(scores)
    # What no fold can score, and what some cannot, says why.
    assert matrix.loc[matrix["n_folds"] == 0, "reason"].notna().all()
    partly = matrix[matrix["n_folds"].between(1, 3) & (matrix["control"] != "one_hot")]
    assert len(partly) > 0
    assert partly["reason"].str.contains(r"not in \d of \d folds: ").all()

    saps = [fold["sap"] for fold in summary["folds"].values()]
    assert list(summary["folds"]) == ["0", "1", "2", "3"]
    assert summary["mean"]["sap"] == pytest.approx(np.mean(saps))
    assert set(summary["mean"]["controls"]) == {"untrained", "raw_pca"}
    swaps = catalog.load("cv_swaps")
    moved = swaps.query("swap == 'content' and clip == 'donor'")["share"].item()
    assert summary["mean"]["swap"]["moved"] == pytest.approx(moved)
    assert catalog.exists("cv_leakage_plot")
    assert (runs["measurement_seconds"] > 0).all()


def test_a_repeated_run_trains_nothing(folds_run: Path) -> None:
    before = _all_versions(folds_run)
    run_kedro(folds_run, pipelines=["folds"])
    assert _all_versions(folds_run) == before
    pd.testing.assert_frame_equal(_runs(folds_run), _first_runs(folds_run))


def test_a_killed_fold_goes_on(folds_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from disentangled_audio.models import fusion

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = {key: _versions(folds_run, "0", key) for key in KEYS}
    with monkeypatch.context() as patched:
        patched.setattr(fusion.ProbabilityFusion, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            _train(folds_run, "0", seed=8)
    (training,), (version,) = (_versions(folds_run, "0", key).keys() - before[key] for key in KEYS)
    trained = _versions(folds_run, "0", "disentangler")[training]
    svm = _versions(folds_run, "0", "mel_svm")[version]
    assert version not in _versions(folds_run, "0", "hybrid")
    # As if it had been killed while a node saved its four outputs.
    (lost,) = (folds_run / "data").glob(f"0*/{CORPUS}/0/loudest_codes.*/{training}")
    shutil.rmtree(lost)
    encoded = _versions(folds_run, "0", "codes")[training]

    _train(folds_run, "0", seed=8)

    assert _runs(folds_run).loc["0", "version"] == version
    assert _versions(folds_run, "0", "disentangler")[training] == trained
    assert _versions(folds_run, "0", "mel_svm")[version] == svm
    assert _versions(folds_run, "0", "codes")[training] > encoded
    assert training in _versions(folds_run, "0", "loudest_codes")
    for entry in ("hybrid", "predictions", "run_manifest"):
        assert version in _versions(folds_run, "0", entry)


def test_a_fold_can_be_measured_later(folds_run: Path) -> None:
    _train(folds_run, "1")
    predicted = _runs(folds_run).loc["1"]
    assert predicted["measured"] == ""
    before = _versions(folds_run, "1", "hybrid"), _versions(folds_run, "1", "swaps")

    _train(folds_run, "1", measure=True)

    measured = _runs(folds_run).loc["1"]
    assert measured["version"] == predicted["version"]
    assert _versions(folds_run, "1", "hybrid") == before[0]
    assert _versions(folds_run, "1", "swaps").keys() - before[1] == {measured["measured"]}

    # Another measurement is of the same training.
    _train(folds_run, "1", measure=True, disentanglement={"raw_components": 5})
    assert _runs(folds_run).loc["1", "version"] == predicted["version"]
    assert _runs(folds_run).loc["1", "measured"] != measured["measured"]


def test_other_parameters_make_another_version(folds_run: Path) -> None:
    found = []
    for changed in ({"svm": {"C": [1.0]}}, {"cepstra": {"n_cepstra": 12}}):
        before = _versions(folds_run, "2", "predictions")
        _train(folds_run, "2", **changed)
        found.append(_runs(folds_run).loc["2", "version"])
        assert found[-1] not in before
    # Another SVM is fitted to the codes of the same network.
    before = _versions(folds_run, "2", "disentangler")
    _train(folds_run, "2", svm={"C": [2.0]}, cepstra={"n_cepstra": 12})
    assert _versions(folds_run, "2", "disentangler") == before
    assert _runs(folds_run).loc["2", "version"] not in found
    # The first is the newest no longer, and still what is used and gathered.
    params = {**SHORT, "svm": {"C": [1.0]}}
    params |= {"cross_validation": {"folds": "2", "disentanglement": False}}
    run_kedro(folds_run, pipelines=["cross_validation"], params=params)
    catalog = load_catalog(folds_run)
    gathered, of_fold = catalog.load("cv_predictions"), catalog.load("2.predictions", found[0])
    pd.testing.assert_frame_equal(gathered, of_fold, check_flags=False)
    metrics = catalog.load("cv_metrics")
    assert (len(metrics["folds"]), metrics["n_folds"]) == (1, 4)
    matrix, summary = catalog.load("cv_leakage_matrix"), catalog.load("cv_disentanglement")
    assert len(matrix) == 0
    assert {"code", "score", "n_folds"} <= set(matrix)
    assert summary["folds"] == summary["mean"] == {}
    assert summary["reason"] == "not measured: cross_validation.disentanglement is false"
    manifest = catalog.load("run_manifest")
    assert manifest["dataset_versions"]["2.run_manifest"] == found[0]


def test_jobs_side_by_side_train_each_fold_once(folds_run: Path) -> None:
    before = {fold: _versions(folds_run, fold, "predictions") for fold in ("2", "3")}
    asked = "seed=12,disentangler.schedule.epochs=1,cross_validation.disentanglement=false"
    command = [sys.executable, "-m", "kedro", "run", "--env=test", "--pipelines=folds"]
    jobs = [
        subprocess.Popen(
            [*command, f"--params={asked},cross_validation.folds={folds}"],
            cwd=folds_run,
            env={**os.environ, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folds in ("2", "2", "3")
    ]
    said = [job.communicate(timeout=300)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], said
    for fold, known in before.items():
        assert len(_versions(folds_run, fold, "predictions").keys() - known) == 1
    assert len(re.findall(r"2\.train_hybrid +[0-9.]+ s", "".join(said))) == 1


def test_a_fold_may_have_any_name(folds_run: Path) -> None:
    split = {"strategy": "leave_one_group_out", "fold": "air/booth", "allow_missing_classes": True}
    _train(folds_run, "air/aula_carolina", protocol={"split": split})
    predictions = load_catalog(folds_run).load("air_2faula_5fcarolina.predictions")
    tested = predictions[predictions["role"] == "test"]
    assert set(tested["group"]) == {"air/aula_carolina"}


def test_folders_of_folds_are_safe_and_differ() -> None:
    names = ["0", "theo", "Theo", "a/b", "a_b", "a__b", "a_2fb", "a b", "a.b", "-x", "x", "~"]
    names += ["", ".", "..", "../a", "CON", "con", "\u00e9", "e\u0301", "日本", "\udce9"]
    names += ["x" * 400, "x" * 401, "日" * 200, "日" * 201]
    folders = [folder_of(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", folder) for folder in folders)
    assert folder_of("theo") == "theo"


def test_folds_of_several_seeds_are_scored_together(folds_run: Path) -> None:
    of_folds = {"folds": "3", "seeds": [7, 21], "disentanglement": False}
    before = _versions(folds_run, "3", "disentangler")
    run_kedro(
        folds_run, pipelines=["cross_validation"], params={**SHORT, "cross_validation": of_folds}
    )
    catalog, runs = load_catalog(folds_run), _runs(folds_run)
    assert list(runs.index) == ["3, seed 7", "3, seed 21"]
    assert runs["seed"].tolist() == [7, 21]
    # The run's own seed is 7.
    assert runs["folder"].iloc[0] == "3"
    assert len(_versions(folds_run, "3", "disentangler")) == len(before) + 1
    metrics = catalog.load("cv_metrics")
    assert (metrics["seeds"], metrics["n_folds"]) == ([7, 21], 8)
    of_seeds = [metrics["folds"][name]["models"]["hybrid"] for name in runs.index]
    scores = [scores["balanced_accuracy"] for scores in of_seeds]
    hybrid = metrics["models"]["hybrid"]
    assert hybrid["mean_balanced_accuracy"] == pytest.approx(np.mean(scores))
    assert hybrid["sd_over_seeds"] == pytest.approx(np.std(scores, ddof=1))
    assert "duration" in metrics["folds"]["3, seed 21"]["controls"]
    manifest = catalog.load(f"{runs['folder'].iloc[1]}.run_manifest")
    assert manifest["parameters"]["seed"] == 21


def test_an_unknown_fold_is_named(folds_run: Path) -> None:
    with pytest.raises(UserError, match=r"no fold '9'; this protocol has 0, 1"):
        _train(folds_run, "9")


def test_a_removed_result_is_named(folds_run: Path) -> None:
    from disentangled_audio.pipelines.cross_validation.nodes import gather_folds

    catalog = load_catalog(folds_run)
    runs = catalog.load("fold_runs").assign(version="gone")
    predictions, recordings = catalog.load("fold_predictions"), catalog.load("recordings")
    with pytest.raises(UserError, match=r"no .*predictions\.parquet/gone: .*results were removed"):
        gather_folds(runs, predictions, recordings)
