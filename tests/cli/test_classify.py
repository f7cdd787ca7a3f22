"""`disentangled-audio classify` and `export`: answers, messages and exit codes."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from disentangled_audio import __version__
from disentangled_audio.cli.console import app
from tests.calling import COMMAND, ESCAPES, N_COLUMNS, call, in_terminal, lines, make_noise, width
from tests.classified import newest_manifest, raw
from tests.conftest import make_project


@pytest.fixture(scope="module")
def trained(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("console") / "project"
    shutil.copytree(tiny_run, project)
    return project


@pytest.fixture(scope="module")
def version(trained: Path) -> str:
    return newest_manifest(trained).parent.name


@pytest.fixture(scope="module")
def recording(trained: Path) -> Path:
    return next(raw(trained).glob("air*.wav"))


def _saved(project: Path) -> list[Path]:
    return sorted((project / "data" / "08_inference").rglob("inference_predictions.*/*/*"))


def test_classify_says_class_and_confidence_and_saves_the_table(
    trained: Path, recording: Path, version: str
) -> None:
    n_saved = len(_saved(trained))
    result = call(trained, "classify", str(recording), "--top", "2")
    assert result.exit_code == 0, result.output
    header, row = result.stdout.splitlines()[:2]
    assert header.split()[:3] == ["file", "class", "confidence"]
    assert recording.name in row
    assert "\x1b" not in result.output
    # Which model answers is said before it does.
    assert result.stderr.startswith(f"model {version}: database of twin_tiny")
    assert ", of simulated recordings, protocol" in result.stderr
    assert "taken as an impulse response" in result.stderr
    assert "in_distribution" in result.stderr
    assert len(_saved(trained)) == n_saved + 2
    assert {file.suffix for file in _saved(trained)} == {".csv", ".parquet"}


def test_classify_takes_names_in_any_case_and_leaves_out_what_macos_adds(
    trained: Path, recording: Path, tmp_path: Path
) -> None:
    shutil.copy(recording, tmp_path / "Clap.Wav")
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.write(recording, "in/room.WAV")
        archive.writestr("__MACOSX/in/._room.WAV", b"\x00\x05\x16\x07 no sound")
    result = call(trained, "classify", str(tmp_path), str(tmp_path / "mac.zip"), "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [Path(row["path"]).name for row in rows] == ["Clap.Wav", "room.WAV"]
    assert all(row["class"] for row in rows)


def test_classify_says_what_was_not_read_and_which_headers_are_wrong(
    trained: Path, recording: Path, tmp_path: Path
) -> None:
    content = recording.read_bytes()
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(content[:4] + bytes(4) + content[8:])
    for name in ("c.m4a", "d.m4a", "e.pcm"):
        (tmp_path / name).write_bytes(b"no start that a format has")
    shutil.copy(recording, tmp_path / "good.wav")
    result = call(trained, "classify", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "2 of 5 recordings were read to their end although their headers are wrong" in said
    assert "2 files ending in .m4a were not read: ffmpeg is not installed; install it" in said
    assert "1 file ending in .pcm was not read: they have no header" in said
    rows = {Path(row["path"]).name: row for row in json.loads(result.stdout)}
    assert rows["a.wav"]["warnings"][0].startswith("its header gives the file a size of 8 bytes")
    assert rows["c.m4a"]["error"] == "needs ffmpeg, which is not installed"


def test_classify_as_json_holds_all_columns(
    trained: Path, recording: Path, version: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    shutil.copy(recording, tmp_path / "good.wav")
    make_noise(tmp_path, "short.wav", 0.2, 32000)
    result = call(trained, "classify", str(tmp_path), "--json", "--top", "1", "--model", version)
    assert result.exit_code == 0, result.output
    assert "1 of 3 rows are files that cannot be used" in result.stderr
    bad, good, short = json.loads(result.stdout)
    assert short["warnings"][0] == "0.2 s, less than half of a training clip (0.5 s)"
    remark = "1 of 3 files: 32000 Hz (training recordings: 16000); heard at 16000 Hz"
    assert " ".join(result.stderr.split()).count(remark) == 1
    assert good["top"] == {good["class"]: pytest.approx(good["confidence"])}
    assert "not audio" in bad["error"]
    assert set(good) == set(bad)
    assert good["error"] is None
    assert good["warnings"] == ["the model was trained on this recording"]
    assert bad["class"] is None
    assert bad["warnings"] == []


def test_brackets_in_a_folder_name_are_taken_literally(trained: Path, recording: Path) -> None:
    folder = trained / "takes [1]"
    folder.mkdir()
    shutil.copy(recording, folder / "good.wav")
    try:
        for pattern in ("takes [1]/*.wav", f"{folder}/g*"):
            result = call(trained, "classify", pattern, "--json")
            assert result.exit_code == 0, result.output
            assert [row["path"] for row in json.loads(result.stdout)] == [str(folder / "good.wav")]
        missing = call(trained, "classify", "takes [1]/bad.wav")
        assert "does not exist" in missing.output
    finally:
        shutil.rmtree(folder)


def test_a_bundle_classifies_where_there_is_no_project(
    trained: Path, recording: Path, version: str, tmp_path: Path
) -> None:
    for _ in range(2):
        exported = call(trained, "export", version, str(tmp_path / "model.zip"))
    assert exported.exit_code == 1
    assert "exists already" in exported.output
    result = call(tmp_path, "classify", str(recording), "--model", "model.zip", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"model {version}: database of twin_tiny, of simulated")
    own = call(trained, "classify", str(recording), "--json")
    assert json.loads(result.stdout) == json.loads(own.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        card = archive.read("README.md").decode()
    assert "**Trained on simulated recordings" in card
    assert "| Hybrid | " in card

    content = bytearray((tmp_path / "model.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model.zip").write_bytes(content)
    changed = call(tmp_path, "classify", str(recording), "--model", "model.zip")
    assert changed.exit_code == 1
    assert "ask for a new copy" in changed.output


def test_project_and_version_are_options(trained: Path, version: str, tmp_path: Path) -> None:
    listed = call(tmp_path, "--project", str(trained), "runs", "--json")
    assert [row["version"] for row in json.loads(listed.stdout)] == [version]
    wrong = call(trained, "--project", str(tmp_path), "runs")
    assert wrong.exit_code == 1
    assert "is not a project's folder" in wrong.output
    assert call(trained, "--project", "nowhere", "runs").exit_code == 2
    assert call(tmp_path, "--version").stdout.split() == ["disentangled-audio", __version__]
    outside = call(tmp_path, "runs")
    assert outside.exit_code == 1
    assert "is not in a project" in outside.output
    assert "--project PATH" in outside.output


@pytest.fixture(scope="module")
def long_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of 2 s, four times as long as the training clips."""
    folder = tmp_path_factory.mktemp("long")
    for name in ("dawn.wav", "dusk\tlate.wav"):
        make_noise(folder, name, 2.0, 16000)
    return folder


def _labels(text: str) -> list[tuple[float, float, str]]:
    """What Audacity reads from a label track."""
    rows = [line.split("\t") for line in text.splitlines()]
    return [(float(start), float(end), label) for start, end, label in rows]


def test_a_long_recording_gives_a_label_track(trained: Path, long_files: Path) -> None:
    asked = ("classify", str(long_files / "dawn.wav"), "--kind", "noise")
    shown = call(trained, *asked, "--format", "audacity")
    assert shown.exit_code == 0, shown.output
    labels = _labels(shown.stdout)
    assert labels[0][0] == 0
    assert labels[-1][1] == pytest.approx(2)
    rows = json.loads(call(trained, *asked, "--json").stdout)
    assert [label for *_, label in labels] == [
        f"{row['class']} {row['confidence']:.2f}" for row in rows
    ]
    windows = json.loads(call(trained, *asked, "--json", "--windows", "--hop", "0.5").stdout)
    assert [row["start_s"] for row in windows] == [0, 0.5, 1, 1.5]
    (whole,) = json.loads(call(trained, *asked, "--json", "--whole").stdout)
    assert whole["n_windows"] == 7
    assert 0 < whole["agreement"] <= 1


def test_label_tracks_of_several_recordings_need_a_folder(
    trained: Path, long_files: Path, tmp_path: Path
) -> None:
    asked = ("classify", str(long_files), "--kind", "noise", "--format", "audacity")
    refused = call(trained, *asked)
    assert refused.exit_code == 1
    assert "--output FOLDER" in refused.output
    written = call(trained, *asked, "--output", str(tmp_path / "labels"))
    assert written.exit_code == 0, written.output
    files = sorted((tmp_path / "labels").iterdir())
    assert [file.name for file in files] == ["dawn.txt", "dusk\tlate.txt"]
    assert all(_labels(file.read_text(encoding="utf-8")) for file in files)


def test_raven_has_one_table_of_all_recordings(
    trained: Path, long_files: Path, tmp_path: Path
) -> None:
    asked = ("classify", str(long_files), "--kind", "noise", "--format", "raven")
    assert call(trained, *asked, "--output", str(tmp_path / "all.txt")).exit_code == 0
    table = pd.read_csv(tmp_path / "all.txt", sep="\t")
    assert table["Selection"].tolist() == list(range(1, len(table) + 1))
    assert set(table["Begin File"]) == {"dawn.wav", "dusk\\tlate.wav"}
    assert (table["Begin Time (s)"] < table["End Time (s)"]).all()
    # The second file begins where the first one ends, after 2 s.
    second = table[table["Begin File"] != "dawn.wav"]
    offsets = second["Begin Time (s)"] - second["File Offset (s)"]
    assert offsets.to_numpy() == pytest.approx(2)


def test_csv_has_all_columns(trained: Path, long_files: Path, tmp_path: Path) -> None:
    asked = ("classify", str(long_files), "--kind", "noise", "--format", "csv")
    assert call(trained, *asked, "--output", str(tmp_path / "all.csv")).exit_code == 0
    table = pd.read_csv(tmp_path / "all.csv")
    assert {"path", "start_s", "end_s", "class", "in_distribution", "agreement"} <= set(table)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--whole", "--windows"), 2, "exclude each other"),
        (("--output", "x.txt"), 2, "--output needs --format csv, audacity, raven"),
        (("--window", "9"), 1, "a window of 9 s is not possible"),
        (("--format", "praat"), 2, "praat"),
    ],
)
def test_impossible_formats_and_windows_are_named(
    trained: Path, long_files: Path, options: tuple[str, ...], status: int, message: str
) -> None:
    shown = call(trained, "classify", str(long_files / "dawn.wav"), *options)
    assert shown.exit_code == status
    assert message in " ".join(shown.output.split())


@pytest.mark.slow
def test_what_is_piped_is_the_answer_alone(trained: Path, recording: Path) -> None:
    shown = subprocess.run(
        [*COMMAND, "classify", str(recording), "--json"],
        cwd=trained,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": str(N_COLUMNS)},
    )
    assert [row["path"] for row in json.loads(shown.stdout)] == [str(recording)]
    for text in (shown.stdout, shown.stderr):
        assert not set("\x1b\r━") & set(text)


@pytest.mark.slow
def test_a_terminal_of_80_columns_shows_a_bar_and_no_wider_line(
    trained: Path, recording: Path
) -> None:
    at_once = "from disentangled_audio.storage import progress; progress.DELAY_S = 0"
    sent = in_terminal(trained, "classify", str(recording), before=at_once)
    assert "classifying" in sent
    assert "━" in sent
    assert ESCAPES.search(sent)
    table = [line for line in lines(sent) if "classifying" not in line]
    assert max(map(width, lines(sent))) <= N_COLUMNS
    assert any("class" in line and "confidence" in line for line in table)


@pytest.mark.slow
def test_names_do_not_break_the_table_and_are_no_markup(
    trained: Path, recording: Path, tmp_path: Path
) -> None:
    shutil.copy(recording, tmp_path / "two\nlines\x1b[31m.wav")
    result = call(trained, "classify", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "two\\nlines\\x1b[31m.wav" in result.stdout
    assert len(result.stdout.strip().splitlines()) == 2
    shutil.copy(recording, tmp_path / "[bold]a.wav")
    sent = in_terminal(tmp_path, "--project", str(trained), "classify", "[[]bold]a.wav")
    assert "[bold]a.wav" in "".join(lines(sent)).replace(" ", "")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["classify", "nothing.wav"], 1, "does not exist"),
        (["classify", "*.nothing"], 1, "matches nothing"),
        (["classify", "http://a.b/c.wav"], 1, "http://a.b/c.wav is a web address"),
        (["classify"], 2, "Missing argument"),
        (["classify", "empty"], 1, "no recording"),
        (["classify", "bad.wav"], 1, "none of the files can be used"),
        (["classify", "bad.zip"], 1, "bad.zip is not a zip archive"),
        (["classify", "bad.wav", "--model", "2020"], 1, "no trained run 2020"),
        (["classify", "bad.wav", "--model", "no.zip"], 1, "no.zip does not exist"),
        (["classify", "bad.wav", "--model", "bad.zip"], 1, "bad.zip is damaged"),
        (["classify", "bad.wav", "--model", "bad.zip", "--fold", "a"], 2, "a bundle is one model"),
        (["classify", "bad.wav", "--corpus", "birds"], 1, "no model of corpus 'birds'"),
        (["classify", "bad.wav", "--protocol", "by_x"], 1, "no model of protocol 'by_x'"),
        (["classify", "bad.wav", "--fold", "theo"], 1, "no fold 'theo'"),
        (["classify", "bad.wav", "--top", "0"], 2, "0"),
        (["classify", "bad.wav", "--kind", "speech"], 1, "not trained on kind 'speech'"),
        (["classify", ""], 2, "a PATH is empty"),
        (["export", "2020", "model.zip"], 1, "no trained run 2020"),
        (["export", "2020", "model.tar"], 2, "must end in .zip"),
        (["init-corpus", ""], 2, "FOLDER is empty"),
        (["init-corpus", "damaged", "--output", "nowhere/x.yml"], 1, "nowhere does not exist"),
        (["runs", "extra"], 2, "unexpected extra argument"),
        (["runs", "--jsn"], 2, "No such option"),
        (["compare", "2020", "2021"], 1, "no trained run 2020"),
        (["compare", "2020"], 2, "Missing argument"),
        (["init-corpus"], 2, "Missing argument"),
        (["init-corpus", "nothing"], 1, "is not a folder"),
        (["init-corpus", "bad.wav"], 1, "is not a folder"),
        (["init-corpus", "empty"], 1, "no recordings"),
        (["init-corpus", "damaged"], 1, "none of the 1 recordings"),
        (["init-corpus", "damaged", "--output", "empty"], 2, "is a directory"),
        (["init-corpus", "damaged", "--output", "a,b.yml"], 1, "where kedro run splits --params"),
        (["init-corpus", "damaged", "--class-part", "0"], 2, "0"),
        (["clasify", "bad.wav"], 2, "No such command"),
    ],
)
def test_bad_input_is_answered_by_a_message(
    trained: Path, arguments: list[str], status: int, message: str
) -> None:
    (trained / "empty").mkdir(exist_ok=True)
    (trained / "damaged").mkdir(exist_ok=True)
    for file in (trained / "bad.wav", trained / "bad.zip", trained / "damaged" / "bad.wav"):
        file.write_bytes(b"no audio")
    result = call(trained, *arguments)
    assert result.exit_code == status, result.output
    assert message in " ".join(result.output.split())
    assert not result.stdout or "none of the files" in result.output


def test_a_model_of_another_corpus_is_refused(trained: Path, version: str) -> None:
    result = call(trained, "classify", "x.wav", "--model", version, "--corpus", "birds")
    assert result.exit_code == 1
    assert f"no model of corpus 'birds' is trained yet; run {version} is of" in result.output
    assert "of twin_tiny (database_by_room)" in " ".join(result.output.split())


def test_without_a_trained_model_it_says_how_to_train(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    for arguments in (["classify", "x.wav"], ["compare", "2020", "2021"]):
        result = call(project, *arguments)
        assert result.exit_code == 1
        assert "no model is trained yet" in result.output
        assert "kedro run" in result.output
    listed = call(project, "runs")
    assert listed.exit_code == 0
    assert "No model is trained yet" in listed.stderr
    assert json.loads(call(project, "runs", "--json").stdout) == []


@contextmanager
def _in_the_way(folder: Path) -> Iterator[None]:
    """A file where a folder is to be."""
    kept = folder.with_name("kept")
    if folder.exists():
        folder.rename(kept)
    folder.write_text("in the way")
    try:
        yield
    finally:
        folder.unlink()
        if kept.exists():
            kept.rename(folder)


def test_an_answer_that_cannot_be_saved_is_given_with_a_warning(
    trained: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _in_the_way(trained / "data" / "08_inference"):
        result = call(trained, "classify", str(recording))
        run = _kedro_run(trained, monkeypatch, f"recordings={recording}")
    assert result.exit_code == 0, result.output
    assert recording.name in result.stdout
    assert "Warning: the table was not saved" in result.stderr
    assert "08_inference" in result.stderr
    # A pipeline whose output cannot be written has failed.
    assert run.exit_code == 1, run.output
    assert "08_inference" in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize(
    ("options", "params", "message"),
    [
        (["recordings=nothing.wav"], {}, "nothing.wav does not exist"),
        (["recordings=empty"], {}, "no recording"),
        ([], {}, "inference.recordings is empty"),
        (["recordings=bad.wav", "model_version=2020-01-31"], {}, "no trained run 2020-01-31"),
        (["recordings=bad.wav"], {"corpus_name": "twin"}, "no model of corpus 'twin' and protocol"),
    ],
)
def test_bad_input_of_the_pipeline_is_answered_by_a_message(
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    params: dict[str, str],
    message: str,
) -> None:
    (trained / "empty").mkdir(exist_ok=True)
    (trained / "bad.wav").write_bytes(b"no audio")
    result = _kedro_run(trained, monkeypatch, *options, **params)
    assert result.exit_code == 1, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def _kedro_run(
    project: Path, monkeypatch: pytest.MonkeyPatch, *options: str, **params: str
) -> Result:
    from kedro.framework.startup import bootstrap_project

    from disentangled_audio.cli.kedro_commands import cli

    monkeypatch.chdir(project)
    bootstrap_project(project)
    named = [f"inference.{option}" for option in options]
    named += [f"{name}={value}" for name, value in params.items()]
    given = [f"--params={','.join(named)}"] if named else []
    return CliRunner().invoke(cli, ["run", "--env=test", "--pipelines=inference", *given])


def test_the_pipeline_classifies_good_files_beside_a_corrupt_one(
    trained: Path, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    shutil.copy(recording, tmp_path / "good.wav")
    result = _kedro_run(trained, monkeypatch, f"recordings={tmp_path}")
    assert result.exit_code == 0, result.output
    assert "Predictions:" in result.output


def test_a_fault_of_the_program_is_a_line_without_a_traceback(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disentangled_audio.runs import comparison

    def broken(data: Path) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(comparison, "trained_runs", broken)
    result = call(trained, "runs")
    assert result.exit_code == 1
    assert "KeyError: 'unforeseen'" in result.output
    assert "--debug" in result.output
    monkeypatch.chdir(trained)
    assert isinstance(CliRunner().invoke(app, ["--debug", "runs"]).exception, KeyError)


@pytest.mark.parametrize("name", ["classify", "runs", "compare", "export", "init-corpus"])
def test_help_has_examples_and_exit_codes(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"  disentangled-audio {name}" in shown.output
    assert "Exit codes" in shown.output
    assert max(map(len, shown.output.splitlines())) <= N_COLUMNS


def test_help_needs_no_tensorflow() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from disentangled_audio.cli.console import app\n"
        "shown = CliRunner().invoke(app, ['classify', '--help'])\n"
        "assert 'Examples' in shown.output, shown.output\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
