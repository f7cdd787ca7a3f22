"""`init-corpus` on folders whose names nobody here has chosen, made up after public corpora."""

import csv
import itertools
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
import soundfile
import yaml
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from disentangled_audio.cli.console import app
from disentangled_audio.cli.kedro_commands import cli
from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.reading.expected import expected_items
from disentangled_audio.evaluation.splits import fold_protocols
from disentangled_audio.parameters import Corpus, Protocol
from tests.calling import call
from tests.conftest import load_catalog, make_project

RATE_HZ = 8000
SHORT = "disentangler.schedule.epochs=1,svm.n_jobs=1,svm.inner_folds=2,evaluation.n_resamples=100"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("strange") / "project")


def _tone(path: Path, pitch: int, seed: int) -> None:
    """A stroke on something; strokes of one pitch are alike, and no two are the same."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(RATE_HZ // 4) / RATE_HZ
    hz = 300 * 2 ** (pitch + rng.uniform(-0.05, 0.05))
    tone = np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6)) * np.exp(-5 * time_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * tone + rng.normal(0, 0.01, time_s.size), RATE_HZ)


def _make(folder: Path, names: dict[str, str]) -> Path:
    """Make a recording for each name; those of one class sound alike."""
    classes = sorted(set(names.values()))
    for seed, (name, label) in enumerate(names.items()):
        _tone(folder / name, classes.index(label), seed)
    return folder


def _words(*counts: tuple[str, int]) -> dict[str, str]:
    return {f"{word} {k}.wav": word for word, n in counts for k in range(1, n + 1)}


def _positions() -> dict[str, str]:
    parts = itertools.product((12, 13, 14, 15, 16), (1, 2), "XYW", "abc")
    return {f"k{who}b{text:02d}{label}{take}.wav": label for who, text, label, take in parts}


def _recorders() -> dict[str, str]:
    names = {}
    for who in range(6):
        uuid, sex, age = str(UUID(int=who * 10**37 + 7)), "mf"[who % 2], ("04", "48", "26")[who % 3]
        for n, label in enumerate(["hu", "bp", "dc", "hu", "bp", "dc"]):
            when = 1430742197 + 1000 * who + n
            names[f"{uuid}-{when}-1.{who % 2}-{sex}-{age}-{label}.wav"] = label
    return names


def _cuts() -> dict[str, str]:
    parts = itertools.product(("laugh", "cough"), range(1, 6), range(1, 4))
    return {f"{label}_{source}.m4a_{cut}.wav": label for label, source, cut in parts}


def _sources(n_folds: int = 4) -> dict[str, str]:
    names = {}
    for n in range(8 * n_folds):
        label = ("3", "5")[n % 2]
        for piece in range(2):
            fold = 1 + n // 2 % n_folds
            names[f"fold{fold}/{1009 * (n + 9)}-{label}-{n // 2 % 2 * piece}-{piece}.wav"] = label
    return names


def _parts(*parts: str) -> dict[str, str]:
    each = itertools.product(parts, ("dog", "cat"), range(8))
    return {f"{part}/{label}/{k}.wav": label for part, label, k in each}


def _folds(*folds: str) -> dict[str, str]:
    each = itertools.product(folds, ("dog", "cat"), range(4))
    return {f"{fold}/{label}_{fold[-1]}{k}.wav": label for fold, label, k in each}


def _speakers() -> dict[str, str]:
    parts = itertools.product(range(1, 6), (1, 2), ("yes", "no"))
    return {f"speaker{who:02d}_session{n}_{word}.wav": word for who, n, word in parts}


def _ravdess() -> dict[str, str]:
    parts = itertools.product(range(1, 5), (1, 2), (1, 2), range(1, 7))
    return {f"03-01-{e:02d}-{i:02d}-{s:02d}-01-{a:02d}.wav": f"{e:02d}" for e, i, s, a in parts}


def _chapters() -> dict[str, str]:
    parts = itertools.product((84, 174), range(4), range(4))
    return {f"{who}-{121100 + who + 13 * c}-{k:04d}.wav": str(who) for who, c, k in parts}


def _days() -> dict[str, str]:
    parts = itertools.product(("owl", "wren"), range(1, 7), (1, 2))
    return {f"SM4_202305{day:02d}_0{hour}1500_{label}.wav": label for label, day, hour in parts}


def _individuals() -> dict[str, str]:
    parts = itertools.product("ABC", range(1, 6), (1, 2))
    return {f"{label}{who:02d}M{take:02d}.wav": label for label, who, take in parts}


class Layout(NamedTuple):
    names: dict[str, str]
    # Name of the group, and the column of a ready-made split.
    group: str | None = None
    column: str | None = None


LAYOUTS = {
    "class before the number": Layout(_words(("Barnowl", 8), ("Wren", 8), ("Robin", 1))),
    "several words before it": Layout(_words(("Barn owl", 8), ("Wren", 8))),
    "number in brackets": Layout({f"{c} ({k}).wav": c for c in ("cat", "dog") for k in range(8)}),
    "number with zeros": Layout(
        {f"{c} {k:03d}.wav": c for c in ("Kick", "Snare") for k in range(8)}
    ),
    "number without a separator": Layout(
        {f"{c}{k}.wav": c for c in ("cat", "dog") for k in range(8)}
    ),
    "two separators": Layout(
        {f"{c}_{k:03d}.wav": c for c in ("dog-bark", "cat") for k in range(8)}
    ),
    "positions": Layout(_positions(), "field2"),
    "positions of individuals": Layout(_individuals(), "field2"),
    "recorders": Layout(_recorders(), "recorder"),
    "cuts of a file": Layout(_cuts(), "source"),
    "folds": Layout(_sources(), "field1", "published_fold"),
    "folds with zeros": Layout(_folds("fold01", "fold02", "fold03"), None, "published_fold"),
    "folds that are called splits": Layout(
        _folds("split_0", "split_1", "split_2"), None, "published_fold"
    ),
    "train and test": Layout(_parts("train", "test"), None, "part"),
    "train, valid and test": Layout(_parts("train", "valid", "test"), None, "part"),
    "speakers": Layout(_speakers(), "speaker"),
    "numbers alone": Layout(_ravdess(), "field7"),
    "chapters": Layout(_chapters(), "field2"),
    "days": Layout(_days(), "date"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_proposed_right(project: Path, tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    folder = _make(tmp_path / "a folder", layout.names)
    corpus, protocol = _proposed(project, folder)

    assert protocol.group_by == [layout.group] * (layout.group is not None)
    assert protocol.split.column == layout.column
    few = {label for label in layout.names.values() if list(layout.names.values()).count(label) < 3}
    grammar = NameGrammar(corpus, [])
    for path, label in layout.names.items():
        columns = grammar.parse(path)
        assert columns is not None
        assert columns[protocol.target] == label
        assert (label in few) == (label not in protocol.where.get(protocol.target, [label]))
    items = expected_items(corpus, [folder])
    assert items is not None
    assert fold_protocols(items, protocol, seed=7)


def _proposed(project: Path, folder: Path, *options: str) -> tuple[Corpus, Protocol]:
    output = folder.parent / "proposed.yml"
    output.unlink(missing_ok=True)
    result = call(project, "init-corpus", str(folder), "--output", str(output), "--yes", *options)
    assert result.exit_code == 0, result.output
    text = output.read_text(encoding="utf-8")
    assert all("#" in line for line in text.splitlines())
    content = yaml.safe_load(text)
    (corpus,), (protocol,) = content["corpora"].values(), content["protocols"].values()
    return Corpus.model_validate(corpus), Protocol.model_validate(protocol)


def _table(path: Path, rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.mark.parametrize(
    ("place", "key"),
    [("labels.csv", "file"), ("meta/all.csv", "clip_name"), ("../all.csv", "path")],
)
def test_a_table_beside_the_recordings_gives_class_and_group(
    project: Path, tmp_path: Path, place: str, key: str
) -> None:
    names = {f"{k:04d}.wav": ("owl", "wren")[k % 2] for k in range(24)}
    folder = _make(tmp_path / "birds", names)
    rows = [[name, label, f"s{n // 2 % 4}"] for n, (name, label) in enumerate(names.items())]
    _table(folder / place, [[key, "species", "site"], *rows])
    corpus, protocol = _proposed(project, folder)

    assert (protocol.target, protocol.group_by) == ("species", ["site"])
    assert not corpus.name_patterns
    parsed = NameGrammar(corpus, [folder]).parse("0001.wav")
    assert parsed is not None
    assert (parsed["species"], parsed["site"]) == ("wren", "s0")


def test_a_table_as_of_esc_50_gives_words_folds_and_sources(project: Path, tmp_path: Path) -> None:
    table: list[list[Any]] = [["filename", "fold", "target", "category", "src_file", "take"]]
    names = {}
    for k in range(48):
        fold, source, number = 1 + k // 2 % 4, 1000 + k // 2, k % 2 * 10
        name, label = (
            f"{fold}-{source}-{'AB'[k // 2 % 2]}-{number}.wav",
            ("dog", "sea waves")[k % 2],
        )
        names[f"audio/{name}"] = label
        table.append([name, fold, number, label, source, "AB"[k // 2 % 2]])
    folder = _make(tmp_path / "sounds", names)
    _table(folder / "meta" / "all.csv", table)
    corpus, protocol = _proposed(project, folder)

    assert (protocol.target, protocol.split.column) == ("category", "fold")
    assert corpus.metadata_key == "filename"


def test_a_table_of_other_recordings_is_not_used_and_this_is_said(
    project: Path, tmp_path: Path
) -> None:
    names = {f"{label}_{k}.wav": label for label in ("owl", "wren") for k in range(8)}
    folder = _make(tmp_path / "birds", names)
    _table(folder / "old.csv", [["file", "label"], ["owl_0.wav", "owl"], ["owl_1.wav", "owl"]])
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(folder), "--output", str(output), "--yes")
    assert "old.csv is not used: it has rows for 2 of 16 recordings" in result.stderr
    assert "metadata" not in output.read_text()


def test_what_is_left_open_is_asked_and_the_answer_is_the_name(
    project: Path, tmp_path: Path
) -> None:
    folder = _make(tmp_path / "words", _positions())
    output = tmp_path / "words.yml"
    arguments = ["--project", str(project), "init-corpus", str(folder), "--output", str(output)]
    result = CliRunner().invoke(app, arguments, input="\nrecorder\n")
    assert result.exit_code == 0, result.output
    assert "Which is the class: 5 (W, X, Y) or 2 (12, 13, 14, …)?" in result.stderr
    asked = "Recordings that share 12 stay together: is that the recorder, the site or the animal?"
    assert asked in result.stderr
    assert "Unsure" not in result.output
    (protocol,) = yaml.safe_load(output.read_text())["protocols"].values()
    assert protocol["group_by"] == ["recorder"]

    output.unlink()
    result = CliRunner().invoke(app, arguments, input="2\nnone\n")
    (protocol,) = yaml.safe_load(output.read_text())["protocols"].values()
    assert protocol["group_by"] == []
    assert "18  12" in result.stdout


def test_without_answers_the_proposal_is_taken_and_the_questions_are_told(
    project: Path, tmp_path: Path
) -> None:
    folder = _make(tmp_path / "words", _positions())
    command = [sys.executable, "-c", "from disentangled_audio.cli.console import app; app()"]
    result = subprocess.run(
        [*command, "init-corpus", str(folder), "--output", str(tmp_path / "words.yml")],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Nobody answers, so what is proposed is taken, as with --yes" in result.stderr
    assert "Unsure: Recordings that share 12 stay together" in result.stderr
    assert (tmp_path / "words.yml").is_file()


@pytest.mark.parametrize(("answer", "n_classes"), [("", 2), ("no", 3)])
def test_names_that_differ_in_case_are_asked_about(
    project: Path, tmp_path: Path, answer: str, n_classes: int
) -> None:
    names = {f"{('owl', 'Owl', 'wren')[k % 3]}_{k}.wav": "owl" for k in range(24)}
    folder = _make(tmp_path / "birds", names)
    output = tmp_path / "birds.yml"
    arguments = ["--project", str(project), "init-corpus", str(folder), "--output", str(output)]
    result = CliRunner().invoke(app, arguments, input=f"{answer}\n")
    assert "Is this one class each: 'Owl' and 'owl'?" in result.stderr
    (protocol,) = yaml.safe_load(output.read_text())["protocols"].values()
    assert len(set(protocol.get("labels", {"owl": 1, "Owl": 2, "wren": 3}).values())) == n_classes


def test_copies_and_overlapping_cuts_are_seen(project: Path, tmp_path: Path) -> None:
    folder = _make(tmp_path / "birds", _words(("owl", 6), ("wren", 6)))
    long = np.random.default_rng(1).normal(0, 0.1, 5 * RATE_HZ)
    for k in range(6):
        soundfile.write(folder / f"rain {k}.wav", long[k * RATE_HZ // 2 :][: 2 * RATE_HZ], RATE_HZ)
    (folder / "wren 7.wav").write_bytes((folder / "owl 1.wav").read_bytes())
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(folder), "--output", str(output), "--yes")
    assert result.exit_code == 0, result.output
    assert "2 recordings are copies of others, such as owl 1.wav and wren 7.wav" in result.stderr
    assert "owl 1.wav and wren 7.wav sound the same but differ in class" in result.stderr
    assert "recordings are partly the same sound as others, such as rain" in result.stderr


@pytest.mark.parametrize(("longer", "is_said"), [(1.05, False), (1.2, True)])
def test_durations_are_told_where_medians_differ_by_a_tenth(
    project: Path, tmp_path: Path, longer: float, is_said: bool
) -> None:
    rng = np.random.default_rng(0)
    for label, duration_s in (("owl", 0.5), ("wren", 0.5 * longer)):
        for k in range(8):
            path = tmp_path / "birds" / label / f"{k}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            n_samples = round(duration_s * RATE_HZ) + k
            soundfile.write(path, rng.normal(0, 0.1, n_samples), RATE_HZ)
    output = tmp_path / "birds.yml"
    folder = str(tmp_path / "birds")
    result = call(project, "init-corpus", folder, "--output", str(output), "--yes")
    assert ("duration differs by class" in result.stderr) == is_said


def test_classes_with_too_few_recordings_for_four_folds_get_fewer(
    project: Path, tmp_path: Path
) -> None:
    folder = _make(tmp_path / "birds", _words(("owl", 9), ("wren", 3)))
    _, protocol = _proposed(project, folder)
    assert protocol.split.n_folds == 3
    assert protocol.where == {}


def test_the_printed_command_runs_from_where_it_was_printed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "my project")
    folder = _make(tmp_path / "it's here; $HOME", _words(("owl", 8), ("wren", 8)))
    output = tmp_path / "a & b.yml"
    command = [sys.executable, "-c", "from disentangled_audio.cli.console import app; app()"]
    arguments = ["--project", str(project), "init-corpus", str(folder), "--yes"]
    shown = subprocess.run(
        [*command, *arguments, "--output", output.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = shown.stdout.splitlines()[-1].strip()
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        f"{printed} --pipelines=ingestion",
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": beside},
        capture_output=True,
        check=True,
    )
    assert list(project.glob("data/02_primary/*/*/splits.parquet"))


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two commands: the proposal, and the command that it prints, with a short schedule."""

    def train(folder: Path) -> dict[str, Any]:
        project = make_project(tmp_path / "project")
        output = tmp_path / "proposed.yml"
        shown = call(project, "init-corpus", str(folder), "--yes", "--output", str(output))
        assert shown.exit_code == 0, shown.output
        command = shlex.split(shown.stdout.splitlines()[-1])
        monkeypatch.chdir(project)
        bootstrap_project(project)
        result = CliRunner().invoke(cli, [*command[1:-1], f"{command[-1]},{SHORT}"])
        assert result.exit_code == 0, result.output
        params = dict(part.split("=", 1) for part in command[-1][len("--params=") :].split(","))
        catalog = load_catalog(project, env="folder", params=params)
        assert "<html" in catalog.load("report")
        return catalog.load("metrics")

    return train


@pytest.mark.slow
@pytest.mark.parametrize("name", ["class before the number", "recorders", "folds"])
def test_two_commands_train(trained: Any, tmp_path: Path, name: str) -> None:
    metrics = trained(_make(tmp_path / "a folder", LAYOUTS[name].names))
    assert metrics["models"]["svm"]["balanced_accuracy"] > 0.7


def test_two_commands_train_on_ogg_at_44_khz(real_data: Path, trained: Any, tmp_path: Path) -> None:
    for place in ("001 - Dog bark", "002 - Rain"):
        (tmp_path / "esc" / place).mkdir(parents=True)
        for file in sorted((real_data / "esc10" / place).glob("*.ogg"))[::2]:
            (tmp_path / "esc" / place / file.name).symlink_to(file)
    metrics = trained(tmp_path / "esc")
    assert metrics["target"] == "folder"
    assert metrics["models"]["mel_svm"]["balanced_accuracy"] > 0.6
