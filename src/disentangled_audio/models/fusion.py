"""Hybrid classifier: a weighted geometric mean of calibrated member probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from disentangled_audio.evaluation.scores.pooling import applies, pooled_logits
from disentangled_audio.models.calibration import (
    MAX_TEMPERATURE,
    doubt_after,
    error_rate,
    fit_temperature,
    scaled_probabilities,
)

EPSILON = 1e-7
# A member is silent with this many times the errors of the best, and this share of answers more.
FAR_BEHIND = 3.0
NOTICEABLE = 0.1


class ProbabilityFusion(ClassifierMixin, BaseEstimator):
    """Logarithmic opinion pool: a weighted geometric mean of members, each with a temperature.

    Fit it on rows that no member was trained on. A member's temperature minimises its log loss
    (Guo et al. 2017) but never sharpens: if new recordings are harder than validation rows, the
    errors of a sharpened member would outvote the others. In a geometric mean, an unsure member
    has little influence, and a class that several members find improbable is ruled out; in an
    arithmetic mean, one sure member outvotes them (Heskes 1998, "Selecting weighting factors in
    logarithmic opinion pools"). A last temperature calibrates the mean.

    A member's vote is its log odds of being right, log(p (k - 1) / (1 - p)), with balanced accuracy
    p over k classes, and 0 if p is no better than chance (Shapley and Grofman 1984, "Optimizing
    group judgmental accuracy in the presence of interdependencies"). Their formula holds for
    members that err independently. Members of one source, such as the network and the SVM on its
    codes, do not: together they have the vote of the best of them. A member that is far behind the
    best one is silent: it makes three times as many errors, and at least a tenth of all answers
    more. Groups are the units of these error rates: with few, they are drawn towards a half, since
    a member that leads in one group may fail in another.

    A member's probabilities are NaN in rows to which it does not apply, such as acoustic parameters
    for noise. The other members then share its weight in proportion to their own (equally if these
    are 0). A row to which no member applies gets equal probabilities. A member that applies to no
    row of `fit` gets the weight 0.

    Parameters
    ----------
    max_temperature : float
        Upper limit of the members' temperatures; the lower limit is 1.
    sources : dict of str, optional
        What a member's answers come from; by default each has a source of its own.

    Attributes
    ----------
    classes_ : (n_classes,)
    members_ : list of str
    temperatures_, weights_ : (n_members,)
    temperatures_alone_ : dict of float
        Temperature of each member that answers alone; it may sharpen, since it outvotes nobody.
    temperature_ : float
        Temperature of the mean.
    n_calibrated_ : int
        Number of rows of `fit`; they limit the confidence.
    """

    def __init__(
        self, max_temperature: float = 10.0, sources: dict[str, str] | None = None
    ) -> None:
        self.max_temperature = max_temperature
        self.sources = sources

    def fit(
        self,
        members: dict[str, NDArray[np.float64]],
        target: NDArray[Any],
        group: NDArray[Any],
        classes: list[str],
        error_rates: dict[str, float] | None = None,
    ) -> "ProbabilityFusion":
        """Choose temperatures and weights.

        Parameters
        ----------
        members : dict of (n_rows, n_classes)
            Probabilities by member, columns in the order of `classes`; NaN if it does not apply.
        target, group : (n_rows,)
        classes : list of str
        error_rates : dict of float, optional
            From `error_rate`, of members that were judged on more groups than those of these rows;
            by default these rows judge.

        Raises
        ------
        ValueError
            If no member applies to any row.
        """
        self.classes_ = np.asarray(classes, dtype=object)
        self.members_ = list(members)
        self.n_calibrated_ = len(target)
        column = {name: number for number, name in enumerate(classes)}
        truth = np.array([column[name] for name in target])
        known = [applies(probabilities) for probabilities in members.values()]
        if not any(rows.any() for rows in known):
            raise ValueError(f"none of the members {', '.join(members)} applies to any row")
        group = np.asarray(group)
        judged = [
            (probabilities[rows], truth[rows], group[rows])
            for probabilities, rows in zip(members.values(), known, strict=True)
        ]
        self.temperatures_ = np.array(
            [
                fit_temperature(_logits(own), of, self.max_temperature, min_temperature=1.0)
                if len(of)
                else 1.0
                for own, of, _ in judged
            ]
        )
        self.temperatures_alone_ = {
            name: fit_temperature(_logits(own), of, MAX_TEMPERATURE)
            for name, (own, of, _) in zip(members, judged, strict=True)
            if len(of)
        }
        errors = {
            name: error_rate(of, own.argmax(axis=1), parts)
            for name, (own, of, parts) in zip(members, judged, strict=True)
        } | (error_rates or {})
        votes = _votes([errors[name] for name in members], len(classes))
        sources = self.sources or {}
        self.weights_ = _shared(votes, [sources.get(name, name) for name in members])
        scaled = self._scaled(members)
        self.temperature_ = fit_temperature(
            pooled_logits(self.weights_, scaled), truth, self.max_temperature
        )
        return self

    def predict_proba(self, members: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Fuse the fitted members' probabilities, each (n_rows, n_classes); NaN if one does not
        apply to a row."""
        return scaled_probabilities(
            pooled_logits(self.weights_, self._scaled(members)),
            self.temperature_,
            doubt_after(self.n_calibrated_),
        )

    def predict_alone(self, name: str, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities of one member that applied to rows of `fit`; NaN is kept."""
        return scaled_probabilities(
            _logits(probabilities),
            self.temperatures_alone_[name],
            doubt_after(self.n_calibrated_),
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


def _votes(error_rates: list[float], n_classes: int) -> NDArray[np.float64]:
    """Vote of each member that is not far behind the best one, at least 0."""
    errors = np.array(error_rates)
    is_silent = (errors > FAR_BEHIND * errors.min()) & (errors > errors.min() + NOTICEABLE)
    with np.errstate(divide="ignore"):
        odds = np.log((1 - errors) * (n_classes - 1) / errors)
    return np.where(is_silent, 0.0, np.maximum(odds, 0.0))


def _shared(votes: NDArray[np.float64], sources: list[str]) -> NDArray[np.float64]:
    """Weights, (n_members,): the members of a source share the largest of their votes."""
    shared = votes.copy()
    for source in set(sources):
        own = np.array([name == source for name in sources])
        if votes[own].any():
            shared[own] *= votes[own].max() / votes[own].sum()
    if not shared.any():
        # No member is better than chance: all get the same weight.
        shared = np.ones_like(shared)
    return shared / shared.sum()
