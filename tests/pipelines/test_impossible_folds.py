"""A cross-validation with a fold that cannot be made stops before it computes features."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from disentangled_audio.cli.kedro_commands import cli
from tests.calling import make_noise
from tests.conftest import make_project


def _cross_validate(
    project: Path, recordings: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The message of a run that fails."""
    corpus = {
        "sources": [{"folder": str(recordings)}],
        "name_patterns": [r"(?P<bird>[a-z]+)_(?P<site>[a-z]+)_\d\.wav"],
        "analysis": {"sample_rate_hz": 8000, "duration_s": 0.3},
    }
    protocol = {
        "target": "bird",
        "group_by": ["site"],
        "split": {"strategy": strategy, "n_folds": 3, "validation_folds": 2},
    }
    described = {"corpora": {"birds": corpus}, "protocols": {"bird": protocol}}
    file = project / "birds.yml"
    file.write_text(yaml.safe_dump(described), encoding="utf-8")
    monkeypatch.chdir(project)
    bootstrap_project(project)
    command = ["run", "--env=folder", f"--params=corpus_file={file},fourier.n_components=4"]
    result = CliRunner().invoke(cli, [*command, "--pipelines=cross_validation"])
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_a_fold_without_a_class_stops_the_run_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There are owls at two sites, too few for three folds.
    sites = {"owl": ("north", "south"), "wren": ("north", "south", "east", "west", "coast")}
    for bird, places in sites.items():
        for place in places:
            for take in range(3):
                make_noise(tmp_path / "birds", f"{bird}_{place}_{take}.wav", 0.3, 8000)
    project = make_project(tmp_path / "project")
    message = _cross_validate(project, tmp_path / "birds", "grouped", monkeypatch)
    assert "owl (groups north, south)" in message
    assert "leave classes out with protocol.where" in message
    assert not list(project.glob("data/02_primary/*/*"))


def test_a_class_of_copies_stops_the_run_before_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for take in range(9):
        make_noise(tmp_path / "birds", f"wren_north_{take}.wav", 0.3, 8000)
        noise = np.random.default_rng(take % 2).normal(0, 0.1, 2400)
        soundfile.write(tmp_path / "birds" / f"owl_south_{take}.wav", noise, 8000)
    project = make_project(tmp_path / "project")
    message = _cross_validate(project, tmp_path / "birds", "random", monkeypatch)
    assert "owl" in message
    assert "protocol.where" in message
    assert list(project.glob("data/02_primary/*/*"))
    assert not list(project.glob("data/03_feature/*/*"))
