"""RBF support vector machines with calibrated probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.recall import balanced_accuracy
from disentangled_audio.models.calibration import (
    MAX_TEMPERATURE,
    fit_temperature,
    scaled_probabilities,
)
from disentangled_audio.parameters import SvmParameters

# Rows that are predicted at once; limits the memory for their kernel.
_PREDICTED_ROWS = 8192

# Indices of the fitted and of the held-out rows.
_Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Rows:
    """Features, class names and groups of rows; inner folds keep a group together if they can."""

    features: NDArray[np.float64]
    target: NDArray[np.object_]
    group: NDArray[np.object_]

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            np.concatenate([self.features, other.features]),
            np.concatenate([self.target, other.target]),
            np.concatenate([self.group, other.group]),
        )

    def __getitem__(self, index: NDArray[Any]) -> Rows:
        return Rows(self.features[index], self.target[index], self.group[index])

    def __len__(self) -> int:
        return len(self.target)


def has_features(features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows with at least one feature that is not NaN, (n_rows,)."""
    return np.logical_not(np.isnan(features).all(axis=1))


class CalibratedSvm(ClassifierMixin, BaseEstimator):
    """A fitted SVM and the temperature of its probabilities.

    Parameters
    ----------
    svm : Pipeline
        Fitted SVM, exact or approximate; its decision values are the logits.
    temperature : float
    """

    def __init__(self, svm: Pipeline, temperature: float) -> None:
        self.svm = svm
        self.temperature = temperature

    @property
    def classes_(self) -> NDArray[Any]:
        """Class names, in the order of the probability columns."""
        return self.svm.classes_

    def predict_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities, (n_rows, n_classes).

        The SVM does not apply to a row whose features are all NaN, such as the decay of a recording
        without one; its probabilities are NaN.
        """
        probabilities = np.full((len(features), len(self.classes_)), np.nan)
        known = has_features(features)
        if known.any():
            logits = _logits(self.svm, features[known])
            probabilities[known] = scaled_probabilities(logits, self.temperature)
        return probabilities

    def predict(self, features: NDArray[np.float64]) -> NDArray[Any]:
        """Most probable class of each row; every row must have features."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


def search_svm(rows: Rows, parameters: SvmParameters, seed: int) -> dict[str, float]:
    """Choose C and gamma by inner cross-validation over groups.

    Parameters
    ----------
    rows : Rows
        Training rows; of more than `max_search_rows`, a random part is used.
    parameters : SvmParameters
    seed : int

    Returns
    -------
    dict
        `C` and `gamma` with the best mean balanced accuracy over the inner folds.
    """
    rows = _sample(rows, parameters.max_search_rows, seed)
    # After standardisation, scikit-learn's gamma="scale" is 1 / n_features.
    gammas = [scale / rows.features.shape[1] for scale in parameters.gamma_scale]
    folds = _inner_folds(rows, parameters.inner_folds, seed)
    # BLAS threads within workers make the search ten times slower on two cores.
    with threadpool_limits(1):
        scores = Parallel(parameters.n_jobs)(
            delayed(_fold_scores)(rows, train, held_out, parameters.C, gammas)
            for train, held_out in folds
        )
    row, column = np.unravel_index(np.mean(scores, axis=0).argmax(), np.shape(scores)[1:])
    return {"C": parameters.C[row], "gamma": gammas[column]}


def _fold_scores(
    rows: Rows,
    train: NDArray[np.integer],
    held_out: NDArray[np.integer],
    C: list[float],
    gammas: list[float],
) -> NDArray[np.float64]:
    """Balanced accuracy on held-out rows, (n_C, n_gammas).

    All candidates share one distance matrix from BLAS, which is six times faster than libsvm's own
    kernel for hundreds of features and twice as fast for tens.
    """
    target = rows.target[train]
    with threadpool_limits(1):
        scaler = StandardScaler().fit(rows.features[train])
        inside, outside = (scaler.transform(rows.features[part]) for part in (train, held_out))
        between_rows = euclidean_distances(inside, squared=True)
        to_held_out = euclidean_distances(outside, inside, squared=True)
        scores = np.empty((len(C), len(gammas)))
        for column, gamma in enumerate(gammas):
            kernel, held_out_kernel = np.exp(-gamma * between_rows), np.exp(-gamma * to_held_out)
            for row, weight in enumerate(C):
                svm = SVC(C=weight, kernel="precomputed", class_weight="balanced", cache_size=500)
                predicted = svm.fit(kernel, target).predict(held_out_kernel)
                scores[row, column] = balanced_accuracy(rows.target[held_out], predicted)
    return scores


def n_landmarks_for(n_rows: int, parameters: SvmParameters) -> int | None:
    """Number of landmarks of the approximated kernel; None for few rows, with an exact kernel."""
    return parameters.n_landmarks if n_rows > parameters.max_exact_rows else None


def fit_svm(
    rows: Rows,
    chosen: dict[str, float],
    augmented: Rows | None = None,
    n_landmarks: int | None = None,
    seed: int = 0,
) -> Pipeline:
    """Fit an SVM with chosen parameters.

    Parameters
    ----------
    rows : Rows
    chosen : dict
        `C` and `gamma`.
    augmented : Rows, optional
        Additional rows to fit.
    n_landmarks : int, optional
        Number of random rows that approximate the kernel; the kernel is exact by default.
    seed : int
        Seed of that draw.

    Returns
    -------
    Pipeline
        Scaler, kernel features (only with landmarks) and SVM.

    References
    ----------
    Williams and Seeger (2001), "Using the Nyström method to speed up kernel machines", NIPS 13.
    """
    if augmented is not None:
        rows = rows + augmented
    if n_landmarks is None:
        svm = make_pipeline(
            StandardScaler(), SVC(**chosen, class_weight="balanced", cache_size=500)
        )
    else:
        svm = _approximate_svm(chosen, min(n_landmarks, len(rows)), seed)
    with threadpool_limits(1):
        return svm.fit(rows.features, rows.target)


def calibrated_temperature(svm: Pipeline, rows: Rows) -> float:
    """Temperature of an SVM's probabilities, fitted on rows that the SVM has not seen."""
    truth = np.searchsorted(svm.classes_, rows.target)
    return fit_temperature(_logits(svm, rows.features), truth, MAX_TEMPERATURE)


def _approximate_svm(chosen: dict[str, float], n_landmarks: int, seed: int) -> Pipeline:
    return make_pipeline(
        StandardScaler(),
        Nystroem(gamma=chosen["gamma"], n_components=n_landmarks, random_state=seed),
        # With more rows than features, the primal problem is smaller; it needs no seed.
        LinearSVC(C=chosen["C"], class_weight="balanced", dual=False),
    )


def _logits(svm: Pipeline, features: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.concatenate(
        [
            svm.decision_function(features[first : first + _PREDICTED_ROWS])
            for first in range(0, len(features), _PREDICTED_ROWS)
        ]
    )
    # Two classes give one column: the margin of the second.
    return np.stack([-values, values], axis=1) if values.ndim == 1 else values


def _sample(rows: Rows, max_rows: int, seed: int) -> Rows:
    if len(rows) <= max_rows:
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), max_rows, replace=False)
    return rows[np.sort(chosen)]


def _inner_folds(rows: Rows, n_folds: int, seed: int) -> list[_Fold]:
    """Folds over groups whose training parts have every class; over rows if there are none.

    Raises
    ------
    UserError
        If there are none over rows either, because classes have a single row.
    """
    names, counts = np.unique(rows.target, return_counts=True)
    # scikit-learn refuses more folds than the largest class has rows.
    n_grouped = min(n_folds, len(np.unique(rows.group)), counts.max())
    n_plain = max(2, min(n_folds, counts.min()))
    whole: list[_Fold] = []
    with warnings.catch_warnings():
        # `_whole` removes folds that lack a small class.
        warnings.filterwarnings("ignore", message="The least populated class")
        if n_grouped > 1:
            splitter = StratifiedGroupKFold(n_grouped, shuffle=True, random_state=seed)
            whole = _whole(rows, splitter.split(rows.features, rows.target, rows.group))
        if not whole and counts.max() > 1:
            splitter = StratifiedKFold(n_plain, shuffle=True, random_state=seed)
            whole = _whole(rows, splitter.split(rows.features, rows.target))
    if not whole:
        raise UserError(
            f"class {', '.join(map(str, names[counts == 1]))} has a single training row; the "
            "search for an SVM needs two. Leave the class out (protocol.where), or use another fold"
        )
    return whole


def _whole(rows: Rows, folds: Iterable[_Fold]) -> list[_Fold]:
    classes = set(rows.target)
    return [(train, out) for train, out in folds if set(rows.target[train]) == classes]
