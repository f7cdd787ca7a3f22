"""The record of results, and whether a row repeats, without training."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import fold_scores
import record_results
import seed_runs
from record import RESULTS, TITLES, record
from seed_runs import SeedRun


def _model(balanced_accuracy: float) -> dict[str, Any]:
    return {
        "mean_balanced_accuracy": balanced_accuracy,
        "worst_fold": {"balanced_accuracy": balanced_accuracy - 0.1},
        "balanced_accuracy_ci95": [balanced_accuracy - 0.05, balanced_accuracy + 0.05],
        "n_folds": 5,
    }


def _run(seed: int) -> SeedRun:
    """Results of a run; the models become worse from seed to seed, by 0.01."""
    pair = {"a": "hybrid", "b": "cnn", "difference": 0.02, "p_bootstrap": 0.1}
    metrics = {
        **{"corpus": "esc10", "protocol": "event_by_fold", "simulated": False},
        "models": {"cnn": _model(0.95 - seed / 100), "hybrid": _model(0.97 - seed / 100)},
        "controls": {"duration": _model(0.3)},
        "best_controls": {"shortcut": "duration"},
        "comparisons": [pair],
    }
    return SeedRun("version", "0123456", pd.DataFrame(), metrics, {})


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Folder of the record; runs are not trained."""
    monkeypatch.setattr(seed_runs, "record", partial(record, folder=tmp_path))
    monkeypatch.setattr(
        fold_scores, "seed_run", lambda env, params, seed, again, measured: _run(seed)
    )
    return tmp_path


def test_a_row_is_recorded_once_with_mean_and_spread_over_the_seeds(results: Path) -> None:
    for seeds in ([7], [7, 8, 9]):
        fold_scores.record_scores("esc10", [], seeds)

    (entry,) = json.loads((results / "scores.json").read_text())
    assert entry == record_results.recorded("esc10", results)
    assert (entry["seeds"], entry["what"]) == ([7, 8, 9], TITLES["esc10", "event_by_fold"])
    cnn, hybrid, control = entry["rows"]
    assert (cnn["mean"], cnn["spread"], cnn["worst"]) == (0.87, 0.01, 0.76)
    assert (hybrid["mean"], hybrid["lead"]) == (0.89, 0.02)
    assert (control["control"], control["spread"]) == ("duration", 0.0)


def test_a_row_without_record_says_how_to_record_it(results: Path) -> None:
    fold_scores.record_scores("esc10", [], [7])

    with pytest.raises(SystemExit, match=r"no row 'rooms'.*record_results\.py --rows rooms"):
        record_results.recorded("rooms", results)


@pytest.mark.parametrize("row", record_results.ROWS)
def test_every_row_is_a_task_with_a_title(row: str) -> None:
    env, params = record_results.ROWS[row]
    chosen = yaml.safe_load((REPOSITORY / "conf" / env / "globals.yml").read_text())
    names = {**chosen, **dict(pair.split("=") for pair in params)}

    assert (names["corpus_name"], names["protocol_name"]) in TITLES


def test_every_figure_of_the_table_can_be_repeated_by_the_name_of_its_row() -> None:
    entries = json.loads((RESULTS / "scores.json").read_text(encoding="utf-8"))
    known = {record_results._without_seeds(entry["command"]) for entry in entries}
    commands = {
        record_results._without_seeds(record_results.command_of("fold_scores.py", *of, [7]))
        for of in record_results.ROWS.values()
    }

    assert known <= commands


BEFORE = [
    {"model": "cnn", "mean": 0.9, "spread": 0.01},
    {"model": "hybrid", "mean": 0.95},
    {"control": "duration", "mean": 0.3, "spread": 0.0},
]


@pytest.mark.parametrize(
    ("cnn", "hybrid", "duration", "said"),
    [
        (0.91, 0.951, 0.299, None),
        (0.89, 0.949, 0.3, None),
        (0.911, 0.95, 0.3, "Network has 0.911, recorded are 0.900 ± 0.010"),
        (0.9, 0.948, 0.3, "Hybrid has 0.948, recorded are 0.950 ± 0.001"),
        (0.9, 0.95, 0.31, "best control has 0.310, recorded are 0.300 ± 0.001"),
        (None, 0.95, 0.3, "Network is missing"),
    ],
)
def test_a_mean_may_differ_by_its_spread_or_by_the_last_digit(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cnn: float | None,
    hybrid: float,
    duration: float,
    said: str | None,
) -> None:
    now = [{"model": "cnn", "mean": cnn}] if cnn else []
    now += [{"model": "hybrid", "mean": hybrid}, {"control": "duration", "mean": duration}]
    entry = {"rows": BEFORE, "seeds": [7, 8]}
    monkeypatch.setattr(record_results, "recorded", lambda row: entry)
    monkeypatch.setattr(record_results, "repeated", lambda row, seeds: now)

    with pytest.raises(SystemExit) as caught:
        record_results.check("rooms")

    assert caught.value.code == (f"row 'rooms' does not repeat: {said}" if said else None)
    assert "| Hybrid |" in capsys.readouterr().out


def test_a_model_that_is_not_in_the_record_does_not_repeat() -> None:
    now = [*BEFORE, {"model": "svm", "mean": 0.5}]

    comparison = record_results.compared(BEFORE, now)
    assert record_results.fault("rooms", comparison).endswith(
        ": Fourier + SVM is not in the record"
    )


def test_a_row_is_repeated_with_the_same_recordings_and_without_stored_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def seed_run(
        env: str, params: list[str], seed: int, *, again: bool, measured: bool, project: Path
    ) -> SeedRun:
        asked.append((env, params, seed))
        (recordings,) = (project / "data").iterdir()
        assert recordings.resolve() == REPOSITORY / "data" / "01_raw"
        assert (project / "conf" / env / "globals.yml").is_file()
        return _run(seed)

    monkeypatch.setattr(record_results, "seed_run", seed_run)

    rows = record_results.repeated("digit", [7, 9])
    assert asked == [("fsdd", [], 7), ("fsdd", [], 9)]
    assert [row["mean"] for row in rows] == [0.87, 0.89, 0.3]
