"""The inference pipeline predicts what the training run and `Classifier` do, or refuses."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from disentangled_audio import Classifier
from disentangled_audio.errors import UserError
from tests.classified import assert_as_then, classify, newest_manifest, raw
from tests.conftest import TRAINING, load_catalog, run_kedro

MODELS = ("svm", "mel_svm", "timbre_svm", "acoustic_svm", "code_svm", "cnn", "hybrid")


@pytest.fixture(scope="module")
def trained(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("inference") / "project"
    shutil.copytree(tiny_run, project)
    return project


@pytest.fixture(scope="module")
def predicted(trained: Path) -> pd.DataFrame:
    return classify(trained, raw(trained))


def test_recordings_get_the_probabilities_of_the_training_run(
    trained: Path, predicted: pd.DataFrame
) -> None:
    catalog = load_catalog(trained)
    predictions = catalog.load("predictions")
    assert_as_then(predicted, predictions, MODELS)
    assert predictions.loc[predictions["role"] == "test", "recording_id"].nunique() > 5
    csv = catalog.load("inference_predictions_csv")
    assert list(csv["path"]) == list(predicted["path"])


def test_the_node_is_a_thin_caller(classifier: Classifier, predicted: pd.DataFrame) -> None:
    table = classifier.predictions(list(predicted["path"]))
    pd.testing.assert_frame_equal(table, predicted, check_exact=True)


@pytest.mark.slow
def test_the_refitted_network_classifies(tiny_run: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(tiny_run, project)
    run_kedro(
        project, pipelines=TRAINING, params={"disentangler": {"schedule": {"refit_epochs": 1}}}
    )

    catalog = load_catalog(project)
    codes, provisional = catalog.load("codes"), catalog.load("provisional_codes")
    assert not codes.equals(provisional)
    assert catalog.load("training_history")["validation_loss"].isna().tolist()[-2:] == [False, True]
    table = Classifier.load(project).predictions([str(raw(project))])
    assert_as_then(table, catalog.load("predictions"), MODELS)


def test_current_parameters_do_not_change_predictions(
    trained: Path, predicted: pd.DataFrame
) -> None:
    today = {
        "fourier": {"n_components": 3, "floor_db": -20.0},
        "views": {"n_mels": 12},
        "corpus": {"analysis": {"duration_s": 0.2, "sample_rate_hz": 8000}},
        "seed": 99,
    }
    files = [str(file) for file in raw(trained).glob("air*.wav")]
    changed = classify(trained, *files, params=today).set_index("path")
    pd.testing.assert_frame_equal(changed, predicted.set_index("path").loc[changed.index])


def test_models_in_a_store_are_hashed_used_and_compared(trained: Path, tmp_path: Path) -> None:
    """README's own example of `conf/local/catalog.yml`, with the store in memory."""
    import fsspec

    from disentangled_audio.pipeline_registry import register_pipelines
    from disentangled_audio.runs.manifest import manifest as manifest_of

    project = tmp_path / "project"
    shutil.copytree(trained, project)
    (file,) = project.glob("data/*/*/*/codes.parquet/*/codes.parquet")
    content = file.read_bytes()
    shutil.rmtree(file.parents[1])
    store = fsspec.filesystem("memory")
    stored = f"/codes.parquet/{file.parent.name}/codes.parquet"
    store.pipe(stored, content)
    entry = {
        "type": "disentangled_audio.datasets.parquet_dataset.ParquetDataset",
        "filepath": "memory:///codes.parquet",
        "versioned": True,
    }
    (project / "conf" / "test" / "catalog.yml").write_text(json.dumps({"codes": entry}))
    manifest = load_catalog(project).load("run_manifest")
    pipeline = register_pipelines()["__default__"]
    facts = manifest_of({}, pipeline, load_catalog(project))
    assert facts["file_sha256"] == manifest["file_sha256"]
    assert facts["files"] == manifest["files"] | {"codes": f"memory://{stored}"}
    recording = next(raw(project).glob("air*.wav"))
    (said,) = classify(project, recording)["confidence"]
    # Neither does `Classifier` need the catalog for it.
    written = newest_manifest(project)
    written.write_text(json.dumps(manifest | {"files": facts["files"]}))
    assert list(Classifier.load(project).predict(recording)["confidence"]) == [said]
    store.pipe(stored, content + b"more")
    with pytest.raises(UserError, match=r"'codes' is not the file.*memory:///codes"):
        classify(project, recording)
    with pytest.raises(UserError, match=r"'codes' is not the file.*memory:///codes"):
        Classifier.load(project)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("birds/by_folder", r"run 2026.* is of birds \(by_folder\)"),
        ("twin_tiny/database_by_room/theo", r"is fold 'theo' .* disentangled-audio classify"),
    ],
)
def test_a_model_that_the_catalog_does_not_have_is_named(
    trained: Path, place: str, message: str
) -> None:
    manifest = json.loads(newest_manifest(trained).read_text())
    folder = trained / "data/07_reporting" / place
    other = folder / "run_manifest.json/2026-01-31T12.00.00.000Z/run_manifest.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps(manifest))
    asked = {"recordings": [str(trained)], "model_version": other.parent.name}
    try:
        with pytest.raises(UserError, match=message):
            classify(trained, params={"inference": asked})
    finally:
        shutil.rmtree(folder)


def test_inference_runs_by_itself(trained: Path) -> None:
    with pytest.raises(UserError, match="by itself"):
        run_kedro(trained, pipelines=["inference", "reporting"])
