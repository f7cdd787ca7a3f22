"""Recordings classified by a project's trained models, and what they should be classified as."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.conftest import run_kedro


def classify(
    project: Path, *places: Path | str, params: dict[str, Any] | None = None
) -> pd.DataFrame:
    """`inference_predictions` of files, folders, glob patterns and zips."""
    asked = {"inference": {"recordings": [str(place) for place in places]}, **(params or {})}
    table = run_kedro(project, pipelines=["inference"], params=asked)["inference_predictions"]
    return table.load() if hasattr(table, "load") else table


def raw(project: Path) -> Path:
    """Folder of the recordings that the project's models were trained on."""
    return next((project / "data" / "01_raw").iterdir())


def newest_manifest(project: Path) -> Path:
    """Of all runs."""
    return max(project.glob("data/07_reporting/*/*/run_manifest.json/*/run_manifest.json"))


def assert_as_then(table: pd.DataFrame, predictions: pd.DataFrame, models: tuple[str, ...]) -> None:
    """Probabilities of test rows are those that the training run gave them."""
    test = predictions[predictions["role"] == "test"]
    now = table.set_index(table["path"].map(lambda path: Path(path).name))
    n_compared = 0
    for model in models:
        then = test[test["model"] == model]
        rows = now.loc[then["recording_id"].map(lambda name: Path(name).name)]
        for column in [c for c in then if c.startswith("p_")] if len(then) else []:
            np.testing.assert_allclose(
                rows[column if model == "hybrid" else f"{model}_{column}"],
                then[column],
                atol=1e-5,
                err_msg=f"{model} {column}",
            )
            n_compared += len(then)
    assert n_compared > 10
