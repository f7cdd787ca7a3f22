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
    """Temperature per member, weighted geometric mean (a logarithmic opinion pool), temperature.

    Fit on rows that no member was trained on. The temperature of a member minimises its log
    loss (Guo et al. 2017) and only softens: where validation rows are easier than what comes,
    sharpening to fit them would let its later errors outvote the others. In a geometric mean a
    member that is unsure says next to nothing, and what several members each think improbable is
    ruled out; in an arithmetic mean one sure member outvotes them (Heskes 1998, "Selecting
    weighting factors in logarithmic opinion pools"). A last temperature calibrates the mean.

    A member weighs as the odds that it is right (Shapley and Grofman 1984, "Optimizing group
    judgmental accuracy in the presence of interdependencies"): its weight is proportional to
    log(p (k - 1) / (1 - p)), with its balanced accuracy p over k classes, and 0 where p is no
    better than chance. The fewer the groups that tell p, the more it is drawn towards chance, as
    if one more group had been guessed: a member that leads on one group can collapse on another,
    and weights that fit few groups do worse than even ones.

    A member may not apply to a row, as acoustic parameters do not to noise: its probabilities
    there are NaN, and the others share its weight in proportion to theirs (evenly where they
    have none). A row to which none applies gets equal probabilities. A member that applies to no
    row of `fit` cannot be judged and has no weight.

    Parameters
    ----------
    max_temperature : float
        Temperatures of members are looked for between 1 and max_temperature.

    Attributes
    ----------
    classes_ : (n_classes,)
    members_ : list of str
    temperatures_, weights_ : (n_members,)
    temperature_ : float
        Of the mean.
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
            Probabilities by member, columns in the order of `classes`; NaN where it does not
            apply.
        target, group : (n_rows,)
        classes : list of str

        Returns
        -------
        ProbabilityFusion
            Itself.

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
            # Nobody is better than chance, so nobody is better than another.
            odds = np.ones_like(odds)
        self.weights_ = odds / odds.sum()
        scaled = self._scaled(members)
        self.temperature_ = fit_temperature(
            pooled_logits(self.weights_, scaled), truth, self.max_temperature
        )
        return self

    def predict_proba(self, members: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Fused probabilities.

        Parameters
        ----------
        members : dict of (n_rows, n_classes)
            The members that were fitted; NaN where one does not apply.

        Returns
        -------
        (n_rows, n_classes)
            Rows sum to one.
        """
        return scaled_probabilities(
            pooled_logits(self.weights_, self._scaled(members)), self.temperature_
        )

    def predict(self, members: dict[str, NDArray[np.float64]]) -> NDArray[Any]:
        """Most probable class of each row."""
        return self.classes_[self.predict_proba(members).argmax(axis=1)]

    def _scaled(self, members: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Log of calibrated probabilities, (n_members, n_rows, n_classes); NaN stays."""
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
    """Log odds of being right against those of a guess, from below 0; 0 without rows."""
    if not len(truth):
        return 0.0
    recall = float(balanced_accuracy(truth, probabilities.argmax(axis=1)))
    n_groups = len(np.unique(group))
    accuracy = (recall * n_groups + 1 / n_classes) / (n_groups + 1)
    return max(0.0, float(np.log(accuracy * (n_classes - 1) / (1 - accuracy))))
