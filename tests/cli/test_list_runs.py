"""`disentangled-audio runs` and `compare`: runs, cross-validations and their folds."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from disentangled_audio.cli.runs import _confusions
from tests.calling import N_COLUMNS, call, in_terminal, lines, width
from tests.classified import newest_manifest

# Of the one run that there is, of another run, and of two cross-validations.
OTHER, FOLDS, MORE_FOLDS = (f"2026-01-{day}T12.00.00.000Z" for day in (31, 30, 29))


@pytest.fixture(scope="module")
def project(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, one with another seed, two cross-validations and a fold that can classify."""
    folder = tmp_path_factory.mktemp("runs") / "project"
    ignored = shutil.ignore_patterns("01_raw", "02_primary", "03_feature")
    shutil.copytree(tiny_run, folder, ignore=ignored)
    manifest = json.loads(newest_manifest(folder).read_text())
    reporting = newest_manifest(folder).parents[2]

    def write(name: str, version: str, content: Any, below: Path = reporting) -> None:
        file = below / name / version / name
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content))

    other = copy.deepcopy(manifest)
    other["run_id"] = other["dataset_versions"]["hybrid"] = OTHER
    other["parameters"]["seed"] = 123
    other["parameters"]["disentangler"]["schedule"]["learning_rate"] = 0.00012
    write("run_manifest.json", OTHER, other)
    fold = copy.deepcopy(manifest)
    fold["run_id"] = fold["dataset_versions"]["hybrid"] = FOLDS
    write("run_manifest.json", FOLDS, fold, reporting / "room1")
    for version, mean, seed in ((FOLDS, 0.8125, 7), (MORE_FOLDS, 0.75, 8)):
        scores = {
            "mean_balanced_accuracy": mean,
            "worst_fold": {"fold": "room1", "balanced_accuracy": mean - 0.25},
        }
        metrics = {"corpus": "twin_tiny", "protocol": "database_by_room", "target": "database"}
        folds = {"folds": ["room1", "room2"], "n_folds": 3, "models": {"hybrid": scores}}
        write("cv_metrics.json", version, metrics | folds)
        run = {"run_id": version, "packages": {}, "dataset_versions": {}}
        write("run_manifest.json", version, run | {"parameters": {"seed": seed}})
    return folder


@pytest.fixture(scope="module")
def version(tiny_run: Path) -> str:
    return newest_manifest(tiny_run).parent.name


def test_runs_lists_runs_and_cross_validations_with_their_folds(
    project: Path, version: str
) -> None:
    result = call(project, "runs")
    assert result.exit_code == 0, result.output
    rows = json.loads(call(project, "runs", "--json").stdout)
    assert [(row["version"], row["kind"], row["fold"]) for row in rows] == [
        (version, "run", "0"),
        (OTHER, "run", "0"),
        (FOLDS, "folds", "2 of 3"),
        (FOLDS, "fold", "room1"),
        (MORE_FOLDS, "folds", "2 of 3"),
    ]
    assert [(row["hybrid"], row["worst"]) for row in rows[2:]] == [
        (0.8125, 0.5625),
        (None, None),
        (0.75, 0.5),
    ]
    assert 0 <= rows[0]["hybrid"] <= 1
    assert {row["corpus"] for row in rows} == {"twin_tiny"}
    (line,) = [
        line for line in result.stdout.splitlines() if "2 of 3 folds" in line and "-30" in line
    ]
    assert line.split()[-3:] == ["0.812", "0.562", "2026-01-30"]


def test_a_project_without_cross_validations_shows_no_worst_fold(
    tiny_run: Path, version: str
) -> None:
    header, row = call(tiny_run, "runs").stdout.splitlines()[:2]
    assert header.split() == ["version", "corpus", "protocol", "fold", "hybrid", "date"]
    assert row.startswith(version)


def test_compare_shows_what_differs(project: Path, version: str) -> None:
    result = call(project, "compare", version, OTHER)
    as_json = json.loads(call(project, "compare", version, OTHER, "--json").stdout)
    assert result.exit_code == 0, result.output
    assert "Hybrid balanced_accuracy" in result.stdout
    assert ["seed", "7", "123"] in [line.split() for line in result.stdout.splitlines()]
    of_air = as_json["confusion"][0]["air"]
    (row,) = [line.split() for line in result.stdout.splitlines() if line.startswith("air ")]
    header = next(line for line in result.stdout.splitlines() if line.startswith("true / pred"))
    row = " ".join(row).replace(" | ", "|").split()
    said = dict(zip(header.removeprefix("true / predicted").split(), row[1:], strict=True))
    assert said["air"] == f"{of_air['air']}|{of_air['air']}"
    assert [run["version"] for run in as_json["runs"]] == [version, OTHER]
    trained_rate = as_json["parameters"]["disentangler.schedule.learning_rate"][0]
    assert as_json["parameters"] == {
        "disentangler.schedule.learning_rate": [trained_rate, 0.00012],
        "seed": [7, 123],
    }
    assert "0.00012" in result.stdout
    file = next(newest_manifest(project).parents[2].glob("metrics.json/*/metrics.json"))
    metrics = json.loads(file.read_text())
    score = metrics["models"]["hybrid"]["accuracy"]
    assert as_json["metrics"]["hybrid"]["accuracy"] == [score, score]
    n_test = sum(sum(row.values()) for row in as_json["confusion"][0].values())
    assert n_test == metrics["n_test"]


def test_compare_of_two_cross_validations(project: Path) -> None:
    result = call(project, "compare", FOLDS, MORE_FOLDS)
    assert result.exit_code == 0, result.output
    table = [line.split() for line in result.stdout.splitlines()]
    assert ["Hybrid", "mean", "0.812", "0.750"] in table
    assert ["Hybrid", "worst", "0.562", "0.500"] in table
    assert ["seed", "7", "8"] in table
    assert "true / predicted" not in result.stdout


def test_runs_of_different_tasks_or_kinds_are_not_compared(project: Path, version: str) -> None:
    result = call(project, "compare", version, FOLDS)
    assert result.exit_code == 1
    assert f"{FOLDS} is a cross-validation" in result.output
    own = newest_manifest(project)
    elsewhere = "2026-01-01T12.00.00.000Z"
    manifest = json.loads(own.read_text())
    manifest["run_id"] = manifest["dataset_versions"]["hybrid"] = elsewhere
    manifest["parameters"]["protocol"]["target"] = "species"
    file = project / "data/07_reporting/birds/by_site" / own.parts[-3] / elsewhere / own.name
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(manifest))
    try:
        result = call(project, "compare", version, elsewhere)
    finally:
        shutil.rmtree(file.parents[3])
    assert result.exit_code == 1
    assert not result.stdout
    assert "corpus 'twin_tiny', target 'database'" in result.stderr
    assert "corpus 'birds', target 'species'" in result.stderr


def test_confusions_too_wide_for_a_terminal_show_what_differs() -> None:
    names = [f"class{k}" for k in range(12)]
    first = {a: {b: 10 if a == b else 0 for b in names} for a in names}
    second = {**first, "class3": {**first["class3"], "class3": 9, "class5": 1}}
    head, rows = _confusions(["RUN1", "RUN2"], [first, second])
    assert head == ["predictions that differ", "RUN1", "RUN2"]
    assert rows == [
        ["class3 predicted as class3", "10", "9"],
        ["class3 predicted as class5", "0", "1"],
    ]
    assert _confusions(["RUN1", "RUN2"], [first, first])[1] == [["none", "", ""]]
    digits = {str(k): {str(j): 30 * (j == k) for j in range(10)} for k in range(10)}
    head, rows = _confusions(["RUN1", "RUN2"], [digits, {}])
    assert head[1:] == list("0123456789")
    assert rows[0][1:3] == ["30|-", "0|-"]


@pytest.mark.parametrize("text", ["[]", "{"])
def test_an_invalid_manifest_triggers_a_warning(project: Path, text: str) -> None:
    complete = newest_manifest(project)
    file = complete.parents[1] / "2126-01-31T12.00.00.000Z" / complete.name
    file.parent.mkdir()
    file.write_text(text)
    try:
        result = call(project, "runs", "--json")
    finally:
        shutil.rmtree(file.parent)
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)) == 5
    assert f"{file} is ignored" in result.stderr
    scores = (
        complete.parents[2] / "cv_metrics.json" / "2126-01-31T12.00.00.000Z" / "cv_metrics.json"
    )
    scores.parent.mkdir()
    scores.write_text(text)
    try:
        result = call(project, "runs", "--json")
    finally:
        shutil.rmtree(scores.parent)
    assert len(json.loads(result.stdout)) == 5
    assert f"{scores} is ignored" in result.stderr


@pytest.mark.parametrize("arguments", [["runs"], ["compare", "RUN", OTHER], ["--help"]])
def test_no_command_is_wider_than_80_columns(
    project: Path, version: str, arguments: list[str]
) -> None:
    given = [version if argument == "RUN" else argument for argument in arguments]
    sent = in_terminal(project, *given)
    assert max(map(width, lines(sent))) <= N_COLUMNS
    assert "\x1b" not in call(project, *given).output
    words = set("".join(lines(sent)).split())
    assert "balanced" in words if arguments[0] == "runs" else len(words) > 10


def test_a_narrow_terminal_shows_one_value_per_line(tiny_run: Path, version: str) -> None:
    shown = [line.rstrip() for line in lines(in_terminal(tiny_run, "runs", n_columns=40))]
    assert f"version: {version}" in shown
    assert "corpus: twin_tiny" in shown
    assert "protocol: database_by_room" in shown
