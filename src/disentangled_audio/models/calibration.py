"""Temperature scaling: one number that makes a classifier's confidence match its accuracy.

References
----------
Guo et al. (2017), "On calibration of modern neural networks", ICML.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

# Why not scikit-learn's `CalibratedClassifierCV(method="temperature")`: it needs an estimator, but
# the network and the hybrid's mean are not estimators; its bounds are fixed at exp(±10), but the
# hybrid's members must not be sharpened; and it doubles the margin between two classes.
MAX_TEMPERATURE = 20.0


def scaled_probabilities(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Softmax of logits divided by a temperature; above 1 it flattens, below 1 it sharpens.

    Parameters
    ----------
    logits : (n_rows, n_classes)
        Logits or log probabilities; a constant per row does not matter.
    temperature : float

    Returns
    -------
    (n_rows, n_classes)
        Probabilities; each row sums to one.
    """
    return softmax(logits / temperature, axis=1)


def fit_temperature(
    logits: NDArray[np.float64],
    truth: NDArray[np.integer],
    max_temperature: float,
    min_temperature: float | None = None,
) -> float:
    """Temperature with the lowest class-balanced log loss.

    Parameters
    ----------
    logits : (n_rows, n_classes)
        Rows that the classifier was not fitted on.
    truth : (n_rows,)
        Column of the true class.
    max_temperature, min_temperature : float
        Search range; the default minimum is the inverse of the maximum.
    """
    weight = 1 / np.bincount(truth)[truth]
    rows = np.arange(len(truth))
    highest = np.log(max_temperature)
    lowest = -highest if min_temperature is None else np.log(min_temperature)
    found = minimize_scalar(
        lambda log_t: (
            -np.average(log_softmax(logits / np.exp(log_t), axis=1)[rows, truth], weights=weight)
        ),
        bounds=(lowest, highest),
        method="bounded",
    )
    return float(np.exp(found.x))
