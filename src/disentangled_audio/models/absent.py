"""Placeholder for a member of the hybrid that could not be fitted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin


class AbsentMember(ClassifierMixin, BaseEstimator):
    """Predicts NaN for every row, so that the hybrid ignores it.

    Parameters
    ----------
    reason : str
        Why it could not be fitted.
    classes : list of str
    """

    def __init__(self, reason: str, classes: list[str]) -> None:
        self.reason = reason
        self.classes = classes

    @property
    def classes_(self) -> NDArray[Any]:
        """Class names, in the order of the probability columns."""
        return np.asarray(self.classes, dtype=object)

    def predict_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return NaN, (n_rows, n_classes)."""
        return np.full((len(features), len(self.classes)), np.nan)
