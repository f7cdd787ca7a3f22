"""Pretrained weights in a run: a member and a hybrid of their own, and models that carry them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from disentangled_audio import Classifier
from disentangled_audio.errors import UserError
from disentangled_audio.models.bundle import write_bundle
from disentangled_audio.models.preparation import facts_of
from disentangled_audio.report.model_card import model_card
from disentangled_audio.runs.trained_runs import find_run
from tests.classified import assert_as_then, classify, newest_manifest, raw
from tests.conftest import TRAINING, load_catalog, project_beside, run_kedro
from tests.onnx_networks import dense

LICENCE, DATA = "CC BY 4.0", "bird songs"


def _asked(network: Path) -> dict[str, Any]:
    rights = {"licence": LICENCE, "training_data": DATA}
    windows = {"sample_rate_hz": 16_000, "window_s": 0.1, "hop_s": 0.05}
    return {"pretrained": {"onnx": {"path": str(network), **windows, **rights}}}


@pytest.fixture(scope="module")
def trained(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose models use a network beside it; scored and reported."""
    project = project_beside(tiny_run, tmp_path_factory.mktemp("pretrained"))
    network = project / "net.onnx"
    network.write_bytes(dense(["n", 1600], 1600))
    run_kedro(project, pipelines=[*TRAINING, "audit", "reporting"], params=_asked(network))
    return project


def test_two_results_stand_apart(trained: Path, tiny_run: Path) -> None:
    catalog, before = load_catalog(trained), load_catalog(tiny_run)
    models = catalog.load("metrics")["models"]
    assert {"embedding_svm", "hybrid_pretrained"} == models.keys() - before.load("metrics")[
        "models"
    ]
    for entry in ("hybrid_probabilities", "code_svm_probabilities", "splits"):
        assert catalog.load(entry).equals(before.load(entry)), entry
    predictions = catalog.load("predictions")
    weights = predictions.groupby("model")[["weight", "weight_pretrained"]].first()
    assert np.isnan(weights.loc["embedding_svm", "weight"])
    np.testing.assert_allclose(weights.sum(), 1.0)
    assert "embedding_svm" not in catalog.load("hybrid").members_
    assert "embedding_svm" in catalog.load("hybrid_pretrained").members_
    assert set(catalog.load("hybrid_ablation")["hybrid"]) == {"hybrid", "hybrid_pretrained"}


def test_the_weights_are_described_wherever_their_scores_stand(trained: Path) -> None:
    catalog = load_catalog(trained)
    facts = catalog.load("run_manifest")["pretrained"]
    run = find_run(trained / "data")
    assert facts["name"] == "net.onnx"
    for text in (catalog.load("report"), model_card(facts_of(run.manifest), run.metrics())):
        assert "The hybrid with pretrained weights reaches" in text
        for fact in (facts["sha256"], LICENCE, DATA, "net.onnx"):
            assert fact in text, fact


def test_new_recordings_get_the_answer_of_the_pretrained_hybrid(trained: Path) -> None:
    table = classify(trained, raw(trained), params=_asked(trained / "net.onnx"))
    predictions = load_catalog(trained).load("predictions")
    answers = predictions[predictions["model"] == "hybrid_pretrained"].assign(model="hybrid")
    assert_as_then(table, answers, ("hybrid",))
    assert_as_then(table, predictions, ("embedding_svm", "code_svm"))


def test_a_bundle_brings_the_network_along_and_a_run_refuses_another(
    trained: Path, tmp_path: Path
) -> None:
    project, bundle = tmp_path / "project", tmp_path / "model.zip"
    shutil.copytree(trained, project)
    # The manifest names the network by its path.
    manifest, network = newest_manifest(project), project / "net.onnx"
    manifest.write_text(manifest.read_text().replace(str(trained), str(project)))
    files = sorted(raw(project).glob("air*.wav"))
    expected = Classifier.load(project).predict(files)
    write_bundle(find_run(project / "data"), bundle, "# Card\n")
    network.write_bytes(dense(["n", 1600], 1600, n_dims=5))
    with pytest.raises(UserError, match=r"trained with the weights 'net\.onnx' of SHA-256"):
        Classifier.load(project)
    with pytest.raises(UserError, match=r"trained with the weights 'net\.onnx' of SHA-256"):
        write_bundle(find_run(project / "data"), tmp_path / "other.zip", "# Card\n")
    shutil.rmtree(project)
    loaded = Classifier.load(bundle)
    assert loaded.manifest["pretrained"]["onnx"]["path"] == "pretrained.onnx"
    assert str(project) not in json.dumps(loaded.manifest)
    files = sorted(raw(trained).glob("air*.wav"))
    assert loaded.predict(files)["confidence"].equals(expected["confidence"])


def test_features_of_other_weights_are_not_mixed_in(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'embedding_features' were made with other 'pretrained'"):
        run_kedro(trained, pipelines=["svm_classification"])
    other = tmp_path / "other.onnx"
    other.write_bytes(b"no network")
    with pytest.raises(UserError, match=r"other\.onnx is not an ONNX network"):
        run_kedro(trained, params=_asked(other))
