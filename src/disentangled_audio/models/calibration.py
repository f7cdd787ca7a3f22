"""Calibration: how sure a classifier may be after a limited number of recordings.

A temperature makes confidence match accuracy on recordings that the classifier has not seen. Few
such recordings, or none with an error, would make it arbitrarily sure. Smoothed targets, as Platt
introduced them, prevent this: after n right answers, the next may still be wrong. Its probability
is 0.5 / (n + 1) here, with Jeffreys' prior for a share; Platt's uniform prior gives 1 / (n + 2).

References
----------
Guo et al. (2017), "On calibration of modern neural networks", ICML.
Platt (1999), "Probabilistic outputs for support vector machines", 2.2, in: Advances in large
margin classifiers.
Brown, Cai and DasGupta (2001), "Interval estimation for a binomial proportion", on Jeffreys' prior.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from disentangled_audio.evaluation.scores.recall import balanced_accuracy

# Why not scikit-learn's `CalibratedClassifierCV(method="temperature")`: it needs an estimator, but
# the network and the hybrid's mean are not estimators; its targets are not smoothed; and it doubles
# the margin between two classes.
MAX_TEMPERATURE = 20.0


def doubt_after(n_rows: int) -> float:
    """Probability that the next answer is wrong after `n_rows` right ones."""
    return 0.5 / (n_rows + 1)


def error_rate(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], group: NDArray[Any]
) -> float:
    """Balanced error rate, drawn towards a half as by one more right and one more wrong part.

    A part is a class in a group: its rows are alike, and so are the answers to them. Without rows
    the rate is 1.
    """
    if not len(truth):
        return 1.0
    recall = float(balanced_accuracy(truth, predicted))
    n_parts = len(set(zip(group, truth, strict=True)))
    return ((1 - recall) * n_parts + 1) / (n_parts + 2)


def scaled_probabilities(
    logits: NDArray[np.float64], temperature: float, doubt: float = 0.0
) -> NDArray[np.float64]:
    """Softmax of logits divided by a temperature; above 1 it flattens, below 1 it sharpens.

    Parameters
    ----------
    logits : (n_rows, n_classes)
        Logits or log probabilities; a constant per row does not matter.
    temperature : float
    doubt : float
        Probability shared by all classes but the most probable one, at least.

    Returns
    -------
    (n_rows, n_classes)
        Probabilities; each row sums to one.
    """
    least = least_probability(doubt, logits.shape[1])
    return least + (1 - logits.shape[1] * least) * softmax(logits / temperature, axis=1)


def least_probability(doubt: float, n_classes: int) -> float:
    """Smallest probability of a class, so that no class is more probable than 1 - `doubt`."""
    return doubt / (n_classes - 1) if n_classes > 1 else 0.0


def fit_temperature(
    logits: NDArray[np.float64],
    truth: NDArray[np.integer],
    max_temperature: float,
    min_temperature: float | None = None,
) -> float:
    """Temperature with the lowest class-balanced log loss against smoothed targets.

    Parameters
    ----------
    logits : (n_rows, n_classes)
        Rows that the classifier was not fitted on.
    truth : (n_rows,)
        Column of the true class.
    max_temperature, min_temperature : float
        Search range; the default minimum is the inverse of the maximum.
    """
    n_classes = logits.shape[1]
    doubt = doubt_after(len(truth))
    target = np.full(logits.shape, least_probability(doubt, n_classes))
    target[np.arange(len(truth)), truth] = 1 - doubt if n_classes > 1 else 1.0
    target *= 1 / np.bincount(truth)[truth][:, np.newaxis]
    highest = np.log(max_temperature)
    lowest = -highest if min_temperature is None else np.log(min_temperature)
    found = minimize_scalar(
        lambda log_t: -np.sum(target * log_softmax(logits / np.exp(log_t), axis=1)),
        bounds=(lowest, highest),
        method="bounded",
    )
    return float(np.exp(found.x))
