"""A run of all pipelines on the tiny twin: its results, and that it can be repeated."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.framework.project import pipelines

from tests.conftest import TRAINING, load_catalog, project_beside, run_kedro

MODELS = ["svm", "mel_svm", "timbre_svm", "acoustic_svm", "code_svm", "cnn", "hybrid"]


def test_every_output_is_saved_and_versioned(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    for name in sorted(pipelines["__default__"].all_outputs() | {"run_manifest"}):
        dataset = catalog.get(name)
        assert dataset._version is not None, f"{name} is not versioned"
        assert catalog.exists(name), f"{name} was not saved"


def test_metrics_follow_the_schema(tiny_run: Path) -> None:
    metrics = load_catalog(tiny_run).load("metrics")
    assert list(metrics["models"]) == MODELS
    assert set(metrics["controls"]) >= {"majority", "duration", "byte_size", "direct_sound"}
    assert metrics["simulated"] is True
    assert metrics["corpus"] == "twin_tiny"
    for scores in metrics["models"].values():
        low, high = scores["balanced_accuracy_ci95"]
        assert 0 <= low <= scores["balanced_accuracy"] <= high <= 1
        assert set(scores) >= {"accuracy", "macro_f1", "log_loss", "ece", "per_class", "per_kind"}
    assert metrics["seconds"]["train_disentangler"] > 0


def test_predictions_hold_every_model_and_item(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    predictions, splits = catalog.load("predictions"), catalog.load("splits")
    assert list(predictions.columns[:8]) == [
        "recording_id",
        "group",
        "kind",
        "fold",
        "role",
        "model",
        "target",
        "predicted",
    ]
    assert "weight_pretrained" not in predictions
    probabilities = predictions.filter(regex="^p_")
    assert list(probabilities) == ["p_RVB2014", "p_RWCP", "p_air"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    for model, rows in predictions.groupby("model"):
        assert list(rows["recording_id"]) == list(splits["recording_id"]), model
        assert list(rows["role"]) == list(splits["role"]), model
    assert (probabilities.idxmax(axis=1).str.removeprefix("p_") == predictions["predicted"]).all()


def test_metrics_are_those_of_the_test_rows(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    predictions, metrics = catalog.load("predictions"), catalog.load("metrics")
    for model in MODELS:
        rows = predictions.query("model == @model and role == 'test'")
        recalls = [
            (part["predicted"] == part["target"]).mean() for _, part in rows.groupby("target")
        ]
        assert metrics["models"][model]["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_no_room_is_on_two_sides(tiny_run: Path) -> None:
    splits = load_catalog(tiny_run).load("splits")
    assert (splits.groupby("group")["role"].nunique() == 1).all()


def test_manifest_says_what_made_the_result(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    manifest = catalog.load("run_manifest")
    recordings, splits = catalog.load("recordings"), catalog.load("splits")
    assert manifest["corpus_hash"] == recordings.attrs["corpus_hash"]
    assert manifest["split_hash"] == splits.attrs["split_hash"]
    assert manifest["parameters"]["seed"] == 7
    assert manifest["parameters"]["corpus"]["simulated"] is True
    assert "_corpora" not in manifest["parameters"]
    assert manifest["sources"] == [{"label": "twin", "generator": "twin", "seed": 0}]
    assert manifest["packages"]["kedro"].startswith("1.")
    assert manifest["dataset_versions"]["svm"] == manifest["run_id"]
    assert set(manifest["seconds"]) == {node.name for node in pipelines["__default__"].nodes}
    assert manifest["environment"] == "test"


def test_report_says_that_the_recordings_are_simulated(tiny_run: Path) -> None:
    report = load_catalog(tiny_run).load("report")
    title = report.partition("<title>")[2].partition("</title>")[0]
    assert "simulated" in title.lower()
    assert "http://" not in report.replace("http://www.w3.org", "")


@pytest.mark.slow
def test_same_seed_same_predictions_other_seed_others(tiny_run: Path, tmp_path: Path) -> None:
    first = load_catalog(tiny_run).load("predictions")
    project = project_beside(tiny_run, tmp_path)
    run_kedro(project, pipelines=TRAINING)
    pd.testing.assert_frame_equal(load_catalog(project).load("predictions"), first)
    trained = load_catalog(project).load("cnn_probabilities")
    run_kedro(project, pipelines=TRAINING[:-1], params={"seed": 8})
    other = load_catalog(project).load("cnn_probabilities")
    assert not other.filter(regex="^p_").equals(trained.filter(regex="^p_"))


@pytest.mark.slow
def test_older_versions_can_be_loaded(tiny_run: Path, tmp_path: Path) -> None:
    project = project_beside(tiny_run, tmp_path)
    run_kedro(project, pipelines=["ingestion"])
    old = load_catalog(project).load("run_manifest")["dataset_versions"]["splits"]
    run_kedro(project, pipelines=["ingestion"], params={"seed": 8})
    pinned = {"splits": old}
    run_kedro(project, pipelines=["feature_engineering"], load_versions=pinned)
    manifest = load_catalog(project).load("run_manifest")
    assert manifest["dataset_versions"]["splits"] == old


def test_manifest_is_plain_json(tiny_run: Path) -> None:
    (path,) = tiny_run.glob("data/07_reporting/twin_tiny/*/run_manifest.json/*/run_manifest.json")
    assert json.loads(path.read_text())["run_id"] == path.parent.name


def test_the_audit_is_in_words_and_in_the_report(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    audit, report = catalog.load("audit"), catalog.load("report")
    assert audit["simulated"] is True
    assert audit["verdict"][0].startswith("These recordings are simulated.")
    assert any("is +" in said or "is -" in said for said in audit["verdict"])
    for said in audit["verdict"]:
        assert said.replace("'", "&#39;") in report


def test_weights_of_members_are_reported(tiny_run: Path) -> None:
    ablation = load_catalog(tiny_run).load("hybrid_ablation")
    assert set(ablation["member"]) == set(MODELS) - {"hybrid"}
    assert ablation["weight"].sum() == pytest.approx(1.0)
    assert (ablation["cost"] == ablation["full"] - ablation["without"]).all()
