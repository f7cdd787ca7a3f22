"""Metrics, classification report and confusion table from the long table of predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.evaluation.scores.classification import (
    confusion_counts,
    label_scores,
    per_class_scores,
    score,
)
from disentangled_audio.evaluation.scores.intervals import bootstrap_intervals, resampling_unit

PROBABILITY_PREFIX = "p_"
# Models that fuse the others: those that only learned from the corpus, and those with pretrained
# weights too. The latter exists only where there are such weights.
HYBRID, PRETRAINED_HYBRID = "hybrid", "hybrid_pretrained"
# Columns of `predictions` with the weights of the members of each hybrid.
WEIGHTS = {HYBRID: "weight", PRETRAINED_HYBRID: "weight_pretrained"}
ROLES = ("train", "validation", "test")


def class_names(predictions: pd.DataFrame) -> list[str]:
    """Class names in the order of the table's ``p_<class>`` columns."""
    prefix = PROBABILITY_PREFIX
    names = [str(c).removeprefix(prefix) for c in predictions if str(c).startswith(prefix)]
    if not names:
        raise ValueError("predictions has no p_<class> column")
    return names


def pretrained_models(predictions: pd.DataFrame) -> set[str]:
    """Models with pretrained weights: a hybrid, and the members that only it has."""
    if WEIGHTS[PRETRAINED_HYBRID] not in predictions:
        return set()
    only_there = predictions["weight"].isna() & predictions["weight_pretrained"].notna()
    return {PRETRAINED_HYBRID, *predictions.loc[only_there, "model"].astype(str).unique()}


def summarise(  # noqa: PLR0913 - the names of the result are given one by one
    predictions: pd.DataFrame,
    controls: pd.DataFrame,
    *,
    corpus: str,
    simulated: bool,
    protocol: str,
    target: str,
    classes: Sequence[str] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    seconds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Score every model and control on the test rows.

    Intervals of two models say little about their difference; use `comparison.compare_models`.

    Parameters
    ----------
    predictions, controls : DataFrame
        The `predictions` schema, all roles; only test rows are scored.
    classes : n_classes names, optional
        By default those of the ``p_<class>`` columns.
    seconds : mapping, optional
        Seconds by step, copied into the result.

    Returns
    -------
    dict
        The `metrics` schema, plain Python numbers, with the number of test groups
        (``n_test_groups``) and what the intervals resample (``resampled``: ``group`` or ``row``).
    """
    names = [str(name) for name in (classes or class_names(predictions))]
    counts = _role_counts(predictions)
    tested = tested_rows(predictions)
    first_model = tested[tested["model"] == tested["model"].iloc[0]]
    return {
        "corpus": str(corpus),
        "simulated": bool(simulated),
        "protocol": str(protocol),
        "target": str(target),
        "classes": names,
        **{f"n_{role}": counts[role] for role in ROLES},
        "n_test_groups": int(first_model["group"].nunique()),
        "resampled": resampling_unit(first_model["group"]),
        "models": {
            str(model): _model_metrics(rows, names, n_resamples, seed)
            for model, rows in tested.groupby("model", sort=False)
        },
        "controls": {
            str(model): _control_metrics(rows, names, n_resamples, seed)
            for model, rows in tested_rows(controls).groupby("model", sort=False)
        },
        "seconds": {str(step): float(value) for step, value in (seconds or {}).items()},
    }


def classification_report_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 and support on the test rows, by model and class.

    Columns are ``model, class, precision, recall, f1`` (0 to 1, missing where undefined) and
    ``support`` (items).
    """
    names = class_names(predictions)
    rows = []
    for model, tested in tested_rows(predictions).groupby("model", sort=False):
        counts = confusion_counts(tested["target"], tested["predicted"], names)
        for name, scores in per_class_scores(counts, names).items():
            rows.append({"model": model, "class": name, **scores})
    measures = {"precision": float, "recall": float, "f1": float, "support": int}
    return pd.DataFrame(rows).astype(measures)


def confusion_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Count the test rows of each model by true and predicted class.

    Columns are ``model, target, predicted, count``, with every pair of classes, also those with a
    count of zero.
    """
    names = class_names(predictions)
    pairs = pd.MultiIndex.from_product([names, names], names=["target", "predicted"])
    tables = []
    for model, tested in tested_rows(predictions).groupby("model", sort=False):
        counts = confusion_counts(tested["target"], tested["predicted"], names)
        table = pairs.to_frame(index=False)
        table.insert(0, "model", model)
        table["count"] = counts.ravel()
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def tested_rows(predictions: pd.DataFrame) -> pd.DataFrame:
    """Test rows of a table of predictions; a `ValueError` if there are none."""
    tested = predictions[predictions["role"] == "test"]
    if tested.empty:
        raise ValueError("There are no test rows to score")
    return tested


def _role_counts(predictions: pd.DataFrame) -> dict[str, int]:
    """Count items by role, in the model with most rows, because each model repeats the items."""
    largest = predictions["model"].value_counts().index[0]
    roles = predictions.loc[predictions["model"] == largest, "role"].value_counts()
    return {role: int(roles.get(role, 0)) for role in ROLES}


def _probabilities(rows: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64] | None:
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in classes]
    if not set(columns) <= set(rows.columns):
        return None
    return rows[columns].to_numpy(dtype=np.float64)


def _intervals(
    rows: pd.DataFrame, classes: Sequence[str], n_resamples: int, seed: int
) -> dict[str, list[float]]:
    target, predicted, group = (rows[name] for name in ("target", "predicted", "group"))
    intervals = bootstrap_intervals(
        target, predicted, group, classes, seed=seed, n_resamples=n_resamples
    )
    return {f"{name}_ci95": bounds for name, bounds in intervals.items()}


def _model_metrics(
    rows: pd.DataFrame, classes: Sequence[str], n_resamples: int, seed: int
) -> dict[str, Any]:
    return {
        **score(rows["target"], rows["predicted"], _probabilities(rows, classes), classes),
        **_intervals(rows, classes, n_resamples, seed),
        "per_kind": _scores_by_kind(rows, classes),
    }


def _control_metrics(
    rows: pd.DataFrame, classes: Sequence[str], n_resamples: int, seed: int
) -> dict[str, Any]:
    return {**accuracies(rows, classes), **_intervals(rows, classes, n_resamples, seed)}


def _scores_by_kind(rows: pd.DataFrame, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {
        str(kind): {**accuracies(items, classes), "n": len(items)}
        for kind, items in rows.groupby(rows["kind"].astype(object).fillna("unknown"))
    }


def accuracies(rows: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """Accuracy and balanced accuracy of some rows."""
    scores = label_scores(rows["target"], rows["predicted"], classes)
    return {name: scores[name] for name in ("accuracy", "balanced_accuracy")}
