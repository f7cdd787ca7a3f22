"""Hybrid classifier: a weighted geometric mean of calibrated member probabilities."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from disentangled_audio.models.calibration import fit_temperature

EPSILON = 1e-7
# Groups must hold so many rows on average to be judged one by one.
MIN_GROUP_ROWS = 5


class ProbabilityFusion(ClassifierMixin, BaseEstimator):
    """Temperature per member, then a weighted geometric mean (a logarithmic opinion pool).

    Fit on rows that no member was trained on. The temperature of a member minimises its log
    loss (Guo et al. 2017) and only softens: where validation rows are easier than what comes,
    sharpening to fit them would make every later error a certain one. In a geometric mean a
    member that is calibrated to be unsure says next to nothing, and what several members each
    think improbable is ruled out; an arithmetic mean lets one sure member outvote them
    (Heskes 1998, "Selecting weighting factors in logarithmic opinion pools").

    The weights are judged by the log loss of their worst group, because a member that leads on
    average can collapse on one unseen group, and the most even weights within some standard
    errors of the best are taken (after the one-standard-error rule of Breiman et al. 1984,
    "Classification and regression trees", 3.4.3): a few validation groups seldom tell that a
    member is worthless, and weights that fit them best do worse on other groups than even ones.

    Parameters
    ----------
    weight_steps : int
        Weights are looked for on a grid of multiples of 1 / weight_steps.
    max_temperature : float
        Temperatures are looked for between 1 and max_temperature.
    tolerance : float
        Standard errors by which even weights may seem worse than the best.

    Attributes
    ----------
    classes_ : (n_classes,)
    members_ : list of str
    temperatures_, weights_ : (n_members,)
    """

    def __init__(
        self, weight_steps: int = 12, max_temperature: float = 10.0, tolerance: float = 2.0
    ) -> None:
        self.weight_steps = weight_steps
        self.max_temperature = max_temperature
        self.tolerance = tolerance

    def fit(
        self,
        members: dict[str, NDArray[np.float64]],
        target: NDArray,
        group: NDArray,
        classes: list[str],
    ) -> "ProbabilityFusion":
        """Choose temperatures and weights.

        Parameters
        ----------
        members : dict of (n_rows, n_classes)
            Probabilities by member, columns in the order of `classes`.
        target, group : (n_rows,)
        classes : list of str

        Returns
        -------
        ProbabilityFusion
            Itself.
        """
        self.classes_ = np.asarray(classes, dtype=object)
        self.members_ = list(members)
        column = {name: number for number, name in enumerate(classes)}
        truth = np.array([column[name] for name in target])
        self.temperatures_ = np.array(
            [
                fit_temperature(
                    _logits(probabilities),
                    truth,
                    self.max_temperature,
                    min_temperature=1.0,
                )
                for probabilities in members.values()
            ]
        )
        scaled = self._scaled(members)
        grid = _simplex(len(self.members_), self.weight_steps)
        losses = [
            _worst_group_loss(_pooled(weights, scaled), truth, np.asarray(group))
            for weights in grid
        ]
        best_loss, standard_error = min(losses)
        # The grid begins with the most even weights, so the first that is good enough is taken.
        self.weights_ = next(
            weights
            for weights, (loss, _) in zip(grid, losses, strict=True)
            if loss <= best_loss + self.tolerance * standard_error
        )
        return self

    def predict_proba(self, members: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Fused probabilities.

        Parameters
        ----------
        members : dict of (n_rows, n_classes)
            The members that were fitted.

        Returns
        -------
        (n_rows, n_classes)
            Rows sum to one.
        """
        return _pooled(self.weights_, self._scaled(members))

    def predict(self, members: dict[str, NDArray[np.float64]]) -> NDArray:
        """Most probable class of each row."""
        return self.classes_[self.predict_proba(members).argmax(axis=1)]

    def _scaled(self, members: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Log of the calibrated probabilities, (n_members, n_rows, n_classes)."""
        return np.stack(
            [
                log_softmax(_logits(members[name]) / temperature, axis=1)
                for name, temperature in zip(self.members_, self.temperatures_, strict=True)
            ]
        )


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.clip(probabilities, EPSILON, 1))


def _pooled(
    weights: NDArray[np.float64], log_probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted geometric mean over members, scaled to sum to one."""
    return softmax(np.tensordot(weights, log_probabilities, axes=1), axis=1)


def _simplex(n_members: int, n_steps: int) -> list[NDArray[np.float64]]:
    """Grid of weights that sum to one, the most even first."""
    # Bars between steps: n_members - 1 of them part the steps into as many counts.
    n_places = n_steps + n_members - 1
    bars = combinations(range(n_places), n_members - 1)
    grid = [(np.diff([-1, *places, n_places]) - 1) / n_steps for places in bars]
    return sorted(grid, key=lambda weights: float(np.square(weights).sum()))


def _row_loss(probabilities: NDArray[np.float64], truth: NDArray) -> NDArray[np.float64]:
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], EPSILON, 1))


def _worst_group_loss(
    probabilities: NDArray[np.float64], truth: NDArray, group: NDArray
) -> tuple[float, float]:
    """Mean log loss of the group that has the highest, and its standard error.

    Groups of a few rows say nothing each; then all rows are one.
    """
    loss = _row_loss(probabilities, truth)
    names = np.unique(group)
    if len(loss) < MIN_GROUP_ROWS * len(names):
        return float(loss.mean()), float(loss.std() / np.sqrt(len(loss)))
    groups = [loss[group == name] for name in names]
    worst = max(groups, key=np.mean)
    return float(worst.mean()), float(worst.std() / np.sqrt(len(worst)))
