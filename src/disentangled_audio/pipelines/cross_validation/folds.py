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

from disentangled_audio.locks import try_lock, unlock
from disentangled_audio.pipelines.feature_engineering import pipeline as feature_engineering
from disentangled_audio.pipelines.reporting import pipeline as reporting
from disentangled_audio.pipelines.representation_learning import (
    pipeline as representation_learning,
)
from disentangled_audio.pipelines.stamps import stamp_of
from disentangled_audio.pipelines.svm_classification import pipeline as svm_classification
from disentangled_audio.temporaries import write_whole
from disentangled_audio.versions import package_versions

PREDICTIONS = "predictions.parquet"
FACTS = "facts.json"
LOCK = ".lock"
_LIBRARIES = ("scikit-learn", "keras", "tensorflow-cpu", "tensorflow")


@cache
def fold_pipeline() -> Pipeline:
    """What depends on the split, up to the predictions."""
    parts = (feature_engineering, representation_learning, svm_classification, reporting)
    whole = sum((part.create_pipeline() for part in parts), start=Pipeline([]))
    return whole.to_outputs("predictions").from_inputs("splits")


def fold_inputs() -> list[str]:
    """What a fold reads beside its splits: datasets and parameters."""
    return sorted(fold_pipeline().inputs() - {"splits", "training_checkpoint"})


def run_fold(splits: pd.DataFrame, inputs: dict[str, Any], parameters: Any, folder: Path) -> Path:
    """Predictions of one fold, from its folder if they were made before.

    Parameters
    ----------
    splits : DataFrame
        Of this fold, stamped.
    inputs : dict
        Everything in `fold_inputs`, by the names of the catalog.
    parameters : anything that JSON can hold
        All parameters among the inputs; part of the fold's key.
    folder : Path
        Of all folds.

    Returns
    -------
    Path
        The fold's folder, with its predictions and facts (seconds by node).
    """
    from disentangled_audio.chunk_store import code_hash, short_hash

    what = [stamp_of(splits), parameters]
    name = re.sub(r"[^A-Za-z0-9]+", "-", str(splits["fold"].iloc[0])).strip("-")
    own = folder / f"fold-{name}-{short_hash([code_hash(), package_versions(_LIBRARIES), what])}"
    own.mkdir(parents=True, exist_ok=True)
    # A training that other code does not concern is used again; it knows itself what concerns it.
    training = folder / f"training-{name}-{short_hash(what)}"
    # Another job that was given the same fold waits, and then finds it done.
    with _locked(own / LOCK):
        if not (own / PREDICTIONS).is_file():
            _make(own, {**inputs, "splits": splits, "training_checkpoint": training})
    # What is in use is told by its time from what nobody has asked for since.
    own.touch()
    return own


def _make(own: Path, data: dict[str, Any]) -> None:
    seconds = {}
    for node in fold_pipeline().nodes:
        started = time.perf_counter()
        data.update(node.run({name: data[name] for name in node.inputs}))
        seconds[node.name] = round(time.perf_counter() - started, 3)
    facts = {"seconds": seconds}
    write_whole(own / FACTS, lambda path: path.write_text(json.dumps(facts), encoding="utf-8"))
    # Last, because it tells that the fold is done.
    write_whole(own / PREDICTIONS, data["predictions"].to_parquet)


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
