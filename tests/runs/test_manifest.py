"""The manifest of a run: how it was started, what it used and what it made."""

import shutil
from pathlib import Path

import pytest
from kedro.pipeline import Node, Pipeline

from disentangled_audio.runs.manifest import _options, manifest
from tests.conftest import load_catalog


@pytest.mark.parametrize(
    ("env", "given", "typed"),
    [
        (None, {}, ""),
        ("base", None, ""),
        ("fsdd", {}, "--env=fsdd"),
        ("test", {"seed": 8, "svm": {"C": 1}}, "--env=test --params=seed=8,svm.C=1"),
        (None, {"svm": {"C": [1, 10]}}, "'--params=svm.C=…'"),
        (None, {"corpus_file": "my corpus.yml"}, "'--params=corpus_file=my corpus.yml'"),
    ],
)
def test_options_can_be_typed_again(env: str | None, given: dict | None, typed: str) -> None:
    assert _options({"env": env, "runtime_params": given}) == typed


def test_a_manifest_of_a_part_has_its_names_without_the_namespace(
    tiny_run: Path, tmp_path: Path
) -> None:
    """As of one fold, whose entries have the fold's name before them."""
    project = tmp_path / "project"
    shutil.copytree(tiny_run, project)
    catalog = load_catalog(project)
    catalog["fold_1.codes"] = catalog["codes"]
    part = Pipeline([Node(len, "fold_1.codes", "fold_1.size", name="count")])
    found = manifest({"run_id": "now"}, part, catalog, "fold_1")
    assert found["run_id"] == "now"
    whole = catalog.load("run_manifest")
    assert found["dataset_versions"] == {"codes": whole["dataset_versions"]["codes"]}
    assert "file_sha256" not in found
