"""What a run prints fits a terminal of 80 columns, and names are printed as they are."""

from pathlib import Path
from typing import Any

import pytest

from disentangled_audio.report.terminal import print_folds, print_summary, step_line

LEVEL = len("WARNING  ")
LEAK = {
    **{"leaking": 4, "n_test": 20},
    "examples": [
        {
            **{"path": "a.wav", "other_path": "b.wav", "shared_s": 3.5},
            **{"start_s": 0.0, "other_start_s": 1.5},
        }
    ],
}


@pytest.mark.parametrize(
    "name", ["tabulate", "fold_of_a_speaker_with_a_long_name.train_disentangler"]
)
def test_a_step_is_one_line_with_its_time(name: str) -> None:
    line = step_line(7, 139, name, 12345.67)
    assert line.startswith("[  7/139] ")
    assert line.endswith(" 12345.7 s")
    assert name[-30:] in line
    assert len(line) + LEVEL <= 80


def _scores(value: float) -> dict[str, Any]:
    bounds = [value - 0.1, value]
    return {"balanced_accuracy": value, "balanced_accuracy_ci95": bounds, "accuracy": value}


def test_models_and_the_best_controls_have_their_display_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    weaker = ("duration", "peak", "level", "kind", "direct_sound")
    controls = {name: _scores(0.7 - number / 10) for number, name in enumerate(weaker)}
    metrics = {
        **{"target": "[red]room", "corpus": "halls", "protocol": "rooms", "fold": "0"},
        **{"simulated": True, "n_test": 20, "n_test_groups": 1},
        "models": {"svm": _scores(0.7), "hybrid": _scores(0.9)},
        "controls": {"long_term_spectrum": _scores(0.8), "byte_size": _scores(0.75), **controls},
        "shared_sound": LEAK,
    }
    report = tmp_path / "data" / "report.html" / "1" / "report.html"
    print_summary(metrics, 3, report)
    shown = capsys.readouterr().out
    # Names of foreign files and classes are no markup.
    assert "[red]room of halls, SIMULATED recordings" in shown
    assert "fold 0, 20 test items of 1 group\n" in shown
    rows = [line for line in shown.splitlines() if " – " in line]
    shortcuts = [f"shortcut: {name}" for name in ("File size", "Duration", "Peak level")]
    baselines = [f"simple baseline: {name}" for name in ("Long-term spectrum", "Direct sound")]
    names = ["Fourier + SVM", "Hybrid", *shortcuts, *baselines]
    assert [row.split("  ")[0] for row in rows] == names
    # The last column is right-aligned under its heading.
    (header,) = (
        line for line in shown.splitlines() if line.startswith("model, shortcut or baseline")
    )
    assert {len(row) for row in rows} == {len(header)}
    assert "Leak: 4 of 20 test recordings share sound" in shown
    assert "Rejected files: 3" in shown
    assert "Report: data/report.html/1/report.html\n" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(("seeds", "spread"), [([7], None), ([7, 8], 0.0123)])
def test_the_table_of_folds_has_numbers_under_their_headings(
    capsys: pytest.CaptureFixture[str], seeds: list[int], spread: float | None
) -> None:
    fold = {"mean_balanced_accuracy": 0.9, "balanced_accuracy_ci95": [0.85, 1.0]}
    fold["worst_fold"] = {"fold": "theo", "balanced_accuracy": 0.7}
    fold["sd_over_seeds"] = spread
    metrics = {
        **{"target": "digit", "corpus": "fsdd", "protocol": "speakers", "simulated": False},
        **{"n_test": 20, "n_test_groups": 20, "folds": {"theo": {}, "nick": {}}, "n_folds": 6},
        "seeds": seeds,
        "models": {"hybrid": fold},
        "controls": {"long_term_spectrum": fold},
        "shared_sound": {"leaking": 0},
    }
    print_folds(metrics, Path("cv_metrics.json"))
    lines = capsys.readouterr().out.splitlines()
    assert "balanced accuracy over 2 of 6 folds, 20 test items" in lines[1]
    assert ("Seeds: 7, 8;" in "".join(lines)) == (len(seeds) > 1)
    assert ("mean ± sd" in lines[2]) == ("0.900 ± 0.012" in lines[3]) == (len(seeds) > 1)
    header, hybrid, control = lines[2:5]
    assert control.startswith("simple baseline: Long-term spectrum ")
    mean = {"mean": "0.900"} if len(seeds) == 1 else {}
    for name, number in {**mean, "95 % interval": "1.000", "worst": "0.700"}.items():
        for row in (hybrid, control):
            assert row[: header.index(name) + len(name)].endswith(number)
    assert max(map(len, lines)) <= 80
