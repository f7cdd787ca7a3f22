"""Temperature scaling: one number that makes a classifier's confidence match its accuracy.

References
----------
Guo et al. (2017), "On calibration of modern neural networks", ICML.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

# scikit-learn's `CalibratedClassifierCV(method="temperature")` does not fit here: it needs an
# estimator (the network and the mean of the hybrid's members are none), bounds the temperature by
# exp(±10) alone (a member of the hybrid must not be sharpened), and doubles the margin of two
# classes.
MAX_TEMPERATURE = 20.0


def scaled_probabilities(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Softmax of logits divided by a temperature; above one flattens, below one sharpens.

    Parameters
    ----------
    logits : (n_rows, n_classes)
        Up to a constant per row; log probabilities are logits too.
    temperature : float

    Returns
    -------
    (n_rows, n_classes)
        Rows sum to one.
    """
    return softmax(logits / temperature, axis=1)


def fit_temperature(
    logits: NDArray[np.float64],
    truth: NDArray[np.integer],
    max_temperature: float,
    min_temperature: float | None = None,
) -> float:
    """Temperature with the lowest log loss, each class weighing alike.

    Parameters
    ----------
    logits : (n_rows, n_classes)
        Of rows that the classifier was not fitted on.
    truth : (n_rows,)
        Column of the true class.
    max_temperature, min_temperature : float
        Range; the minimum is by default the inverse of the maximum.
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
