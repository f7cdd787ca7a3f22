"""Accuracy gained by rejecting items of low confidence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from disentangled_audio.evaluation.scores.classification import class_indices, label_scores
from disentangled_audio.evaluation.scores.confidence import (
    confidence_of,
    confident_models,
    is_correct,
)
from disentangled_audio.evaluation.scores.intervals import CONFIDENCE
from disentangled_audio.evaluation.scores.recall import mean_recall
from disentangled_audio.evaluation.scores.summary import accuracies, class_names, tested_rows

# A curve with more points would look the same.
MAX_CURVE_ROWS = 200

# Candidate thresholds keep multiples of 5 % of the rows. Every candidate costs certainty.
N_CANDIDATE_COVERAGES = 20


def risk_coverage_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Error rate of the test rows that each model keeps, by threshold of confidence.

    An item is kept if its confidence is at or above the threshold; items of equal confidence are
    kept or rejected together.

    Returns
    -------
    DataFrame
        ``model, threshold, coverage`` (share of items kept), ``risk`` (error rate among them),
        ``balanced_risk`` (mean error rate of the classes that still have items) and ``n_classes``
        (their number); coverage rises to 1, with at most 200 rows per model.

    References
    ----------
    El-Yaniv and Wiener (2010), "On the foundations of noise-free selective classification";
    Geifman and El-Yaniv (2017), "Selective classification for deep neural networks".
    """
    classes = class_names(predictions)
    columns = ["model", "threshold", "coverage", "risk", "balanced_risk", "n_classes"]
    tables = [
        _risk_coverage(rows, confidence, correct, classes).assign(model=model)
        for model, rows, confidence, correct in confident_models(tested_rows(predictions), classes)
    ]
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat(tables, ignore_index=True)[columns]


def aurc(predictions: pd.DataFrame) -> dict[str, float]:
    """Area under the risk–coverage curve of each model on the test rows; lower is better.

    The area is the mean over i = 1 … n of the error rate among the i most confident items. Items
    of equal confidence count in the mean of all orders, so that the order of rows has no effect.

    Returns
    -------
    dict
        Model to area, 0 to 1; models without probabilities are left out.

    References
    ----------
    Geifman, Uziel and El-Yaniv (2019), "Bias-reduced uncertainty estimation for deep neural
    classifiers".
    """
    models = confident_models(tested_rows(predictions), class_names(predictions))
    return {model: _area(confidence, correct) for model, _, confidence, correct in models}


def choose_threshold(validation_predictions: pd.DataFrame, max_risk: float) -> float | None:
    """Smallest threshold at which validation rows show an error rate of at most `max_risk`.

    The 95 % upper Clopper–Pearson bound of the error rate must not exceed it. Candidates are
    the thresholds that keep 100 %, 95 % … 5 % of the rows. The allowed doubt is divided by their
    number, so that the bound holds for the chosen one. Geifman and El-Yaniv search by bisection
    instead, which fails on a few hundred rows: too few rows are left in the upper half for any
    bound to hold, and the lower half is never searched.

    The bound assumes independent rows. Rows of one group resemble each other, and the weights of
    a hybrid were chosen on the same rows, so with few groups the true error can be higher.

    Parameters
    ----------
    validation_predictions : DataFrame
        The `predictions` schema: validation rows of one model and one fold.

    Returns
    -------
    float or None
        None if no threshold meets the bound.

    References
    ----------
    Geifman and El-Yaniv (2017), "Selective classification for deep neural networks", algorithm 1.
    """
    if validation_predictions.empty:
        raise ValueError("There are no validation rows to choose a threshold on")
    confidence = confidence_of(validation_predictions, class_names(validation_predictions))
    known = np.isfinite(confidence)
    if not known.any():
        return None
    correct = is_correct(validation_predictions)[known]
    thresholds, n_kept, n_errors = _selections(confidence[known], correct)
    n_most = n_kept[-1] * np.arange(1, N_CANDIDATE_COVERAGES + 1) // N_CANDIDATE_COVERAGES
    candidates = np.unique(np.searchsorted(n_kept, n_most, side="right") - 1)
    candidates = candidates[candidates >= 0]
    doubt = (1.0 - CONFIDENCE) / len(candidates)
    bounds = upper_error_bound(n_errors[candidates], n_kept[candidates], doubt)
    shown = candidates[bounds <= max_risk]
    return float(thresholds[shown.max()]) if shown.size else None


def upper_error_bound(n_errors: ArrayLike, n_items: ArrayLike, doubt: float) -> NDArray[np.float64]:
    """One-sided Clopper–Pearson bound of an error rate, (n_bounds,).

    The rate at which so few errors have the probability `doubt`; 1 if all are errors.

    References
    ----------
    Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case
    of the binomial".
    """
    wrong = np.asarray(n_errors, dtype=np.float64)
    right = np.asarray(n_items, dtype=np.float64) - wrong
    # The beta distribution is not defined without a success; 1 is the bound then.
    bound = betaincinv(wrong + 1, np.maximum(right, 1), 1 - doubt)
    return np.where(right > 0, bound, 1.0)


def reject_thresholds(
    predictions: pd.DataFrame, *, reject_below: float | None, max_risk: float | None
) -> dict[str, float | None]:
    """Threshold of each fold: `reject_below`, or one chosen on the fold's validation rows.

    Each fold has its own, because validation rows of one fold are test rows of another. It is
    None if no threshold meets `max_risk`.
    """
    folds = predictions.groupby("fold", sort=False)
    if max_risk is None:
        return {str(fold): reject_below for fold in folds.groups}
    return {
        str(fold): choose_threshold(rows[rows["role"] == "validation"], max_risk)
        for fold, rows in folds
    }


def rejection(predictions: pd.DataFrame, thresholds: Mapping[str, float | None]) -> dict[str, Any]:
    """Score the test rows of one model that a threshold of confidence keeps.

    Parameters
    ----------
    predictions : DataFrame
        The `predictions` schema, one model; only test rows are used.
    thresholds : mapping of fold to float or None
        Items with less or unknown confidence are rejected. None rejects everything.

    Returns
    -------
    dict
        Plain Python: ``threshold`` (as given), ``n, n_rejected, coverage`` (share kept),
        ``accuracy, balanced_accuracy`` of the kept rows (None without any), ``accuracy_of_all,
        balanced_accuracy_of_all``, ``rejected_by_class`` (items by true class) and
        ``absent_classes`` (with test items but none kept, so that the balanced accuracy of the
        kept rows does not cover them).
    """
    tested = tested_rows(predictions)
    classes = class_names(tested)
    by_fold = {str(fold): thresholds[str(fold)] for fold in tested["fold"].unique()}
    limits = {fold: np.inf if limit is None else limit for fold, limit in by_fold.items()}
    # Comparisons with a missing confidence are false, so such items are rejected.
    kept = confidence_of(tested, classes) >= tested["fold"].astype(str).map(limits).to_numpy(float)
    scores = label_scores(tested["target"], tested["predicted"], classes)
    supports = {name: scores["per_class"][name]["support"] for name in classes}
    left = tested.loc[kept, "target"].astype(str).value_counts()
    return {
        "threshold": by_fold,
        "n": len(tested),
        "n_rejected": int((~kept).sum()),
        "coverage": float(kept.mean()),
        **(
            accuracies(tested[kept], classes)
            if kept.any()
            else {"accuracy": None, "balanced_accuracy": None}
        ),
        "accuracy_of_all": scores["accuracy"],
        "balanced_accuracy_of_all": scores["balanced_accuracy"],
        "rejected_by_class": {name: n - int(left.get(name, 0)) for name, n in supports.items()},
        "absent_classes": [name for name, n in supports.items() if n > 0 and name not in left],
    }


def _selections(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct thresholds in falling order, with the items and errors at or above each."""
    distinct, place, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    errors = np.bincount(place, weights=~correct, minlength=len(distinct)).astype(np.int64)
    return distinct[::-1], counts[::-1].cumsum(), errors[::-1].cumsum()


def _risk_coverage(
    rows: pd.DataFrame,
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    classes: list[str],
) -> pd.DataFrame:
    thresholds, n_kept, n_errors = _selections(confidence, correct)
    steps = np.linspace(0, len(thresholds) - 1, min(len(thresholds), MAX_CURVE_ROWS))
    drawn = np.round(steps).astype(int)
    n_items, n_wrong = (
        counts[drawn] for counts in _class_counts(rows, confidence, correct, classes)
    )
    return pd.DataFrame(
        {
            "threshold": thresholds[drawn],
            "coverage": n_kept[drawn] / len(rows),
            "risk": n_errors[drawn] / n_kept[drawn],
            # The mean over the classes of their error rates.
            "balanced_risk": mean_recall(n_items, n_wrong),
            "n_classes": (n_items > 0).sum(axis=1),
        }
    )


def _class_counts(
    rows: pd.DataFrame,
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    classes: list[str],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Items and errors of each class at or above each threshold, (n_thresholds, n_classes)."""
    targets = class_indices(rows["target"], classes, "target")
    distinct, place = np.unique(confidence, return_inverse=True)
    counts = np.zeros((2, len(distinct), len(classes)), dtype=np.intp)
    np.add.at(counts[0], (place, targets), 1)
    np.add.at(counts[1], (place[~correct], targets[~correct]), 1)
    n_items, n_errors = counts[:, ::-1].cumsum(axis=1)
    return n_items, n_errors


def _area(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    _, n_kept, n_errors = _selections(confidence, correct)
    n_first = np.arange(1, n_kept[-1] + 1)
    # Linear interpolation gives the mean over all orders of equally confident items.
    errors_among = np.interp(n_first, np.append(0, n_kept), np.append(0, n_errors))
    return float(np.mean(errors_among / n_first))
