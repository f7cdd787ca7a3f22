"""Hybrid classifier: a weighted geometric mean of calibrated member probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from disentangled_audio.evaluation.scores.pooling import applies, pooled_logits
from disentangled_audio.evaluation.scores.recall import balanced_accuracy
from disentangled_audio.models.calibration import fit_temperature, scaled_probabilities

EPSILON = 1e-7


class ProbabilityFusion(ClassifierMixin, BaseEstimator):
    """Logarithmic opinion pool: a weighted geometric mean of members, each with a temperature.

    Fit it on rows that no member was trained on. A member's temperature minimises its log loss
    (Guo et al. 2017) but never sharpens: if new recordings are harder than validation rows, the
    errors of a sharpened member would outvote the others. In a geometric mean, an unsure member
    has little influence, and a class that several members find improbable is ruled out; in an
    arithmetic mean, one sure member outvotes them (Heskes 1998, "Selecting weighting factors in
    logarithmic opinion pools"). A last temperature calibrates the mean.

    A member's weight is proportional to its log odds of being right, log(p (k - 1) / (1 - p)), with
    balanced accuracy p over k classes, and 0 if p is no better than chance (Shapley and Grofman
    1984, "Optimizing group judgmental accuracy in the presence of interdependencies"). With few
    groups, p is shrunk towards chance, as if one more group had been guessed: a member that leads
    on one group can fail on another, and weights fitted to few groups do worse than equal ones.

    A member's probabilities are NaN in rows to which it does not apply, such as acoustic parameters
    for noise. The other members then share its weight in proportion to their own (equally if these
    are 0). A row to which no member applies gets equal probabilities. A member that applies to no
    row of `fit` gets the weight 0.

    Parameters
    ----------
    max_temperature : float
        Upper limit of the members' temperatures; the lower limit is 1.

    Attributes
    ----------
    classes_ : (n_classes,)
    members_ : list of str
    temperatures_, weights_ : (n_members,)
    temperature_ : float
        Temperature of the mean.
    """

    def __init__(self, max_temperature: float = 10.0) -> None:
        self.max_temperature = max_temperature

    def fit(
        self,
        members: dict[str, NDArray[np.float64]],
        target: NDArray[Any],
        group: NDArray[Any],
        classes: list[str],
    ) -> "ProbabilityFusion":
        """Choose temperatures and weights.

        Parameters
        ----------
        members : dict of (n_rows, n_classes)
            Probabilities by member, columns in the order of `classes`; NaN if it does not apply.
        target, group : (n_rows,)
        classes : list of str

        Raises
        ------
        ValueError
            If no member applies to any row.
        """
        self.classes_ = np.asarray(classes, dtype=object)
        self.members_ = list(members)
        column = {name: number for number, name in enumerate(classes)}
        truth = np.array([column[name] for name in target])
        known = [applies(probabilities) for probabilities in members.values()]
        self.temperatures_ = np.array(
            [
                fit_temperature(
                    _logits(probabilities[rows]),
                    truth[rows],
                    self.max_temperature,
                    min_temperature=1.0,
                )
                if rows.any()
                else 1.0
                for probabilities, rows in zip(members.values(), known, strict=True)
            ]
        )
        if not any(rows.any() for rows in known):
            raise ValueError(f"none of the members {', '.join(members)} applies to any row")
        group = np.asarray(group)
        odds = np.array(
            [
                _log_odds(probabilities[rows], truth[rows], group[rows], len(classes))
                for probabilities, rows in zip(members.values(), known, strict=True)
            ]
        )
        if not odds.any():
            # No member is better than chance: all get the same weight.
            odds = np.ones_like(odds)
        self.weights_ = odds / odds.sum()
        scaled = self._scaled(members)
        self.temperature_ = fit_temperature(
            pooled_logits(self.weights_, scaled), truth, self.max_temperature
        )
        return self

    def predict_proba(self, members: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Fuse the fitted members' probabilities, each (n_rows, n_classes); NaN if one does not
        apply to a row."""
        return scaled_probabilities(
            pooled_logits(self.weights_, self._scaled(members)), self.temperature_
        )

    def predict(self, members: dict[str, NDArray[np.float64]]) -> NDArray[Any]:
        """Most probable class of each row."""
        return self.classes_[self.predict_proba(members).argmax(axis=1)]

    def _scaled(self, members: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Log of calibrated probabilities, (n_members, n_rows, n_classes), with NaN kept."""
        return np.stack(
            [
                log_softmax(_logits(members[name]) / temperature, axis=1)
                for name, temperature in zip(self.members_, self.temperatures_, strict=True)
            ]
        )


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.clip(probabilities, EPSILON, 1))


def _log_odds(
    probabilities: NDArray[np.float64],
    truth: NDArray[np.integer],
    group: NDArray[Any],
    n_classes: int,
) -> float:
    """Log odds of being right relative to those of a guess, at least 0; 0 without rows."""
    if not len(truth):
        return 0.0
    recall = float(balanced_accuracy(truth, probabilities.argmax(axis=1)))
    n_groups = len(np.unique(group))
    accuracy = (recall * n_groups + 1 / n_classes) / (n_groups + 1)
    return max(0.0, float(np.log(accuracy * (n_classes - 1) / (1 - accuracy))))
