"""The command for people who do not know Kedro: answers, messages and exit codes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from disentangled_audio.console import app
from tests.conftest import make_project


@pytest.fixture(scope="module")
def trained(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("console") / "project"
    shutil.copytree(tiny_run, project)
    return project


def _call(project: Path, *arguments: str) -> Result:
    before = Path.cwd()
    os.chdir(project)
    try:
        result = CliRunner().invoke(app, list(arguments))
    finally:
        os.chdir(before)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def _recording(project: Path) -> Path:
    return next((project / "data" / "01_raw").glob("*/air*.wav"))


def _version(project: Path) -> str:
    folder = project / "data/07_reporting/twin_tiny/database_by_room/run_manifest.json"
    return max(path.name for path in folder.iterdir())


def test_classify_says_class_and_confidence(trained: Path) -> None:
    result = _call(trained, "classify", str(_recording(trained)), "--top", "2")
    assert result.exit_code == 0, result.output
    header, row = result.stdout.splitlines()[:2]
    assert header.split()[:3] == ["file", "class", "confidence"]
    assert _recording(trained).name in row
    assert "\x1b" not in result.output


def test_classify_as_json_holds_all_columns(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    shutil.copy(_recording(trained), tmp_path / "good.wav")
    result = _call(
        trained, "classify", str(tmp_path), "--json", "--top", "1", "--model", _version(trained)
    )
    assert result.exit_code == 0, result.output
    good, bad = json.loads(result.stdout)
    assert len(good["top"]) == 1
    assert good["top"] == {good["class"]: pytest.approx(good["confidence"])}
    assert "not audio" in bad["error"]


def test_what_is_piped_is_the_answer_alone(trained: Path) -> None:
    code = "from disentangled_audio.console import app; app()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "classify", str(_recording(trained)), "--json"],
        cwd=trained,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [row["path"] for row in json.loads(shown.stdout)] == [str(_recording(trained))]
    assert "\x1b" not in shown.stdout + shown.stderr


def test_runs_lists_version_corpus_and_score(trained: Path) -> None:
    result = _call(trained, "runs")
    assert result.exit_code == 0
    assert _version(trained) in result.stdout
    assert "twin_tiny" in result.stdout


def test_compare_shows_what_differs(trained: Path) -> None:
    version, other = _version(trained), "2026-01-31T12.00.00.000Z"
    folder = trained / "data/07_reporting/twin_tiny/database_by_room/run_manifest.json"
    manifest = json.loads((folder / version / folder.name).read_text())
    manifest["run_id"] = manifest["dataset_versions"]["hybrid"] = other
    manifest["parameters"]["seed"] = 123
    (folder / other).mkdir()
    (folder / other / folder.name).write_text(json.dumps(manifest))
    try:
        result = _call(trained, "compare", version, other)
    finally:
        shutil.rmtree(folder / other)
    assert result.exit_code == 0, result.output
    assert "hybrid balanced_accuracy" in result.stdout
    assert ["seed", "7", "123"] in [line.split() for line in result.stdout.splitlines()]
    assert "said air" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["classify", "nothing.wav"], 1, "does not exist"),
        (["classify"], 2, "Missing argument"),
        (["classify", "empty"], 1, "no recording"),
        (["classify", "bad.wav"], 1, "none of the files can be used"),
        (["classify", "bad.wav", "--model", "2020"], 1, "no trained run 2020"),
        (["classify", "bad.wav", "--corpus", "birds"], 1, "no model of corpus 'birds'"),
        (["classify", "bad.wav", "--top", "0"], 2, "0"),
        (["compare", "2020", "2021"], 1, "no trained run 2020"),
        (["init-corpus", "nothing"], 1, "is no folder"),
        (["init-corpus", "empty"], 1, "no recordings"),
    ],
)
def test_bad_input_is_answered_by_a_message(
    trained: Path, arguments: list[str], status: int, message: str
) -> None:
    (trained / "empty").mkdir(exist_ok=True)
    (trained / "bad.wav").write_bytes(b"no audio")
    result = _call(trained, *arguments)
    assert result.exit_code == status, result.output
    assert message in result.output


def test_a_model_of_another_corpus_is_refused(trained: Path) -> None:
    result = _call(trained, "classify", "x.wav", "--model", _version(trained), "--corpus", "birds")
    assert result.exit_code == 1
    assert "of corpus 'twin_tiny', not of 'birds'" in result.output


def test_without_a_trained_model_it_says_how_to_train(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    result = _call(project, "classify", "x.wav")
    assert result.exit_code == 1
    assert "no model is trained yet" in result.output
    assert "kedro run" in result.output
    assert "kedro run" in _call(project, "runs").output


def test_output_that_cannot_be_written_is_named(trained: Path) -> None:
    folder = trained / "data" / "08_inference"
    kept = trained / "data" / "kept"
    if folder.exists():
        folder.rename(kept)
    folder.write_text("in the way")
    try:
        result = _call(trained, "classify", str(_recording(trained)))
    finally:
        folder.unlink()
        if kept.exists():
            kept.rename(folder)
    assert result.exit_code == 1
    assert "08_inference" in result.output


def test_outside_of_the_project_it_says_so(tmp_path: Path) -> None:
    result = _call(tmp_path, "runs")
    assert result.exit_code == 1
    assert "not in the project's folder" in result.output


def test_help_needs_no_tensorflow() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from disentangled_audio.console import app\n"
        "shown = CliRunner().invoke(app, ['classify', '--help'])\n"
        "assert 'Examples' in shown.output, shown.output\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _tones(folder: Path, name: str, duration_s: float, rate_hz: int) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(
        path, np.random.default_rng(0).normal(0, 0.1, round(duration_s * rate_hz)), rate_hz
    )


def test_init_corpus_finds_classes_and_shortcuts(trained: Path, tmp_path: Path) -> None:
    for take in range(12):
        _tones(tmp_path / "birds", f"owl/{take}.wav", 1.0, 16000)
        _tones(tmp_path / "birds", f"wren/{take}.wav", 0.3, 22050)
    output = tmp_path / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert "12  owl" in result.output
    assert "duration differs by class" in result.output
    assert "sampling rate differs by class" in result.output
    assert f"corpus_file={output}" in result.output
    again = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_init_corpus_reads_names_into_a_valid_description(trained: Path, tmp_path: Path) -> None:
    import yaml

    from disentangled_audio.corpora.names import NameGrammar
    from disentangled_audio.parameters import Corpus, Protocol

    for species in ("owl", "wren"):
        for site in "abcd":
            for take in range(4):
                _tones(tmp_path / "birds", f"{species}_site{site}_{take}.wav", 0.5, 16000)
    output = tmp_path / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.output
    content = yaml.safe_load(output.read_text())
    corpus = Corpus.model_validate(content["corpora"]["birds"])
    protocol = Protocol.model_validate(content["protocols"]["birds_field1"])
    assert protocol.group_by == ["field2"]
    columns = NameGrammar(corpus, []).parse("wren_sitea_0.wav")
    assert columns is not None
    assert columns["field1"] == "wren"
