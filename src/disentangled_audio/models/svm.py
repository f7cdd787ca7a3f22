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

# Rows whose kernel with all landmarks is held at a time.
_PREDICTED_ROWS = 8192

# Places of the rows that are fitted, and of those that are held out.
_Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    Attributes
    ----------
    features : (n_rows, n_features)
    target : (n_rows,)
        Class names.
    group : (n_rows,)
        Rows of one group stay on one side of an inner fold, wherever such folds exist.
    """

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
    """Rows that have a feature at all, (n_rows,)."""
    return np.logical_not(np.isnan(features).all(axis=1))


class CalibratedSvm(ClassifierMixin, BaseEstimator):
    """A fitted SVM and the temperature of its probabilities.

    Parameters
    ----------
    svm : Pipeline
        Fitted, exact or approximate; its decision values are the logits.
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

        A row whose features are all NaN is none that the SVM applies to, such as the decay of a
        recording that has none; its probabilities are NaN too.
        """
        probabilities = np.full((len(features), len(self.classes_)), np.nan)
        known = has_features(features)
        if known.any():
            logits = _logits(self.svm, features[known])
            probabilities[known] = scaled_probabilities(logits, self.temperature)
        return probabilities

    def predict(self, features: NDArray[np.float64]) -> NDArray[Any]:
        """Most probable class of each row; the rows need features."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


def search_svm(rows: Rows, parameters: SvmParameters, seed: int) -> dict[str, float]:
    """Choose C and gamma by inner cross-validation over groups.

    Parameters
    ----------
    rows : Rows
        Training rows alone; above `max_search_rows` a random part of them is used.
    parameters : SvmParameters
    seed : int

    Returns
    -------
    dict
        `C` and `gamma` with the best mean balanced accuracy over the inner folds.
    """
    rows = _sample(rows, parameters.max_search_rows, seed)
    # After standardisation 1 / n_features is scikit-learn's `scale`.
    gammas = [scale / rows.features.shape[1] for scale in parameters.gamma_scale]
    folds = _inner_folds(rows, parameters.inner_folds, seed)
    # BLAS threads on top of the workers oversubscribe the cores: ten times slower on two.
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

    All candidates share one matrix of distances, which BLAS computes: six times faster than
    libsvm's own kernel where features are hundreds, twice where they are tens.
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
    """Landmarks of the approximated kernel; None for so few rows that the exact one is used."""
    return parameters.n_landmarks if n_rows > parameters.max_exact_rows else None


def fit_svm(
    rows: Rows,
    chosen: dict[str, float],
    augmented: Rows | None = None,
    n_landmarks: int | None = None,
    seed: int = 0,
) -> Pipeline:
    """Fit with chosen parameters.

    Parameters
    ----------
    rows : Rows
    chosen : dict
        `C` and `gamma`.
    augmented : Rows, optional
        Further rows to fit.
    n_landmarks : int, optional
        Approximate the kernel from so many of the rows, drawn at random; exact by default.
    seed : int
        Seed of that draw.

    Returns
    -------
    Pipeline
        Scaler and SVM; with landmarks, the kernel's features stand between them.

    References
    ----------
    Williams and Seeger (2001), "Using the Nyström method to speed up kernel machines", NIPS 13.
    """
    if augmented is not None:
        rows = rows + augmented
    if n_landmarks is None:
        svm = _svm().set_params(**{f"svc__{key}": value for key, value in chosen.items()})
    else:
        svm = _approximate_svm(chosen, min(n_landmarks, len(rows)), seed)
    with threadpool_limits(1):
        return svm.fit(rows.features, rows.target)


def calibrated_temperature(svm: Pipeline, rows: Rows) -> float:
    """Temperature of an SVM's probabilities, from rows that it was not fitted on."""
    truth = np.searchsorted(svm.classes_, rows.target)
    return fit_temperature(_logits(svm, rows.features), truth, MAX_TEMPERATURE)


def _svm() -> Pipeline:
    return make_pipeline(StandardScaler(), SVC(class_weight="balanced", cache_size=500))


def _approximate_svm(chosen: dict[str, float], n_landmarks: int, seed: int) -> Pipeline:
    return make_pipeline(
        StandardScaler(),
        Nystroem(gamma=chosen["gamma"], n_components=n_landmarks, random_state=seed),
        # More rows than features: the primal problem is the smaller one, and needs no seed.
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
    """Folds over groups whose training parts hold every class.

    Where no such fold exists, because a class has but one group, folds are over rows.

    Raises
    ------
    UserError
        If no such fold exists over rows either, because classes have a single row.
    """
    names, counts = np.unique(rows.target, return_counts=True)
    # Scikit-learn refuses more folds than the largest class has rows.
    n_grouped = min(n_folds, len(np.unique(rows.group)), counts.max())
    n_plain = max(2, min(n_folds, counts.min()))
    whole: list[_Fold] = []
    with warnings.catch_warnings():
        # Folds that a small class cannot fill are left out below.
        warnings.filterwarnings("ignore", message="The least populated class")
        if n_grouped > 1:
            splitter = StratifiedGroupKFold(n_grouped, shuffle=True, random_state=seed)
            whole = _whole(rows, splitter.split(rows.features, rows.target, rows.group))
        if not whole and counts.max() > 1:
            splitter = StratifiedKFold(n_plain, shuffle=True, random_state=seed)
            whole = _whole(rows, splitter.split(rows.features, rows.target))
    if not whole:
        raise UserError(
            f"class {', '.join(map(str, names[counts == 1]))} has a single training row; an SVM "
            "needs two to be chosen. Leave the class out (protocol.where), or use another fold"
        )
    return whole


def _whole(rows: Rows, folds: Iterable[_Fold]) -> list[_Fold]:
    classes = set(rows.target)
    return [(train, out) for train, out in folds if set(rows.target[train]) == classes]
