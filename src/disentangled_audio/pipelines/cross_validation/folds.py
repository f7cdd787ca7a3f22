"""One fold: the nodes of the other pipelines, run with the fold's own splits."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.pipeline import Pipeline

from disentangled_audio.pipelines.disentanglement import pipeline as disentanglement
from disentangled_audio.pipelines.feature_engineering import pipeline as feature_engineering
from disentangled_audio.pipelines.reporting import pipeline as reporting
from disentangled_audio.pipelines.representation_learning import pipeline as representation_learning
from disentangled_audio.pipelines.svm_classification import pipeline as svm_classification
from disentangled_audio.runs.provenance import stamp_of
from disentangled_audio.runs.versions import package_versions
from disentangled_audio.storage.locks import try_lock, unlock
from disentangled_audio.storage.temporaries import write_whole

PREDICTIONS = "predictions.parquet"
LEAKAGE = "leakage_matrix.parquet"
SWAPS = "swaps.parquet"
NUMBERS = "factor_predictions.parquet"
DISENTANGLEMENT = "disentanglement.json"
FACTS = "facts.json"
LOCK = ".lock"
# Letters of a fold's name in that of its folder.
_MAX_NAME = 60
_LIBRARIES = ("scikit-learn", "keras", "tensorflow-cpu", "tensorflow")


@cache
def fold_pipeline() -> Pipeline:
    """What depends on the split, up to the predictions."""
    return _parts().to_outputs("predictions").from_inputs("splits")


@cache
def measurement_pipeline() -> Pipeline:
    """What the disentanglement of a fold is measured by; shares its training with the other."""
    measured = ("leakage_matrix", "swaps", "disentanglement", "factor_predictions")
    whole = _parts() + disentanglement.create_pipeline()
    return whole.to_outputs(*measured).from_inputs("splits")


def _parts() -> Pipeline:
    parts = (feature_engineering, representation_learning, svm_classification, reporting)
    return sum((part.create_pipeline() for part in parts), start=Pipeline([]))


def fold_inputs() -> list[str]:
    """What a fold reads beside its splits: datasets and parameters."""
    read = fold_pipeline().inputs() | measurement_pipeline().inputs()
    return sorted(read - {"splits", "training_checkpoint"})


def run_fold(
    splits: pd.DataFrame,
    inputs: dict[str, Any],
    parameters: Any,
    folder: Path,
    features: Any = None,
    measurement: Any = None,
) -> Path:
    """Predictions of one fold and what is measured of it, from its folder if made before.

    Parameters
    ----------
    splits : DataFrame
        Of this fold, stamped.
    inputs : dict
        Everything in `fold_inputs`, by the names of the catalog.
    parameters : anything that JSON can hold
        All parameters among the inputs that training and predictions depend on; part of the
        fold's key.
    folder : Path
        Of all folds.
    features : anything that JSON can hold
        What the datasets among the inputs were made with beside the corpus; part of the key too.
    measurement : anything that JSON can hold, optional
        All further parameters that the measurement depends on; None leaves it out.

    Returns
    -------
    Path
        The fold's folder, with its predictions and facts (seconds by node), and a folder with
        those of the measurement, named by `measurement_name`.
    """
    from disentangled_audio.storage.hashing import code_hash, short_hash

    what = [stamp_of(splits), parameters]
    name = re.sub(r"[^A-Za-z0-9]+", "-", str(splits["fold"].iloc[0])).strip("-")
    # The key tells folds apart; a long value would be no file's name.
    name = name[:_MAX_NAME]
    key = short_hash([code_hash("training"), package_versions(_LIBRARIES), what, features])
    own = folder / f"fold-{name}-{key}"
    own.mkdir(parents=True, exist_ok=True)
    # A training that other code does not concern is used again; it knows itself what concerns it.
    training = folder / f"training-{name}-{short_hash(what)}"
    data = {**inputs, "splits": splits, "training_checkpoint": training}
    # Another job that was given the same fold waits, and then finds it done.
    with _locked(own / LOCK):
        if not (own / PREDICTIONS).is_file():
            _predict(own, data)
        measured = own / measurement_name(measurement)
        if measurement is not None and not (measured / DISENTANGLEMENT).is_file():
            _measure(measured, data)
    # What is in use is told by its time from what nobody has asked for since.
    own.touch()
    return own


def measurement_name(measurement: Any) -> str:
    """Folder of a measurement within that of its fold."""
    from disentangled_audio.storage.hashing import short_hash

    return f"disentanglement-{short_hash(measurement)}"


def _predict(own: Path, data: dict[str, Any]) -> None:
    seconds = _run(fold_pipeline(), data)
    _write_json(own / FACTS, {"seconds": seconds})
    # Last, because it tells that the fold is done.
    write_whole(own / PREDICTIONS, data["predictions"].to_parquet)


def _measure(measured: Path, data: dict[str, Any]) -> None:
    seconds = _run(measurement_pipeline(), data)
    measured.mkdir(exist_ok=True)
    write_whole(measured / LEAKAGE, data["leakage_matrix"].to_parquet)
    write_whole(measured / SWAPS, data["swaps"].to_parquet)
    write_whole(measured / NUMBERS, data["factor_predictions"].to_parquet)
    _write_json(measured / FACTS, {"seconds": seconds})
    # Last, because it tells that the fold is measured.
    _write_json(measured / DISENTANGLEMENT, data["disentanglement"])


def _run(pipeline: Pipeline, data: dict[str, Any]) -> dict[str, float]:
    """Run nodes whose outputs are not there yet; adds them to the data, and gives seconds."""
    seconds = {}
    for node in pipeline.nodes:
        if data.keys() >= set(node.outputs):
            continue
        started = time.perf_counter()
        data.update(node.run({name: data[name] for name in node.inputs}))
        seconds[node.name] = round(time.perf_counter() - started, 3)
    return seconds


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content)
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = None
    # Some network file systems know no locks: then two jobs may do the same work, no harm done.
    with suppress(OSError):
        lock = try_lock(path, wait=True)
    try:
        yield
    finally:
        if lock is not None:
            unlock(lock)
