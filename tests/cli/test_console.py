"""The command for people who do not know Kedro: answers, messages and exit codes."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from disentangled_audio.cli.console import _confusions, app
from tests.conftest import make_project

COMMAND = [sys.executable, "-c", "from disentangled_audio.cli.console import app; app()"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
N_COLUMNS = 80


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
    # Which model answers is said before it does.
    assert result.stderr.startswith(f"model {_version(trained)}: database of twin_tiny")
    assert ", of simulated recordings, protocol" in result.stderr
    assert "taken as an impulse response" in result.stderr
    assert "in_distribution" in result.stderr


def test_classify_takes_names_in_any_case_and_leaves_out_what_macos_adds(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copy(_recording(trained), tmp_path / "Clap.Wav")
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.write(_recording(trained), "in/room.WAV")
        archive.writestr("__MACOSX/in/._room.WAV", b"\x00\x05\x16\x07 no sound")
    result = _call(trained, "classify", str(tmp_path), str(tmp_path / "mac.zip"), "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [Path(row["path"]).name for row in rows] == ["Clap.Wav", "room.WAV"]
    assert all(row["class"] for row in rows)


def test_classify_as_json_holds_all_columns(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    shutil.copy(_recording(trained), tmp_path / "good.wav")
    _tones(tmp_path, "short.wav", 0.2, 32000)
    result = _call(
        trained, "classify", str(tmp_path), "--json", "--top", "1", "--model", _version(trained)
    )
    assert result.exit_code == 0, result.output
    assert "1 of 3 rows are files that cannot be used" in result.stderr
    bad, good, short = json.loads(result.stdout)
    assert short["warnings"][:2] == [
        "0.2 s, shorter than the clips of training (0.5 s)",
        "32000 Hz, training recordings have 16000 Hz",
    ]
    assert len(good["top"]) == 1
    assert good["top"] == {good["class"]: pytest.approx(good["confidence"])}
    assert "not audio" in bad["error"]
    assert set(good) == set(bad)
    assert good["error"] is None
    assert good["warnings"] == ["a recording that the model was trained on"]
    assert bad["class"] is None
    assert bad["warnings"] == []


def test_a_folder_with_brackets_in_its_name_is_meant_as_it_is(trained: Path) -> None:
    folder = trained / "takes [1]"
    folder.mkdir()
    shutil.copy(_recording(trained), folder / "good.wav")
    try:
        for pattern in ("takes [1]/*.wav", f"{folder}/g*"):
            result = _call(trained, "classify", pattern, "--json")
            assert result.exit_code == 0, result.output
            assert [row["path"] for row in json.loads(result.stdout)] == [str(folder / "good.wav")]
        missing = _call(trained, "classify", "takes [1]/bad.wav")
        assert "does not exist" in missing.output
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("text", ["[]", "{"])
def test_what_is_no_manifest_is_named_beside_the_answer(trained: Path, text: str) -> None:
    folder = trained / "data/07_reporting/twin_tiny/database_by_room/run_manifest.json"
    file = folder / "2126-01-31T12.00.00.000Z" / folder.name
    file.parent.mkdir()
    file.write_text(text)
    try:
        result = _call(trained, "runs", "--json")
    finally:
        shutil.rmtree(file.parent)
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)) == 1
    assert f"{file} is left out" in result.stderr


def test_what_is_piped_is_the_answer_alone(trained: Path) -> None:
    shown = subprocess.run(
        [*COMMAND, "classify", str(_recording(trained)), "--json"],
        cwd=trained,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": str(N_COLUMNS)},
    )
    assert [row["path"] for row in json.loads(shown.stdout)] == [str(_recording(trained))]
    for text in (shown.stdout, shown.stderr):
        assert not set("\x1b\r━") & set(text)


def _in_terminal(project: Path, *arguments: str, n_columns: int = N_COLUMNS) -> str:
    """What a terminal of so many columns is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, n_columns, 0, 0))
    # Settings of whoever runs the tests say nothing of this terminal.
    hidden = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=project,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm-256color"},
    ) as process:
        os.close(theirs)
        sent = b"".join(_everything(ours))
    os.close(ours)
    assert process.returncode == 0, sent
    return sent.decode()


def _everything(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            # So Linux says that the other end is closed.
            return
        if not part:
            return
        yield part


def _width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def _lines(sent: str) -> list[str]:
    return re.split(r"[\r\n]+", ESCAPES.sub("", sent))


def test_a_terminal_of_80_columns_shows_a_bar_and_no_wider_line(trained: Path) -> None:
    sent = _in_terminal(trained, "classify", str(_recording(trained)))
    assert "classifying" in sent
    assert "━" in sent
    assert ESCAPES.search(sent)
    table = [line for line in _lines(sent) if "classifying" not in line]
    assert max(map(_width, _lines(sent))) <= N_COLUMNS
    assert any("class" in line and "confidence" in line for line in table)


@pytest.mark.parametrize("arguments", [["runs"], ["compare", "RUN", "RUN"], ["--help"]])
def test_no_command_is_wider_than_80_columns(trained: Path, arguments: list[str]) -> None:
    version = _version(trained)
    sent = _in_terminal(trained, *(version if a == "RUN" else a for a in arguments))
    assert max(map(_width, _lines(sent))) <= N_COLUMNS
    piped = _call(trained, *(version if a == "RUN" else a for a in arguments))
    assert "\x1b" not in piped.output
    words = set("".join(_lines(sent)).split())
    assert "balanced" in words if arguments[0] == "runs" else len(words) > 10


def test_a_terminal_too_narrow_for_a_table_shows_a_line_a_value(trained: Path) -> None:
    lines = [line.rstrip() for line in _lines(_in_terminal(trained, "runs", n_columns=40))]
    assert f"version: {_version(trained)}" in lines
    assert "corpus: twin_tiny" in lines
    assert "protocol: database_by_room" in lines


def test_control_characters_of_names_do_not_break_the_table(trained: Path, tmp_path: Path) -> None:
    shutil.copy(_recording(trained), tmp_path / "two\nlines\x1b[31m.wav")
    result = _call(trained, "classify", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "two\\nlines\\x1b[31m.wav" in result.stdout
    assert len(result.stdout.strip().splitlines()) == 2


def test_runs_lists_version_corpus_and_score(trained: Path) -> None:
    result = _call(trained, "runs")
    assert result.exit_code == 0
    assert _version(trained) in result.stdout
    assert "twin_tiny" in result.stdout
    (run,) = json.loads(_call(trained, "runs", "--json").stdout)
    assert {"version", "corpus", "protocol", "fold", "hybrid", "date"} == set(run)
    assert run["version"] == _version(trained)
    assert 0 <= run["hybrid"] <= 1


def test_compare_shows_what_differs(trained: Path) -> None:
    version, other = _version(trained), "2026-01-31T12.00.00.000Z"
    folder = trained / "data/07_reporting/twin_tiny/database_by_room/run_manifest.json"
    manifest = json.loads((folder / version / folder.name).read_text())
    manifest["run_id"] = manifest["dataset_versions"]["hybrid"] = other
    manifest["parameters"]["seed"] = 123
    manifest["parameters"]["disentangler"]["schedule"]["learning_rate"] = 0.00012
    (folder / other).mkdir()
    (folder / other / folder.name).write_text(json.dumps(manifest))
    try:
        result = _call(trained, "compare", version, other)
        as_json = json.loads(_call(trained, "compare", version, other, "--json").stdout)
    finally:
        shutil.rmtree(folder / other)
    assert result.exit_code == 0, result.output
    assert "hybrid balanced_accuracy" in result.stdout
    assert ["seed", "7", "123"] in [line.split() for line in result.stdout.splitlines()]
    of_air = as_json["confusion"][0]["air"]
    (row,) = [line.split() for line in result.stdout.splitlines() if line.startswith("air ")]
    header = next(line for line in result.stdout.splitlines() if line.startswith("hybrid: is"))
    row = " ".join(row).replace(" | ", "|").split()
    said = dict(zip(header.removeprefix("hybrid: is / said").split(), row[1:], strict=True))
    assert said["air"] == f"{of_air['air']}|{of_air['air']}"
    assert [run["version"] for run in as_json["runs"]] == [version, other]
    trained_rate = as_json["parameters"]["disentangler.schedule.learning_rate"][0]
    assert as_json["parameters"] == {
        "disentangler.schedule.learning_rate": [trained_rate, 0.00012],
        "seed": [7, 123],
    }
    assert "0.00012" in result.stdout
    metrics = json.loads(next(folder.parent.glob("metrics.json/*/metrics.json")).read_text())
    score = metrics["models"]["hybrid"]["accuracy"]
    assert as_json["metrics"]["hybrid"]["accuracy"] == [score, score]
    n_test = sum(sum(row.values()) for row in as_json["confusion"][0].values())
    assert n_test == metrics["n_test"]


def test_confusions_too_wide_for_a_terminal_show_what_differs() -> None:
    names = [f"class{k}" for k in range(12)]
    first = {a: {b: 10 if a == b else 0 for b in names} for a in names}
    second = {**first, "class3": {**first["class3"], "class3": 9, "class5": 1}}
    head, rows = _confusions(["RUN1", "RUN2"], [first, second])
    assert head == ["hybrid's answers that differ", "RUN1", "RUN2"]
    assert rows == [["is class3, said class3", "10", "9"], ["is class3, said class5", "0", "1"]]
    assert _confusions(["RUN1", "RUN2"], [first, first])[1] == [["none", "", ""]]
    digits = {str(k): {str(j): 30 * (j == k) for j in range(10)} for k in range(10)}
    head, rows = _confusions(["RUN1", "RUN2"], [digits, {}])
    assert head[1:] == list("0123456789")
    assert rows[0][1:3] == ["30|-", "0|-"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["classify", "nothing.wav"], 1, "does not exist"),
        (["classify", "*.nothing"], 1, "matches nothing"),
        (["classify", "http://a.b/c.wav"], 1, "http://a.b/c.wav is a web address"),
        (["classify"], 2, "Missing argument"),
        (["classify", "empty"], 1, "no recording"),
        (["classify", "bad.wav"], 1, "none of the files can be used"),
        (["classify", "bad.zip"], 1, "bad.zip is no zip archive"),
        (["classify", "bad.wav", "--model", "2020"], 1, "no trained run 2020"),
        (["classify", "bad.wav", "--corpus", "birds"], 1, "no model of corpus 'birds'"),
        (["classify", "bad.wav", "--protocol", "by_x"], 1, "no model of protocol 'by_x'"),
        (["classify", "bad.wav", "--top", "0"], 2, "0"),
        (["classify", "bad.wav", "--kind", "speech"], 1, "trained on; those are noise, rir"),
        (["classify", ""], 2, "a PATH is empty"),
        (["init-corpus", ""], 2, "FOLDER is empty"),
        (["init-corpus", "damaged", "--output", "nowhere/x.yml"], 1, "nowhere is no folder"),
        (["runs", "extra"], 2, "unexpected extra argument"),
        (["runs", "--jsn"], 2, "No such option"),
        (["compare", "2020", "2021"], 1, "no trained run 2020"),
        (["compare", "2020"], 2, "Missing argument"),
        (["init-corpus"], 2, "Missing argument"),
        (["init-corpus", "nothing"], 1, "is no folder"),
        (["init-corpus", "bad.wav"], 1, "is no folder"),
        (["init-corpus", "empty"], 1, "no recordings"),
        (["init-corpus", "damaged"], 1, "none of the 1 recordings"),
        (["init-corpus", "damaged", "--output", "empty"], 2, "is a directory"),
        (["init-corpus", "damaged", "--output", "a,b.yml"], 1, "splits --params at commas"),
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
    result = _call(trained, *arguments)
    assert result.exit_code == status, result.output
    assert message in result.output
    assert not result.stdout or "none of the files" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["recordings=nothing.wav"], "nothing.wav does not exist"),
        (["recordings=empty"], "no recording"),
        ([], "nothing to classify"),
        (["recordings=bad.wav", "model_version=2020-01-31"], "no model version 2020-01-31"),
    ],
)
def test_bad_input_of_the_pipeline_is_answered_by_a_message(
    trained: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    (trained / "empty").mkdir(exist_ok=True)
    (trained / "bad.wav").write_bytes(b"no audio")
    result = _kedro_run(trained, monkeypatch, *options)
    assert result.exit_code == 1, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_pipeline_without_a_model_says_how_to_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    _tones(project, "good.wav", 1.0, 16000)
    result = _kedro_run(project, monkeypatch, "recordings=good.wav")
    assert result.exit_code == 1, result.output
    assert "no model is trained: corpus 'twin_tiny'" in result.output
    assert "Train first: kedro run" in result.output


def test_the_pipeline_of_another_corpus_names_it(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tones(trained, "good.wav", 1.0, 16000)
    result = _kedro_run(trained, monkeypatch, "recordings=good.wav", corpus_name="twin")
    assert result.exit_code == 1, result.output
    assert "no model is trained: corpus 'twin'" in result.output


def test_output_of_the_pipeline_that_cannot_be_written_is_named(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _in_the_way(trained / "data" / "08_inference"):
        result = _kedro_run(trained, monkeypatch, f"recordings={_recording(trained)}")
    assert result.exit_code == 1, result.output
    assert "08_inference" in result.output
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
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    shutil.copy(_recording(trained), tmp_path / "good.wav")
    result = _kedro_run(trained, monkeypatch, f"recordings={tmp_path}")
    assert result.exit_code == 0, result.output
    assert "Predictions:" in result.output


def test_a_fault_of_the_program_is_a_line_without_a_traceback(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disentangled_audio.runs import trained_runs

    def broken(data: Path) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(trained_runs, "trained_runs", broken)
    result = _call(trained, "runs")
    assert result.exit_code == 1
    assert "KeyError: 'unforeseen'" in result.output
    assert "--debug" in result.output
    monkeypatch.chdir(trained)
    assert isinstance(CliRunner().invoke(app, ["--debug", "runs"]).exception, KeyError)


@pytest.mark.parametrize("name", ["classify", "runs", "compare", "init-corpus"])
def test_help_has_examples_and_exit_codes(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"  disentangled-audio {name}" in shown.output
    assert "Exit codes" in shown.output
    assert max(map(len, shown.output.splitlines())) <= N_COLUMNS


def test_a_model_of_another_corpus_is_refused(trained: Path) -> None:
    result = _call(trained, "classify", "x.wav", "--model", _version(trained), "--corpus", "birds")
    assert result.exit_code == 1
    assert "of corpus 'twin_tiny' and protocol 'database_by_room', not of corpus" in result.output


def test_without_a_trained_model_it_says_how_to_train(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    result = _call(project, "classify", "x.wav")
    assert result.exit_code == 1
    assert "no model is trained yet" in result.output
    assert "kedro run" in result.output
    listed = _call(project, "runs")
    assert listed.exit_code == 0
    assert "No model is trained yet" in listed.stderr
    assert json.loads(_call(project, "runs", "--json").stdout) == []
    compared = _call(project, "compare", "2020", "2021")
    assert compared.exit_code == 1
    assert "no model is trained yet" in compared.output


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


def test_output_that_cannot_be_written_is_named(trained: Path) -> None:
    with _in_the_way(trained / "data" / "08_inference"):
        result = _call(trained, "classify", str(_recording(trained)))
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
        "from disentangled_audio.cli.console import app\n"
        "shown = CliRunner().invoke(app, ['classify', '--help'])\n"
        "assert 'Examples' in shown.output, shown.output\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _tones(folder: Path, name: str, duration_s: float, rate_hz: int) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # No two files alike.
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    soundfile.write(path, rng.normal(0, 0.1, round(duration_s * rate_hz)), rate_hz)


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
    assert f"kedro run --env=folder --params=corpus_file={output}" in result.stdout
    again = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_init_corpus_reads_names_into_a_valid_description(trained: Path, tmp_path: Path) -> None:
    import yaml

    from disentangled_audio.corpora.describe import NameGrammar
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


@pytest.mark.parametrize(
    ("names", "target", "group", "said"),
    [
        (["{animal}/{site}/{take}.wav"], "level1", ["level2"], "level2 stays on one side"),
        (["{site}/{animal}/{take}.wav"], "level2", ["level1"], "target: level1 is possible too"),
        (["{animal}/{site}_{take}.wav"], "folder", ["field1"], "field1 stays on one side"),
        (
            ["train/{animal}/{site}{take}.wav", "test/{animal}/{site}{take}.wav"],
            "level2",
            [],
            "level1 (test, train) names parts of a split",
        ),
    ],
)
def test_init_corpus_tells_levels_of_folders_apart(
    trained: Path, tmp_path: Path, names: list[str], target: str, group: list[str], said: str
) -> None:
    import yaml

    for name in names:
        for animal in ("cat", "dog"):
            for site in ("sitea", "siteb", "sitec", "sited", "sitee"):
                for take in range(3):
                    path = name.format(animal=animal, site=site, take=take)
                    _tones(tmp_path / "animals", path, 0.2, 16000)
    output = tmp_path / "animals.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "animals"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert said in result.stdout
    (protocol,) = yaml.safe_load(output.read_text())["protocols"].values()
    assert (protocol["target"], protocol["group_by"]) == (target, group)
    assert protocol["split"]["strategy"] == ("grouped" if group else "random")
    _assert_every_file_matches(output, target, {"cat", "dog"})


def test_init_corpus_refuses_files_beside_sub_folders(trained: Path, tmp_path: Path) -> None:
    for take in range(6):
        _tones(tmp_path / "birds", f"owl_{take}.wav", 0.2, 16000)
    _tones(tmp_path / "birds", "backup/owl_0.wav", 0.2, 16000)
    output = tmp_path / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 1
    assert "6 recordings lie in" in result.output
    assert "1 in sub-folders, such as backup" in result.output
    assert not output.exists()


def test_init_corpus_takes_the_part_that_is_named(trained: Path, tmp_path: Path) -> None:
    for species in ("owl", "wren"):
        for site in "ab":
            for take in range(4):
                end = "_again" if take == 3 else ""
                _tones(tmp_path / "birds", f"{site}_{species}_{take}{end}.wav", 0.5, 16000)
    output = tmp_path / "birds.yml"
    folder = str(tmp_path / "birds")
    result = _call(trained, "init-corpus", folder, "--output", str(output), "--class-part", "2")
    assert result.exit_code == 0, result.output
    assert "8  owl" in result.stdout
    _assert_every_file_matches(output, "field2", {"owl", "wren"})
    for part, message in (("9", "not all names have so many parts"), ("3", "Wrote")):
        output.unlink(missing_ok=True)
        result = _call(
            trained, "init-corpus", folder, "--output", str(output), "--class-part", part
        )
        assert message in result.output


def _assert_every_file_matches(output: Path, column: str, classes: set[str]) -> None:
    import yaml

    from disentangled_audio.corpora.describe import NameGrammar
    from disentangled_audio.parameters import Corpus

    (described,) = yaml.safe_load(output.read_text())["corpora"].values()
    grammar = NameGrammar(Corpus.model_validate(described), [])
    folder = Path(described["sources"][0]["folder"])
    parsed = [grammar.parse(file.relative_to(folder).as_posix()) for file in folder.rglob("*.wav")]
    assert {columns[column] for columns in parsed} == classes


def test_init_corpus_goes_on_without_what_it_cannot_read(trained: Path, tmp_path: Path) -> None:
    for take in range(12):
        _tones(tmp_path / "birds", f"owl/{take}.wav", 1.0, 16000)
        _tones(tmp_path / "birds", f"wren/{take}.wav", 1.0, 16000)
    (tmp_path / "birds" / "owl" / "bad.wav").write_bytes(b"no audio")
    output = tmp_path / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0
    assert "1 files cannot be read, such as owl/bad.wav" in result.stderr
    unwritable = tmp_path / "birds" / "nowhere" / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(unwritable))
    assert result.exit_code == 1
    assert str(unwritable) in result.output
    assert not unwritable.parent.exists()


def test_init_corpus_counts_a_name_that_is_not_utf8_as_unreadable(
    trained: Path, tmp_path: Path
) -> None:
    for name in ("owl", "wren"):
        for take in range(12):
            _tones(tmp_path / "birds", f"{name}/{take}.wav", 1.0, 16000)
    try:
        os.link(tmp_path / "birds/owl/0.wav", os.fsencode(tmp_path / "birds/owl/a") + b"\xff.wav")
    except OSError as error:
        pytest.skip(f"no such names on this disk: {error}")
    output = tmp_path / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert "1 files cannot be read, such as owl/a?.wav" in result.stderr


def test_init_corpus_names_the_parts_among_which_no_class_is(trained: Path, tmp_path: Path) -> None:
    for name in ("a_x", "a_y", "b_z"):
        _tones(tmp_path / "birds", f"{name}.wav", 1.0, 16000)
    output = tmp_path / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 1
    assert "--class-part and its number (the parts are 1: a, b; 2: x, y, z)" in " ".join(
        result.output.split()
    )
    assert not output.exists()


def test_init_corpus_of_spoken_digits(real_data: Path, trained: Path, tmp_path: Path) -> None:
    folder, output = real_data / "fsdd" / "recordings", tmp_path / "fsdd.yml"
    result = _call(trained, "init-corpus", str(folder), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:10] == [f"    300  {digit}" for digit in range(10)]
    assert "field2 stays on one side" in result.stdout
    _assert_every_file_matches(output, "field2", set(SPEAKERS))
    output.unlink()
    # How long a digit lasts tells who speaks.
    result = _call(
        trained, "init-corpus", str(folder), "--output", str(output), "--class-part", "2"
    )
    assert "duration differs by class (medians george:" in result.stderr


SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


@pytest.mark.parametrize("n_takes", [5, 6, 14])
def test_the_printed_command_reads_the_recordings(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_takes: int
) -> None:
    """Typed as printed, as far as the features: with few recordings too."""
    import shlex

    from kedro.framework.startup import bootstrap_project

    from disentangled_audio.cli.kedro_commands import cli

    for take in range(n_takes):
        _tones(tmp_path / "my birds", f"owl/{take}.wav", 1.0, 16000)
        _tones(tmp_path / "my birds", f"wren/{take}.wav", 1.0, 16000)
    project = make_project(tmp_path / "project")
    output = tmp_path / "my birds.yml"
    shown = _call(project, "init-corpus", str(tmp_path / "my birds"), "--output", str(output))
    command = shlex.split(shown.stdout.splitlines()[-1])
    assert command[:2] == ["kedro", "run"]
    monkeypatch.chdir(project)
    bootstrap_project(project)
    result = CliRunner().invoke(cli, [*command[1:], "--pipelines=ingestion,feature_engineering"])
    assert result.exit_code == 0, result.output
    assert list((project / "data" / "02_primary" / "my_birds").glob("*/splits.parquet"))


def test_init_corpus_warns_of_classes_that_no_split_leaves_anything_of(
    trained: Path, tmp_path: Path
) -> None:
    for take in range(5):
        _tones(tmp_path / "birds", f"owl/{take}.wav", 1.0, 16000)
    for take in range(4):
        _tones(tmp_path / "birds", f"wren/{take}.wav", 1.0, 16000)
    output = tmp_path / "birds.yml"
    result = _call(trained, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0
    assert "fewer than 5 recordings of wren: training refuses them" in result.stderr
    assert "fewer than 10 recordings of owl, wren: too few to learn from" in result.stderr


def test_init_corpus_takes_no_name_of_another_corpus(trained: Path, tmp_path: Path) -> None:
    import yaml

    # `twin_tiny` is that of the trained run, `fsdd` the project's own.
    for name in ("fsdd", "twin_tiny", "birds"):
        for take in range(5):
            _tones(tmp_path / "at home" / name, f"owl/{take}.wav", 1.0, 16000)
            _tones(tmp_path / "at home" / name, f"wren/{take}.wav", 1.0, 16000)
        output = tmp_path / f"{name}.yml"
        result = _call(
            trained, "init-corpus", str(tmp_path / "at home" / name), "--output", str(output)
        )
        assert result.exit_code == 0, result.output
        (corpus,) = yaml.safe_load(output.read_text())["corpora"]
        assert corpus == (name if name == "birds" else f"at_home_{name}")
