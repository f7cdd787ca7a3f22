"""Settings of support vector machines, chosen and calibrated on groups that no fit had seen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from disentangled_audio.models.calibration import MAX_TEMPERATURE, error_rate, fit_temperature
from disentangled_audio.models.intercepts import centre_intercepts
from disentangled_audio.models.svm import (
    CalibratedSvm,
    Rows,
    fit_svm,
    logits_and_distances,
)
from disentangled_audio.parameters import SvmParameters

# Indices of the fitted and of the held-out rows.
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
# Balanced accuracies that differ by less are equal but for rounding.
_SAME = 1e-9
# Share of the held-out rows whose distance to the fitted rows counts as usual.
_USUAL = 0.95


@dataclass(frozen=True)
class Copies:
    """Altered copies of rows, with the index of the row that each was made from."""

    rows: Rows
    origin: NDArray[np.intp]


def fit_calibrated(
    rows: Rows,
    is_training: NDArray[np.bool_],
    parameters: SvmParameters,
    seed: int,
    *,
    copies: Copies | None = None,
    learned: Rows | None = None,
) -> tuple[CalibratedSvm, CalibratedSvm, float]:
    """Choose settings, calibrate, and refit to all rows.

    Parameters
    ----------
    rows : Rows
        Training and validation rows.
    is_training : (n_rows,)
    parameters : SvmParameters
        Of more than `max_search_rows` rows, a random part chooses the settings, and the validation
        rows alone calibrate.
    seed : int
    copies : Copies, optional
        Additional rows to fit.
    learned : Rows, optional
        The same rows with features that were also learned from the validation rows, for the refit.
        Those of `rows` then were learned from the training rows, which judge nothing.

    Returns
    -------
    CalibratedSvm, CalibratedSvm
        Fitted to the training rows, and refitted to all rows with the same settings and
        temperature.
    float
        Error rate (`calibration.error_rate`) on the rows that calibrate.
    """
    split: Fold = (np.flatnonzero(is_training), np.flatnonzero(~is_training))
    chosen = search_svm(rows, _search_folds(rows, split, learned, parameters, seed), parameters)
    n_fitted = len(rows) + (0 if copies is None else len(copies.rows))
    # All fits are exact or all approximate, since they share a temperature.
    n_landmarks = parameters.n_landmarks if n_fitted > parameters.max_exact_rows else None

    def fit(own: Rows, index: NDArray[np.intp]) -> Pipeline:
        fitted = own[index]
        if copies is not None:
            fitted += copies.rows[np.isin(copies.origin, index)]
        return fit_svm(fitted, chosen, n_landmarks, seed)

    judge = fit(rows, split[0])
    folds = []
    if learned is None and len(split[0]) <= parameters.max_search_rows:
        folds = grouped_folds(rows, parameters.inner_folds, seed)
    judged = [(fit(rows, fitted), held_out) for fitted, held_out in folds] or [(judge, split[1])]
    calibration, errors = _calibration(rows, judged)
    final = fit(rows if learned is None else learned, np.arange(len(rows)))
    return CalibratedSvm(judge, *calibration), CalibratedSvm(final, *calibration), errors


def _search_folds(
    rows: Rows, split: Fold, learned: Rows | None, parameters: SvmParameters, seed: int
) -> list[Fold]:
    """Validation rows judge settings, and so do training groups if no feature was learned there."""
    training, validation = (_sample(part, parameters.max_search_rows, seed) for part in split)
    if learned is not None:
        return [(training, validation)]
    folds = grouped_folds(rows[training], parameters.inner_folds, seed)
    inner = [(training[fitted], training[held_out]) for fitted, held_out in folds]
    return [(training, validation), *inner]


def _calibration(
    rows: Rows, judged: list[tuple[Pipeline, NDArray[np.intp]]]
) -> tuple[tuple[float, int, float], float]:
    """Temperature, number of rows behind it and usual distance, from rows that no fit had seen; and
    the error rate on these."""
    found = [logits_and_distances(svm, rows.features[held_out]) for svm, held_out in judged]
    logits, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    seen = rows[np.concatenate([held_out for _, held_out in judged])]
    truth = np.searchsorted(judged[0][0].classes_, seen.target)
    usual = max(float(np.quantile(distance, _USUAL)), np.finfo(np.float64).tiny)
    errors = error_rate(truth, logits.argmax(axis=1), seen.group)
    return (fit_temperature(logits, truth, MAX_TEMPERATURE), len(truth), usual), errors


def grouped_folds(rows: Rows, n_folds: int, seed: int) -> list[Fold]:
    """Folds over groups, without those that fit no row of some class.

    Parameters
    ----------
    rows : Rows
    n_folds : int
        At most; there are no more folds than groups.
    seed : int

    Returns
    -------
    list of (n_fitted,), (n_held_out,)
        Indices of rows; empty if some class has a single group.
    """
    # scikit-learn refuses more folds than the largest class has rows.
    largest_class = np.unique(rows.target, return_counts=True)[1].max()
    n_possible = min(n_folds, len(np.unique(rows.group)), largest_class)
    if n_possible < 2:
        return []
    splitter = StratifiedGroupKFold(n_possible, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        folds = list(splitter.split(rows.features, rows.target, rows.group))
    classes = set(rows.target)
    return [fold for fold in folds if set(rows.target[fold[0]]) == classes]


def search_svm(rows: Rows, folds: list[Fold], parameters: SvmParameters) -> dict[str, float]:
    """Choose C and gamma by their balanced accuracy on held-out rows.

    Differences between good candidates are mostly chance. So of all candidates that are not worse
    than the best by more than one standard error of the difference, the one with the widest kernel
    (smallest gamma) is chosen, then the one with the largest C. A wide kernel is the smoother
    choice: a narrow one may be as good on recordings like those of the training, and then fail on
    others, such as those at another distance from the microphone.

    Parameters
    ----------
    rows : Rows
    folds : list of (n_fitted,), (n_held_out,)
    parameters : SvmParameters

    Returns
    -------
    dict
        `C` and `gamma`.

    References
    ----------
    Breiman et al. (1984), "Classification and regression trees", 3.4.3, the one standard error
    rule.
    """
    # After standardisation, scikit-learn's gamma="scale" is 1 / n_features.
    gammas = [scale / rows.features.shape[1] for scale in parameters.gamma_scale]
    # BLAS threads within workers make the search ten times slower on two cores.
    with threadpool_limits(1):
        hits = Parallel(parameters.n_jobs)(
            delayed(_fold_hits)(rows, fit, held_out, parameters.C, gammas)
            for fit, held_out in folds
        )
    judged = np.concatenate([held_out for _, held_out in folds])
    scores = _scores_by_group(np.concatenate(hits), rows[judged])
    row, column = _smoothest_of_best(scores)
    return {"C": parameters.C[row], "gamma": gammas[column]}


def _fold_hits(
    rows: Rows,
    fit: NDArray[np.integer],
    held_out: NDArray[np.integer],
    C: list[float],
    gammas: list[float],
) -> NDArray[np.bool_]:
    """Whether each held-out row is recognised, (n_held_out, n_C, n_gammas).

    All candidates share one distance matrix from BLAS, which is six times faster than libsvm's own
    kernel for hundreds of features and twice as fast for tens.
    """
    target = rows.target[fit]
    hits = np.empty((len(held_out), len(C), len(gammas)), dtype=bool)
    with threadpool_limits(1):
        scaler = StandardScaler().fit(rows.features[fit])
        inside, outside = (scaler.transform(rows.features[part]) for part in (fit, held_out))
        between_rows = euclidean_distances(inside, squared=True)
        to_held_out = euclidean_distances(outside, inside, squared=True)
        for column, gamma in enumerate(gammas):
            kernel, held_out_kernel = np.exp(-gamma * between_rows), np.exp(-gamma * to_held_out)
            for row, weight in enumerate(C):
                svm = SVC(C=weight, kernel="precomputed", class_weight="balanced", cache_size=500)
                centre_intercepts(svm.fit(kernel, target), kernel, target)
                hits[:, row, column] = svm.predict(held_out_kernel) == rows.target[held_out]
    return hits


def _scores_by_group(hits: NDArray[np.bool_], rows: Rows) -> NDArray[np.float64]:
    """Part of each group and class in the balanced accuracy of each candidate; they add up to it.

    The rows of a group and class are alike, and so are the answers to them: they count as one.
    """
    _, of_class, in_class = np.unique(rows.target, return_inverse=True, return_counts=True)
    weight = 1 / (in_class[of_class] * len(in_class))
    _, of_group = np.unique(rows.group, return_inverse=True)
    _, part = np.unique(of_group * len(in_class) + of_class, return_inverse=True)
    scores = np.zeros((part.max() + 1, *hits.shape[1:]))
    np.add.at(scores, part, weight[:, None, None] * hits)
    return scores


def _smoothest_of_best(scores: NDArray[np.float64]) -> tuple[int, int]:
    """Row and column of the chosen candidate, from its parts (n_parts, n_C, n_gammas)."""
    total = scores.sum(axis=0)
    best = np.unravel_index(total.argmax(), total.shape)
    loss = scores[(slice(None), *best)][:, None, None] - scores
    n_parts = len(scores)
    error = np.sqrt(n_parts) * loss.std(axis=0, ddof=min(1, n_parts - 1))
    rows, columns = np.nonzero(loss.sum(axis=0) <= error + _SAME)
    chosen = np.lexsort((-rows, columns))[0]
    return int(rows[chosen]), int(columns[chosen])


def _sample(rows: NDArray[np.intp], max_rows: int, seed: int) -> NDArray[np.intp]:
    if len(rows) <= max_rows:
        return rows
    return np.random.default_rng(seed).choice(rows, max_rows, replace=False)
