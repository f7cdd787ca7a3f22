"""Scores of one set of predictions, as plain Python numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disentangled_audio.evaluation.scores.recall import mean_recall

# Guo et al. use 15 bins for their tables.
N_CALIBRATION_BINS = 15
# Probabilities below the resolution of float32 are raised to it, to keep the log loss finite.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
ROW_SUM_TOLERANCE = 1e-3


def class_indices(
    labels: ArrayLike, classes: Sequence[str], what: str = "labels"
) -> NDArray[np.intp]:
    """Position of each label, compared as text, in the list of classes, (n_items,).

    A label that is not one of the classes is a ValueError that names it, and `what` the labels are.
    """
    positions = {str(name): index for index, name in enumerate(classes)}
    names = [str(label) for label in np.asarray(labels, dtype=object)]
    unknown = sorted(set(names) - set(positions))
    if unknown:
        raise ValueError(
            f"{what} has labels that are not among the classes {list(classes)}: {unknown}"
        )
    return np.array([positions[name] for name in names], dtype=np.intp)


def confusion_counts(
    target: ArrayLike, predicted: ArrayLike, classes: Sequence[str]
) -> NDArray[np.int64]:
    """Count items by true class (rows) and predicted class (columns), (n_classes, n_classes)."""
    rows = class_indices(target, classes, "target")
    columns = class_indices(predicted, classes, "predicted")
    if len(rows) != len(columns):
        raise ValueError(f"{len(rows)} targets but {len(columns)} predictions")
    n_classes = len(classes)
    cells = np.bincount(rows * n_classes + columns, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)


def expected_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, n_bins: int = N_CALIBRATION_BINS
) -> float:
    """Mean distance between confidence and accuracy over equal-width bins of confidence.

    The bins of [0, 1], each closed on the right, are weighted by their items; 0 is calibrated.

    Parameters
    ----------
    confidence : (n_items,)
        Probability of the predicted class, 0 to 1.
    correct : (n_items,) of bool

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks", eq. 3.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=np.float64)
    inner_edges = np.linspace(0.0, 1.0, n_bins + 1)[1:-1]
    bins = np.digitize(confidence, inner_edges, right=True)
    # |accuracy − confidence| times the share of items is |sum of differences| / n_items.
    gaps = np.bincount(bins, weights=correct - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def log_loss(target: ArrayLike, probabilities: ArrayLike, classes: Sequence[str]) -> float:
    """Mean negative natural logarithm of the probability of the true class.

    In nats; a uniform guess has ln(n_classes). Probabilities (n_items, n_classes), with columns in
    the order of `classes`, are clipped from below at 1.2e-7 to stay finite.
    """
    columns = class_indices(target, classes, "target")
    of_target = np.asarray(probabilities, dtype=np.float64)[np.arange(len(columns)), columns]
    return float(-np.log(np.clip(of_target, SMALLEST_PROBABILITY, 1.0)).mean())


def per_class_scores(
    counts: NDArray[np.int64], classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support of each class.

    Parameters
    ----------
    counts : (n_classes, n_classes)
        Confusion counts, true classes in rows.

    Returns
    -------
    dict
        Class name to ``{precision, recall, f1, support}``. None for the precision of a class
        never predicted and the recall of a class without items.
    """
    hits = np.diag(counts)
    support = counts.sum(axis=1)
    guesses = counts.sum(axis=0)
    return {
        str(name): {
            "precision": _ratio(hits[i], guesses[i]),
            "recall": _ratio(hits[i], support[i]),
            "f1": _ratio(2 * hits[i], support[i] + guesses[i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(classes)
    }


def label_scores(target: ArrayLike, predicted: ArrayLike, classes: Sequence[str]) -> dict[str, Any]:
    """Scores that need only labels.

    Balanced accuracy (mean recall) and macro-F1 are means over the classes that occur in
    `target`; the others are listed, because fewer classes are an easier task.

    Returns
    -------
    dict
        ``accuracy, balanced_accuracy, macro_f1`` (0 to 1), ``per_class``, ``absent_classes``.
    """
    counts = confusion_counts(target, predicted, classes)
    n_items = counts.sum()
    if n_items == 0:
        raise ValueError("No items to score")
    per_class = per_class_scores(counts, classes)
    support = counts.sum(axis=1)
    present = support > 0
    f1 = [row["f1"] for row in per_class.values() if row["support"] > 0]
    return {
        "accuracy": float(np.trace(counts) / n_items),
        "balanced_accuracy": float(mean_recall(support[present], np.diag(counts)[present])),
        "macro_f1": float(np.mean(f1)),
        "per_class": per_class,
        "absent_classes": [name for name, row in per_class.items() if row["support"] == 0],
    }


def score(
    target: ArrayLike,
    predicted: ArrayLike,
    probabilities: ArrayLike | None,
    classes: Sequence[str],
) -> dict[str, Any]:
    """All scores of one model's predictions.

    Parameters
    ----------
    target, predicted : (n_items,)
    probabilities : (n_items, n_classes) or None
        Columns in the order of `classes`. Log loss and calibration error are None if
        probabilities are missing.

    Returns
    -------
    dict
        ``accuracy, balanced_accuracy, macro_f1`` (0 to 1), ``log_loss`` (nats), ``ece`` (0 to 1),
        ``per_class``, ``absent_classes``; plain Python numbers, ready for JSON.
    """
    scores = label_scores(target, predicted, classes)
    if probabilities is None:
        return {**scores, "log_loss": None, "ece": None}
    values = np.asarray(probabilities, dtype=np.float64)
    targets = class_indices(target, classes, "target")
    guesses = class_indices(predicted, classes, "predicted")
    if values.shape != (len(targets), len(classes)):
        expected = (len(targets), len(classes))
        raise ValueError(f"probabilities have shape {values.shape}, expected {expected}")
    if not np.isfinite(values).all():
        return {**scores, "log_loss": None, "ece": None}
    if np.abs(values.sum(axis=1) - 1.0).max() > ROW_SUM_TOLERANCE or values.min() < 0.0:
        raise ValueError("probabilities of an item must not be negative and must sum to one")
    # Calibrated SVMs and fused models may predict another class than the most probable one.
    confidence = values[np.arange(len(guesses)), guesses]
    return {
        **scores,
        "log_loss": log_loss(target, values, classes),
        "ece": expected_calibration_error(confidence, targets == guesses),
    }


def _ratio(numerator: int, denominator: int) -> float | None:
    return float(numerator / denominator) if denominator else None
