"""Hybrid classifier: a weighted geometric mean of calibrated member probabilities."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from disentangled_audio.models.calibration import fit_temperature, scaled_probabilities

EPSILON = 1e-7
# Groups must hold so many rows on average to be judged one by one.
MIN_GROUP_ROWS = 20


class ProbabilityFusion(ClassifierMixin, BaseEstimator):
    """Temperature per member, weighted geometric mean (a logarithmic opinion pool), temperature.

    Fit on rows that no member was trained on. The temperature of a member minimises its log
    loss (Guo et al. 2017) and only softens: where validation rows are easier than what comes,
    sharpening to fit them would let its later errors outvote the others. In a geometric mean a
    member that is unsure says next to nothing, and what several members each think improbable is
    ruled out; in an arithmetic mean one sure member outvotes them (Heskes 1998, "Selecting
    weighting factors in logarithmic opinion pools"). A last temperature calibrates the mean.

    Weights are even. Others are taken only where errors show that even ones are worse: of all
    weights whose error in their worst group is within one standard error of the lowest, the
    nearest to even ones (the one-standard-error rule of Breiman et al. 1984, "Classification and
    regression trees", 3.4.3). The worst group counts, because a member that leads on average can
    collapse on one unseen group. Errors count and not the log loss, because where validation rows
    are easy the members differ in nothing but how sure they are, and the surest is not the one
    that holds elsewhere.

    A member may not apply to a row, as acoustic parameters do not to noise: its probabilities
    there are NaN, and the others share its weight in proportion to theirs (evenly where they
    have none). A row to which none applies gets equal probabilities. A member that applies to no
    row of `fit` cannot be judged and has no weight.

    Parameters
    ----------
    weight_steps : int
        Weights are looked for on a grid of multiples of 1 / weight_steps.
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

    def __init__(self, weight_steps: int = 12, max_temperature: float = 10.0) -> None:
        self.weight_steps = weight_steps
        self.max_temperature = max_temperature

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
        applies = [_applies(probabilities) for probabilities in members.values()]
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
                for probabilities, rows in zip(members.values(), applies, strict=True)
            ]
        )
        scaled = self._scaled(members)
        judged = np.flatnonzero([rows.any() for rows in applies])
        if not len(judged):
            raise ValueError(f"none of the members {', '.join(members)} applies to any row")
        even = np.full(len(judged), 1 / len(judged))
        grid = [
            np.bincount(judged, weights, len(self.members_))
            for weights in _nearest_first(even, self.weight_steps)
        ]
        judge = _Judge(truth, np.asarray(group))
        errors = [judge.error(_pooled(weights, scaled)) for weights in grid]
        lowest, standard_error = min(errors)
        # The grid begins with even weights, so the first that is good enough is taken.
        self.weights_ = next(
            weights
            for weights, (error, _) in zip(grid, errors, strict=True)
            if error <= lowest + standard_error
        )
        self.temperature_ = fit_temperature(
            _pooled(self.weights_, scaled), truth, self.max_temperature
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
            _pooled(self.weights_, self._scaled(members)), self.temperature_
        )

    def predict(self, members: dict[str, NDArray[np.float64]]) -> NDArray:
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


def _applies(probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    return ~np.isnan(probabilities).any(axis=-1)


def _pooled(
    weights: NDArray[np.float64], log_probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logits of the mean over the members that apply to each row, (n_rows, n_classes)."""
    applies = _applies(log_probabilities)
    if applies.all():
        return np.tensordot(weights, log_probabilities, axes=1)
    own = weights[:, None] * applies
    # Members without weight count evenly where no other applies.
    own = np.where(own.sum(axis=0) > 0, own, applies)
    total = own.sum(axis=0)
    summed = np.einsum("mr,mrc->rc", own, np.where(applies[..., None], log_probabilities, 0.0))
    # Where none applies, all classes are alike.
    return summed / np.maximum(total, EPSILON)[:, None]


def _nearest_first(even: NDArray[np.float64], n_steps: int) -> list[NDArray[np.float64]]:
    """Even weights, and those of a grid, the nearest to them first."""
    grid = [even, *_simplex(len(even), n_steps)]
    return sorted(grid, key=lambda weights: float(np.square(weights - even).sum()))


def _simplex(n_members: int, n_steps: int) -> list[NDArray[np.float64]]:
    """Grid of weights that sum to one."""
    # Steps in a row, and where bars between members stand among them.
    grid = [
        np.diff([-1, *bars, n_steps + n_members - 1]) - 1
        for bars in combinations(range(n_steps + n_members - 1), n_members - 1)
    ]
    return [counts / n_steps for counts in grid]


class _Judge:
    """Error in the worst group, and how far it may be off.

    Groups of a few rows say nothing each; then all rows are one, and each group counts as one
    observation, since its rows err together.
    """

    def __init__(self, truth: NDArray, group: NDArray) -> None:
        self._truth = truth
        names, self._group = np.unique(group, return_inverse=True)
        self._n_independent = np.bincount(self._group)
        if len(truth) < MIN_GROUP_ROWS * len(names):
            self._group = np.zeros(len(truth), dtype=int)
            self._n_independent = np.array([len(names)])
        self._n_rows = np.bincount(self._group)

    def error(self, logits: NDArray[np.float64]) -> tuple[float, float]:
        """Share of wrong rows in the worst group, and its standard error.

        Of the standard error, the share is that of the rule of succession: no error in few
        observations does not mean that there is none.
        """
        wrong = logits.argmax(axis=1) != self._truth
        shares = np.bincount(self._group, wrong) / self._n_rows
        worst = shares.argmax()
        n_independent = self._n_independent[worst]
        likely = (shares[worst] * n_independent + 1) / (n_independent + 2)
        return float(shares[worst]), float(np.sqrt(likely * (1 - likely) / n_independent))
