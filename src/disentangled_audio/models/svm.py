"""RBF support vector machines with calibrated probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from disentangled_audio.models.calibration import doubt_after, scaled_probabilities
from disentangled_audio.models.intercepts import centre_intercepts

# Rows that are predicted at once; limits the memory for their kernel.
_PREDICTED_ROWS = 8192


@dataclass(frozen=True)
class Rows:
    """Features, class names and groups of rows."""

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
    """A fitted SVM with calibrated probabilities.

    A row that lies further from the fitted rows than is usual gets less certain probabilities: its
    temperature grows with the square of the distance, since far from all support vectors an RBF
    kernel says nothing.

    Parameters
    ----------
    svm : Pipeline
        Fitted SVM, exact or approximate; its decision values are the logits.
    temperature : float
    n_calibrated : int
        Number of recordings that the temperature is based on; they limit the confidence.
    usual_distance : float
        Distance to the nearest support vector that new recordings seldom exceed.
    """

    def __init__(
        self, svm: Pipeline, temperature: float, n_calibrated: int, usual_distance: float
    ) -> None:
        self.svm = svm
        self.temperature = temperature
        self.n_calibrated = n_calibrated
        self.usual_distance = usual_distance

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
            logits, distance = logits_and_distances(self.svm, features[known])
            excess = np.maximum(distance / self.usual_distance, 1.0)
            probabilities[known] = scaled_probabilities(
                logits / np.square(excess)[:, np.newaxis],
                self.temperature,
                doubt_after(self.n_calibrated),
            )
        return probabilities

    def predict(self, features: NDArray[np.float64]) -> NDArray[Any]:
        """Most probable class of each row; every row must have features."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


def fit_svm(
    rows: Rows, chosen: dict[str, float], n_landmarks: int | None = None, seed: int = 0
) -> Pipeline:
    """Fit an SVM with chosen parameters.

    Parameters
    ----------
    rows : Rows
    chosen : dict
        `C` and `gamma`.
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
    if n_landmarks is None:
        svm = make_pipeline(
            StandardScaler(), SVC(**chosen, class_weight="balanced", cache_size=500)
        )
    else:
        svm = _approximate_svm(chosen, min(n_landmarks, len(rows)), seed)
    with threadpool_limits(1):
        svm.fit(rows.features, rows.target)
        if n_landmarks is None:
            centre_intercepts(svm[-1], svm[0].transform(rows.features), rows.target)
    return svm


def _approximate_svm(chosen: dict[str, float], n_landmarks: int, seed: int) -> Pipeline:
    return make_pipeline(
        StandardScaler(),
        Nystroem(gamma=chosen["gamma"], n_components=n_landmarks, random_state=seed),
        # With more rows than features, the primal problem is smaller; it needs no seed.
        LinearSVC(C=chosen["C"], class_weight="balanced", dual=False),
    )


def logits_and_distances(
    svm: Pipeline, features: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decision values of the classes, (n_rows, n_classes), and distances to the fitted rows.

    The distance, (n_rows,), is that to the nearest support vector or landmark, in standard
    deviations.
    """
    scaler, machine = svm[0], svm[-1]
    anchors = machine.support_vectors_ if len(svm) == 2 else svm[1].components_
    parts = []
    for first in range(0, len(features), _PREDICTED_ROWS):
        part = features[first : first + _PREDICTED_ROWS]
        nearest = euclidean_distances(scaler.transform(part), anchors).min(axis=1)
        parts.append((svm.decision_function(part), nearest))
    values, distance = (np.concatenate(found) for found in zip(*parts, strict=True))
    # Two classes give one column: the margin of the second.
    logits = np.stack([-values, values], axis=1) if values.ndim == 1 else values
    return logits, distance
