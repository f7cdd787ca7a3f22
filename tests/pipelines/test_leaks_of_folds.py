"""Leaks within a fold: its test rows change nothing that its pipelines fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.arrays import chunked
from tests.conftest import load_catalog

# What each fit gets of its own.
GIVEN = {"splits", "training_checkpoint"}


def test_test_rows_of_a_fold_change_nothing_that_is_fitted_in_it(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fold's own pipelines, with other sounds and labels in the test rows."""
    catalog = load_catalog(tiny_run)
    splits = catalog.load("splits")
    inputs = {name: catalog.load(name) for name in _parts().inputs() - GIVEN}
    test = (splits["role"] == "test").to_numpy()
    changed = {name: _changed(value, test) for name, value in inputs.items()}
    other = splits.copy()
    other.loc[test, "target"] = np.roll(other.loc[test, "target"].to_numpy(), 1)

    first = _fitted(splits, inputs, tmp_path / "first", monkeypatch)
    second = _fitted(other, changed, tmp_path / "second", monkeypatch)

    different = [name for name in first if not _equal(first[name], second[name])]
    # If nothing changed, the comparison would be blind.
    assert different == ["test codes"]


def _parts() -> Any:
    from disentangled_audio.pipeline_registry import fold_pipelines

    parts = fold_pipelines()
    return (parts.training + parts.classification + parts.measurement).from_inputs("splits")


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

    read: list[Any] = []
    fit_readers = readers.fit_readers

    def spy(log_mel: np.ndarray, attributes: pd.DataFrame) -> Any:
        read.extend([log_mel, attributes.to_numpy(dtype=str)])
        return fit_readers(log_mel, attributes)

    data = {**inputs, "splits": splits, "training_checkpoint": checkpoint}
    with monkeypatch.context() as patched:
        patched.setattr(readers, "fit_readers", spy)
        for node in _parts().nodes:
            data.update(node.run({name: data[name] for name in node.inputs}))
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
