"""A new member of the bank takes one entry in one file and one line of the configuration."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.models.bank import BANK, MEMBERS, check_members
from tests.conftest import REPOSITORY, load_catalog

ENTRY = """    "loud_svm": Member(
        "Loudness + SVM",
        "support vector machine on the first cepstra alone",
        "mel_features",
        values=lambda table: features_of(table)[:, :4],
    ),
}
NETWORK = """
LINE = f"\nhybrid: {{members: [{', '.join([*MEMBERS, 'loud_svm'])}]}}\n"


@pytest.mark.slow
def test_a_new_member_is_trained_fused_scored_and_reported(tiny_run: Path, tmp_path: Path) -> None:
    project, package = tmp_path / "project", tmp_path / "src" / "disentangled_audio"
    shutil.copytree(tiny_run, project)
    shutil.copytree(REPOSITORY / "src" / "disentangled_audio", package)
    bank, parameters = package / "models" / "bank.py", project / "conf" / "test" / "parameters.yml"
    bank.write_text(bank.read_text().replace("}\nNETWORK = ", ENTRY))
    parameters.write_text(parameters.read_text() + LINE)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "kedro", "run", "--env=test"),
            "--pipelines=svm_classification,reporting",
        ],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Loudness + SVM" in run.stdout
    catalog = load_catalog(project)
    assert "loud_svm" in set(catalog.load("predictions")["model"])
    assert "loud_svm" in catalog.load("hybrid").members_
    assert "balanced_accuracy" in catalog.load("metrics")["models"]["loud_svm"]
    assert "<h3>Loudness + SVM</h3>" in catalog.load("report")


def test_members_are_known_by_name() -> None:
    check_members(list(BANK))
    with pytest.raises(UserError, match=r"the bank has no 'mfcc'; choose from svm, mel_svm"):
        check_members(["svm", "mfcc"])
