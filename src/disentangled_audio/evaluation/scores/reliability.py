"""How well confidence matches accuracy, before and after calibration.

The `predictions` table has two columns for this: ``temperature``, by which the model's logits were
divided (missing for the hybrid and where unknown), and ``weight``, the weight of a member in the
hybrid of its fold (missing for other models); the hybrid with pretrained weights has a column too.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from disentangled_audio.evaluation.scores.classification import (
    N_CALIBRATION_BINS,
    SMALLEST_PROBABILITY,
    expected_calibration_error,
)
from disentangled_audio.evaluation.scores.confidence import (
    confidence_of,
    confident_models,
    is_correct,
)
from disentangled_audio.evaluation.scores.pooling import pooled_logits
from disentangled_audio.evaluation.scores.summary import (
    PROBABILITY_PREFIX,
    WEIGHTS,
    class_names,
    tested_rows,
)

STAGES = ("before", "after")
WEIGHT_TOLERANCE = 1e-3


def uncalibrated(predictions: pd.DataFrame) -> pd.DataFrame:
    """Undo the calibration of predictions.

    Calibrated probabilities p are softmax(z / temperature) of logits z, so softmax(temperature ×
    log p) restores softmax(z), but for probabilities at their lower limit. The order of the classes
    stays, and with it the predicted label of a member. A hybrid becomes the weighted geometric
    mean of its members' uncalibrated probabilities.

    Returns
    -------
    DataFrame
        The same rows and columns. The temperature is 1 where it was known. If it was unknown, or
        members of unknown temperature have weight in the hybrid, the probabilities are missing
        and the predicted label stays.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks", eq. 9.
    """
    classes = class_names(predictions)
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in classes]
    calibrated = predictions[columns].to_numpy(dtype=np.float64)
    is_hybrid = predictions["model"].isin(WEIGHTS).to_numpy()
    temperature = predictions["temperature"].to_numpy(dtype=np.float64)

    probabilities = _without_temperature(calibrated, temperature)
    for hybrid, weight in WEIGHTS.items():
        rows = (predictions["model"] == hybrid).to_numpy()
        if rows.any():
            probabilities[rows] = _fused(predictions, probabilities, weight)[rows]
    known = np.isfinite(probabilities).all(axis=1)

    table = predictions.copy()
    table["temperature"] = np.where(np.isnan(temperature), np.nan, 1.0)
    renamed = known & is_hybrid
    names = np.asarray(classes, dtype=object)
    table.loc[renamed, "predicted"] = names[probabilities[renamed].argmax(axis=1)]
    table[columns] = np.where(np.isnan(calibrated), np.nan, probabilities)
    return table


def reliability_table(predictions: pd.DataFrame, n_bins: int = N_CALIBRATION_BINS) -> pd.DataFrame:
    """Accuracy by confidence on the test rows, before and after calibration.

    Parameters
    ----------
    predictions : DataFrame
        The `predictions` schema with ``temperature`` and ``weight``; only test rows are used.

    Returns
    -------
    DataFrame
        ``model, stage`` (before, after), ``bin_low, bin_high, confidence`` and ``accuracy``
        (means, missing in an empty bin), ``n`` (items); every bin of every model and stage. A
        model without known probabilities before calibration has only the stage ``after``.

    References
    ----------
    Niculescu-Mizil and Caruana (2005), "Predicting good probabilities with supervised learning".
    """
    columns = ["model", "stage", "bin_low", "bin_high", "confidence", "accuracy", "n"]
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    tables = []
    for model, stage, confidence, correct in _stages(predictions):
        bins = np.digitize(confidence, edges[1:-1], right=True)
        n_items = np.bincount(bins, minlength=n_bins)
        sums = [np.bincount(bins, weights=w, minlength=n_bins) for w in (confidence, correct)]
        means = [_quotient(total, n_items) for total in sums]
        found = (model, stage, edges[:-1], edges[1:], *means, n_items)
        tables.append(pd.DataFrame(dict(zip(columns, found, strict=True))))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def ece_by_stage(predictions: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Expected calibration error of each model on the test rows, before and after calibration.

    Returns
    -------
    dict
        Model to ``{before, after}``, 0 to 1; None if the probabilities are unknown.
    """
    errors: dict[str, dict[str, float | None]] = {
        str(model): dict.fromkeys(STAGES) for model in tested_rows(predictions)["model"].unique()
    }
    for model, stage, confidence, correct in _stages(predictions):
        errors[model][stage] = expected_calibration_error(confidence, correct)
    return errors


def _without_temperature(
    probabilities: NDArray[np.float64], temperature: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Softmax of temperature × log probability, (n_rows, n_classes); missing where unknown."""
    given = np.nan_to_num(probabilities, nan=0.0)
    known = np.isfinite(temperature) & (given.sum(axis=1) > 0)
    result = np.full(given.shape, np.nan)
    with np.errstate(divide="ignore"):
        # A probability of zero has the logit −∞ and stays zero.
        logits = np.log(given[known])
    result[known] = softmax(temperature[known, np.newaxis] * logits, axis=1)
    return result


def _fused(
    predictions: pd.DataFrame, probabilities: NDArray[np.float64], weight: str
) -> NDArray[np.float64]:
    """Weighted geometric mean of the members' probabilities for the item and fold of every row.

    Missing unless members with probabilities have all the weight.
    """
    keys = ["fold", "model", "recording_id"]
    if (twice := predictions.duplicated(keys)).any():
        fold, model, recording = predictions.loc[twice, keys].iloc[0]
        raise ValueError(f"{model} has several rows of {recording} in fold {fold}")
    fused = np.full(probabilities.shape, np.nan)
    is_member = ((predictions[weight] > 0) & ~predictions["model"].isin(WEIGHTS)).to_numpy()
    for rows in predictions.groupby(predictions["fold"].to_numpy()).indices.values():
        item, names = pd.factorize(predictions["recording_id"].iloc[rows])
        by_model = predictions.iloc[rows].groupby("model", sort=False).indices.values()
        members = [places for places in by_model if is_member[rows[places[0]]]]
        weights = np.array([predictions[weight].iloc[rows[places[0]]] for places in members])
        if abs(weights.sum() - 1.0) > WEIGHT_TOLERANCE:
            continue
        logs = np.full((len(members), len(names), probabilities.shape[1]), np.nan)
        for log, places in zip(logs, members, strict=True):
            given = probabilities[rows[places]]
            log[item[places]] = np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0))
        mean = softmax(pooled_logits(weights, logs), axis=1)
        mean[np.isnan(logs).any(axis=(0, 2))] = np.nan
        fused[rows] = mean[item]
    return fused


def _stages(
    predictions: pd.DataFrame,
) -> Iterator[tuple[str, str, NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield the confidence and correctness of each model on test rows, by stage if known."""
    tested = tested_rows(predictions).reset_index(drop=True)
    classes = class_names(tested)
    before = uncalibrated(tested)
    for model, rows, confidence, correct in confident_models(tested, classes):
        same_rows = before.loc[rows.index]
        confidence_before = confidence_of(same_rows, classes)
        # With only some rows, the two stages would not be comparable.
        if np.isfinite(confidence_before).all():
            yield model, "before", confidence_before, is_correct(same_rows)
        yield model, "after", confidence, correct


def _quotient(total: NDArray[np.number], n_items: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean of each bin, missing where it is empty."""
    result = np.full(len(n_items), np.nan)
    return np.divide(total, n_items, out=result, where=n_items > 0)
