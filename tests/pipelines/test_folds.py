"""Every fold of a protocol on the tiny twin: the same as single runs, each trained once."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.errors import UserError
from tests.arrays import chunked
from tests.conftest import load_catalog, make_project, run_kedro

CHUNKS = "data/07_reporting/twin_tiny/database_by_room/.chunks"
CV = ["cross_validation"]


@pytest.fixture(scope="module")
def folds_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every fold of the tiny twin has run."""
    project = make_project(tmp_path_factory.mktemp("folds"))
    run_kedro(project, pipelines=CV)
    return project


def _written(project: Path, pattern: str) -> dict[str, int]:
    files = sorted((project / CHUNKS).glob(pattern))
    return {str(file.relative_to(project / CHUNKS)): file.stat().st_mtime_ns for file in files}


def _trained(project: Path) -> dict[str, int]:
    """When each fold's predictions were written."""
    return _written(project, "*/predictions.parquet")


def _measured(project: Path) -> dict[str, int]:
    """When each fold's measurement was written."""
    return _written(project, "*/*/disentanglement.json")


def _measurement(project: Path, *, first: bool = False) -> list[Any]:
    """Matrix, swaps and summary of the newest run, or of the first, which had all folds."""
    catalog = load_catalog(project)
    names = ("cv_leakage_matrix", "cv_swaps", "cv_disentanglement")
    oldest = min(path.name for path in Path(catalog["cv_swaps"]._filepath).iterdir())
    return [catalog.load(name, version=oldest if first else None) for name in names]


def _same(first: list[Any], second: list[Any]) -> bool:
    tables = zip(first[:2], second[:2], strict=True)
    return all(a.equals(b) for a, b in tables) and first[2] == second[2]


def test_every_row_is_tested_once(folds_run: Path) -> None:
    catalog = load_catalog(folds_run)
    predictions, recordings = catalog.load("cv_predictions"), catalog.load("recordings")
    for _, rows in predictions[predictions["role"] == "test"].groupby("model"):
        assert sorted(rows["recording_id"]) == sorted(recordings["recording_id"])


def test_a_fold_is_the_run_of_that_fold_alone(folds_run: Path, tiny_run: Path) -> None:
    of_fold = load_catalog(folds_run).load("cv_predictions").query("fold == '0'")
    alone = load_catalog(tiny_run).load("predictions")
    pd.testing.assert_frame_equal(
        of_fold.reset_index(drop=True), alone, check_flags=False, check_like=True
    )


def test_metrics_are_over_all_folds(folds_run: Path) -> None:
    catalog = load_catalog(folds_run)
    metrics, predictions = catalog.load("cv_metrics"), catalog.load("cv_predictions")
    tested = predictions.query("model == 'svm' and role == 'test'")
    by_fold = {
        fold: (rows["predicted"] == rows["target"]).groupby(rows["target"]).mean().mean()
        for fold, rows in tested.groupby("fold")
    }
    scores = metrics["models"]["svm"]
    assert scores["mean_balanced_accuracy"] == pytest.approx(sum(by_fold.values()) / len(by_fold))
    assert scores["worst_fold"]["balanced_accuracy"] == pytest.approx(min(by_fold.values()))
    assert list(metrics["folds"]) == sorted(by_fold)
    assert metrics["n_folds"] == len(by_fold)
    assert metrics["simulated"] is True
    compared = {(result["a"], result["b"]) for result in metrics["comparisons"]}
    assert ("hybrid", "svm") in compared


def test_what_codes_say_is_the_mean_of_what_they_say_in_each_fold(folds_run: Path) -> None:
    matrix, swaps, summary = _measurement(folds_run, first=True)
    runs = load_catalog(folds_run).load("fold_runs")
    of_folds = [
        pd.read_parquet(folds_run / CHUNKS / run.folder / run.measured / "leakage_matrix.parquet")
        for run in runs.itertuples()
    ]
    asked = "code == 'content' and factor == 'target' and condition == 'marginal'"
    scores = [
        table.query(f"{asked} and control == 'untrained'")["score"].item() for table in of_folds
    ]
    found = matrix.query(f"{asked} and control == 'untrained'").iloc[0]
    assert len(scores) == 4
    assert found["score"] == pytest.approx(np.mean(scores))
    assert min(scores) <= found["low"] <= found["score"] <= found["high"] <= max(scores)
    assert found["n_folds"] == 4
    # What no fold can score, and what some cannot, says why.
    assert matrix.loc[matrix["n_folds"] == 0, "reason"].notna().all()
    partly = matrix[matrix["n_folds"].between(1, 3) & (matrix["control"] != "one_hot")]
    assert len(partly) > 0
    assert partly["reason"].str.contains(r"not in \d of \d folds: ").all()

    saps = [fold["sap"] for fold in summary["folds"].values()]
    assert list(summary["folds"]) == ["0", "1", "2", "3"]
    assert summary["mean"]["sap"] == pytest.approx(np.mean(saps))
    assert set(summary["mean"]["controls"]) == {"untrained", "raw_pca"}
    moved = swaps.query("swap == 'content' and clip == 'donor'")["share"].item()
    assert summary["mean"]["swap"]["moved"] == pytest.approx(moved)
    assert load_catalog(folds_run).exists("cv_leakage_plot")
    assert (runs["measurement_seconds"] > 0).all()


def test_a_fold_is_measured_as_that_fold_alone(folds_run: Path, measured_run: Path) -> None:
    alone = load_catalog(measured_run)
    run = load_catalog(folds_run).load("fold_runs").set_index("fold").loc["0"]
    folder = folds_run / CHUNKS / run["folder"] / run["measured"]

    matrix = pd.read_parquet(folder / "leakage_matrix.parquet")
    pd.testing.assert_frame_equal(
        matrix.replace("", np.nan).infer_objects(),
        alone.load("leakage_matrix"),
        check_flags=False,
        check_dtype=False,
    )
    summary = json.loads((folder / "disentanglement.json").read_text(encoding="utf-8"))
    assert summary == alone.load("disentanglement")


def test_a_fold_is_trained_once(folds_run: Path) -> None:
    before = _trained(folds_run), _measured(folds_run)
    run_kedro(folds_run, pipelines=CV)
    assert (_trained(folds_run), _measured(folds_run)) == before
    assert _same(_measurement(folds_run), _measurement(folds_run, first=True))


def test_a_fold_that_was_only_predicted_is_only_measured(
    folds_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disentangled_audio.models import svm

    before = _trained(folds_run)
    trainings = _written(folds_run, "training-*/checkpoint.npz")
    run = load_catalog(folds_run).load("fold_runs").set_index("fold").loc["1"]
    lost = folds_run / CHUNKS / run["folder"] / run["measured"]
    shutil.rmtree(lost)
    monkeypatch.setattr(svm, "search_svm", None)

    run_kedro(folds_run, pipelines=CV)

    assert (lost / "disentanglement.json").is_file()
    assert _trained(folds_run) == before
    assert _written(folds_run, "training-*/checkpoint.npz") == trainings
    assert _same(_measurement(folds_run), _measurement(folds_run, first=True))


def test_another_measurement_is_of_the_same_fold(folds_run: Path) -> None:
    before = _trained(folds_run), _measured(folds_run)
    params = {"disentanglement": {"raw_components": 5}, "cross_validation": {"folds": ["2"]}}
    run_kedro(folds_run, pipelines=CV, params=params)
    assert _trained(folds_run) == before[0]
    assert len(set(_measured(folds_run)) - set(before[1])) == 1
    _, _, summary = _measurement(folds_run)
    assert (list(summary["folds"]), summary["n_folds"]) == (["2"], 4)


def test_folds_that_are_not_measured_say_so(folds_run: Path) -> None:
    before = _measured(folds_run)
    params = {
        "seed": 9,
        "cross_validation": {"folds": "1", "disentanglement": False},
    }
    run_kedro(folds_run, pipelines=CV, params=params)
    assert _measured(folds_run) == before
    matrix, swaps, summary = _measurement(folds_run)
    assert len(matrix) == len(swaps) == 0
    assert {"code", "score", "n_folds"} <= set(matrix)
    assert summary["folds"] == summary["mean"] == {}
    assert summary["reason"] == "not measured: cross_validation.disentanglement is false"
    assert load_catalog(folds_run).load("fold_runs")["measured"].tolist() == [""]


def test_a_measurement_that_is_gone_is_named(folds_run: Path) -> None:
    from disentangled_audio.pipelines.cross_validation.nodes import gather_disentanglement

    catalog = load_catalog(folds_run)
    runs = catalog.load("fold_runs").assign(measured="disentanglement-gone")
    with pytest.raises(UserError, match=r"disentanglement-gone.*is gone since the fold was run"):
        gather_disentanglement(runs, folds_run / CHUNKS, catalog.load("recordings"), 0)


@pytest.mark.parametrize("changed", [{"svm": {"C": [1.0]}}, {"views": {"n_mels": 24}}])
def test_other_parameters_are_other_folds(folds_run: Path, changed: dict[str, Any]) -> None:
    before = _trained(folds_run)
    params = {**changed, "cross_validation": {"folds": "1", "disentanglement": False}}
    run_kedro(folds_run, pipelines=CV, params=params)
    after = _trained(folds_run)
    assert len(set(after) - set(before)) == 1
    assert load_catalog(folds_run).load("fold_runs")["fold"].tolist() == ["1"]
    metrics = load_catalog(folds_run).load("cv_metrics")
    assert (len(metrics["folds"]), metrics["n_folds"]) == (1, 4)


def test_an_unknown_fold_is_named(folds_run: Path) -> None:
    params: dict[str, Any] = {"cross_validation": {"folds": ["9"]}}
    with pytest.raises(UserError, match=r"no fold '9'; this protocol has 0, 1"):
        run_kedro(folds_run, pipelines=CV, params=params)


def test_an_interrupted_fold_goes_on_from_its_training(
    folds_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disentangled_audio.models import fusion

    params = {"seed": 8, "cross_validation": {"folds": "0", "disentanglement": False}}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    known = set((folds_run / CHUNKS).glob("training-0-*/checkpoint.npz"))
    with monkeypatch.context() as patched:
        patched.setattr(fusion.ProbabilityFusion, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            run_kedro(folds_run, pipelines=CV, params=params)
    (kept,) = set((folds_run / CHUNKS).glob("training-0-*/checkpoint.npz")) - known
    trained = kept.stat().st_mtime_ns

    run_kedro(folds_run, pipelines=CV, params=params)

    # It had finished, and is not repeated.
    assert kept.stat().st_mtime_ns == trained


def test_test_rows_of_a_fold_change_nothing_that_is_fitted_in_it(
    folds_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fold's own pipelines, with other sounds and labels in the test rows."""
    splits, inputs = _given_to_a_fold(folds_run, monkeypatch)
    test = (splits["role"] == "test").to_numpy()
    changed = {name: _changed(value, test) for name, value in inputs.items()}
    other = splits.copy()
    other.loc[test, "target"] = np.roll(other.loc[test, "target"].to_numpy(), 1)

    first = _fitted(splits, inputs, tmp_path / "first", monkeypatch)
    second = _fitted(other, changed, tmp_path / "second", monkeypatch)

    different = [name for name in first if not _equal(first[name], second[name])]
    # If nothing changed, the comparison would be blind.
    assert different == ["test codes"]


def _given_to_a_fold(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[pd.DataFrame, dict[str, Any]]:
    from disentangled_audio.pipelines.cross_validation import folds

    given: list[Any] = []

    def keep(splits: pd.DataFrame, inputs: dict[str, Any], *_: object) -> None:
        given.extend([splits, inputs])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(folds, "run_fold", keep)
        with pytest.raises(KeyboardInterrupt):
            run_kedro(project, pipelines=CV, params={"cross_validation": {"folds": "0"}})
    return given[0], given[1]


def _changed(value: Any, rows: np.ndarray) -> Any:
    """Arrays with other values in some rows; all else as it is."""
    if not hasattr(value, "oindex"):
        return value
    values = value[:]
    noise = np.random.default_rng(5).uniform(0.0, 1.0, values[rows].shape)
    values[rows] = noise.astype(values.dtype)
    copy = chunked(values, 16)
    copy.attrs.update(value.attrs.asdict())
    return copy


def _fitted(
    splits: pd.DataFrame, inputs: dict[str, Any], checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    from disentangled_audio.evaluation.representation import readers
    from disentangled_audio.pipelines.cross_validation import folds

    read: list[Any] = []
    fit_readers = readers.fit_readers

    def spy(log_mel: np.ndarray, attributes: pd.DataFrame) -> Any:
        read.extend([log_mel, attributes.to_numpy(dtype=str)])
        return fit_readers(log_mel, attributes)

    data = {**inputs, "splits": splits, "training_checkpoint": checkpoint}
    with monkeypatch.context() as patched:
        patched.setattr(readers, "fit_readers", spy)
        folds._run(folds.fold_pipeline(), data)
        folds._run(folds.measurement_pipeline(), data)
    test = (splits["role"] == "test").to_numpy()
    codes = data["codes"].drop(columns="recording_id").to_numpy()
    pca = data["fourier_pca"]
    return {
        "disentangler": data["disentangler"].get_weights(),
        "fourier_pca": [pca[0].mean_, pca[1].components_],
        "svm": [data["svm"].svm[-1].support_vectors_, data["svm"].svm[-1].dual_coef_],
        "hybrid": [data["hybrid"].weights_],
        "codes": [codes[~test]],
        "test codes": [codes[test]],
        "readers": read,
    }


def _equal(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) > 0 and all(
        np.array_equal(a, b) for a, b in zip(first, second, strict=True)
    )
