"""Wrong parameters and options end in a message before any node has run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click import ClickException
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from disentangled_audio.cli.kedro_commands import messages
from tests.conftest import REPOSITORY, make_project, remount


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("cli") / "project")


def _run(project: Path, *options: str) -> tuple[int, str]:
    """Exit status and output of `kedro run`, in this process."""
    bootstrap_project(project)
    from disentangled_audio.cli.kedro_commands import cli

    before = Path.cwd()
    os.chdir(project)
    try:
        result = CliRunner().invoke(cli, ["run", *options])
    finally:
        os.chdir(before)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            "--params=corpus.analysis.durations_s=1",
            ["unknown key durations_s", "use channel, sample_rate_hz"],
        ),
        (
            "--params=corpus.analysis.duration_s=-1",
            ["duration_s", "greater than or equal to 0.01, got -1"],
        ),
        ("--params=protocol_name=guess", ["guess", "protocols", "database_by_room"]),
        ("--params=protocol.target=colour", ["protocol.target", "colour", "database"]),
        ("--params=views.min_hz=9000", ["views", "8000 Hz"]),
    ],
)
def test_wrong_parameters_stop_before_the_first_node(
    project: Path, options: str, named: list[str]
) -> None:
    status, output = _run(project, "--env=test", options)
    assert status == 1
    for text in named:
        assert text in output
    assert "Traceback" not in output
    assert not (project / "data").exists(), "a node ran"


def test_a_missing_corpus_is_named_with_the_searched_places(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISENTANGLED_AUDIO_DATA", str(tmp_path))
    status, output = _run(project, "--env=rooms")
    assert status == 1
    assert str(tmp_path / "slr28_real") in output
    assert "01_raw" in output
    assert "openslr.org/resources/28" in output


def test_the_real_command_shows_no_traceback(project: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "kedro", "run", "--env=test", "--params=corpus_name=birds"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1
    assert "'birds' is not one of the corpora" in shown.stderr
    assert "Traceback" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--env=folder"], ["corpus_file=my_corpus.yml"]),
        (["--env=nosuch"], ["nosuch"]),
        (["--env=test", "--pipelines=report"], ["no pipeline 'report'; did you mean reporting?"]),
        (["--env=test", "--nodes=tabulat"], ["no node 'tabulat'; did you mean tabulate"]),
        (["--env=test", "--from-nodes=train_svn"], ["no node 'train_svn'; did you mean train_svm"]),
        (["--env=test", "--to-nodes=x"], ["no node 'x'", "tabulate"]),
        (["--env=test", "--to-outputs=metric"], ["no dataset 'metric'; did you mean metrics"]),
        (["--env=test", "--from-inputs=codez"], ["no dataset 'codez'; did you mean codes"]),
        (["--env=test", "--tags=slow"], ["no tag 'slow'; there are none"]),
        (
            ["--env=test", "--load-versions=splits:2026-01-31T12.00.00.000Z"],
            ["this run computes splits itself"],
        ),
        (
            ["--env=test", "--pipelines=reporting"],
            # The first missing pipeline, since the others build on it.
            ["'integrity' is missing", "kedro run --pipelines=ingestion first"],
        ),
        (
            ["--env=folder", "--params=corpus_file=nothere.yml"],
            ["nothere.yml: No such file or directory"],
        ),
    ],
    ids=str,
)
def test_wrong_options_are_answered_by_a_message(
    project: Path, options: list[str], named: list[str]
) -> None:
    status, output = _run(project, *options)
    assert status == 1
    for text in named:
        assert text in output
    assert "Traceback" not in output
    assert "interpolation" not in output


@pytest.mark.slow
def test_a_corpus_with_damaged_files_gives_a_report(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    folder = tmp_path / "birds"
    rng = np.random.default_rng(0)
    time_s = np.arange(8000) / 16000
    for name, frequency_hz in {"owl": 400, "wren": 3000}.items():
        for take in range(12):
            path = folder / name / f"take{take}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            tone = np.sin(2 * np.pi * frequency_hz * time_s)
            soundfile.write(path, 0.3 * tone + 0.05 * rng.standard_normal(8000), 16000)
    (folder / "owl" / "empty.wav").touch()
    (folder / "wren" / "notes.wav").write_text("this is not audio")
    soundfile.write(folder / "wren" / "silent.wav", np.zeros(8000), 16000)
    soundfile.write(folder / "owl" / "nan.wav", np.full(8000, np.nan), 16000, subtype="FLOAT")
    corpus_file = tmp_path / "my_corpus.yml"
    corpus_file.write_text(
        f"""
corpora:
  birds:
    sources: [{{folder: {folder}}}]
    max_rejected_share: 0.5
    analysis: {{sample_rate_hz: 16000, duration_s: 0.5}}
protocols:
  which_bird:
    target: folder
    split: {{strategy: random, validation_folds: 3}}
"""
    )
    quick = (
        "fourier.n_components=4,disentangler.schedule.epochs=1,augmentation.copies=0,"
        "svm.C=1.0,svm.gamma_scale=1.0,evaluation.n_resamples=100"
    )
    status, output = _run(project, "--env=folder", f"--params=corpus_file={corpus_file},{quick}")
    assert status == 0, output
    (rejected,) = project.glob("data/02_primary/birds/rejected_recordings.csv/*/*.csv")
    text = rejected.read_text()
    for reason in ("empty", "not audio", "silent", "NaN"):
        assert reason in text
    assert "which_bird" in output
    assert list(project.glob("data/07_reporting/birds/which_bird/report.html/*/report.html"))


@pytest.mark.parametrize(
    ("raised", "shown"),
    [
        (OSError(28, "No space left on device"), "the disk is full"),
        (OSError(30, "Read-only file system", "/here"), "/here cannot be written"),
        (PermissionError(13, "Permission denied", "/here"), "/here: permission denied"),
        (IsADirectoryError(21, "Is a directory", "/here"), "/here: Is a directory"),
        (RuntimeError("unable to write (errno = 28, ...)"), "the disk is full"),
        (RuntimeError("System error."), "a recording cannot be written"),
    ],
)
def test_disk_errors_end_in_a_message(raised: Exception, shown: str) -> None:
    with pytest.raises(ClickException, match=shown), messages():
        raise raised


def test_a_mistake_in_the_program_keeps_its_traceback(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise KeyError("colour")

    monkeypatch.setattr("disentangled_audio.runs.checks.check_run", mistake)
    bootstrap_project(project)
    from disentangled_audio.cli.kedro_commands import cli

    monkeypatch.chdir(project)
    with pytest.raises(KeyError, match="colour"):
        CliRunner().invoke(cli, ["run", "--env=test"], catch_exceptions=False)


def test_a_full_disk_stops_a_run_and_more_space_lets_it_finish(
    tiny_run: Path, small_disk: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    (project / "data").symlink_to(small_disk)
    (small_disk / "01_raw").symlink_to(tiny_run / "data" / "01_raw")
    remount(small_disk, "size=800k")
    status, output = _run(project, "--env=test", "--pipelines=ingestion")
    assert status == 1
    assert "the disk is full" in output
    assert "Traceback" not in output
    assert not list(small_disk.rglob(".saving-*"))
    remount(small_disk, "size=20m")
    status, output = _run(project, "--env=test", "--pipelines=ingestion")
    assert status == 0, output


@pytest.mark.slow
def test_the_packaged_project_runs_where_only_its_configuration_lies(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    subprocess.run(
        [sys.executable, "-m", "disentangled_audio", "--env=test", "--pipelines=ingestion"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert list(tmp_path.glob("data/02_primary/twin_tiny/recordings.parquet/*/*.parquet"))
