"""Confidence: the probability that a model gives to the label it predicts.

Rows of several folds are pooled. Classes missing from a fold have the probability zero there;
items without any probability are left out.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.evaluation.scores.classification import class_indices
from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX


def confidence_of(predictions: pd.DataFrame, classes: list[str]) -> NDArray[np.float64]:
    """Probability of the predicted label, (n_rows,); missing where a row has no probability."""
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in classes]
    probabilities = predictions[columns].to_numpy(dtype=np.float64)
    known = np.flatnonzero(np.isfinite(probabilities).any(axis=1))
    guesses = class_indices(predictions["predicted"].iloc[known], classes, "predicted")
    confidence = np.full(len(predictions), np.nan)
    confidence[known] = np.nan_to_num(probabilities[known, guesses], nan=0.0)
    return confidence


def is_correct(predictions: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether the predicted label is the target, (n_rows,)."""
    target, predicted = (predictions[name].astype(str) for name in ("target", "predicted"))
    return (target == predicted).to_numpy()


def confident_models(
    predictions: pd.DataFrame, classes: list[str]
) -> Iterator[tuple[str, pd.DataFrame, NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield each model, its rows with probabilities, their confidence and correctness."""
    for model, rows in predictions.groupby("model", sort=False):
        confidence = confidence_of(rows, classes)
        known = np.isfinite(confidence)
        if known.any():
            yield str(model), rows[known], confidence[known], is_correct(rows)[known]
