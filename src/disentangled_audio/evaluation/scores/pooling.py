"""Weighted geometric mean of the probabilities of several members."""

import numpy as np
from numpy.typing import NDArray


def applies(probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether a member has probabilities for a row, (..., n_classes) to (...)."""
    return np.logical_not(np.isnan(probabilities).any(axis=-1))


def pooled_logits(
    weights: NDArray[np.float64], log_probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logits of a logarithmic opinion pool of the members that apply to each row.

    The weight of the other members is shared in proportion, or evenly if the members that apply
    have no weight. If none applies, all classes are equal.

    Parameters
    ----------
    weights : (n_members,)
    log_probabilities : (n_members, n_rows, n_classes)
        NaN where a member does not apply.

    Returns
    -------
    (n_rows, n_classes)

    References
    ----------
    Heskes (1998), "Selecting weighting factors in logarithmic opinion pools", NIPS 10.
    """
    given = applies(log_probabilities)
    if given.all():
        return np.tensordot(weights, log_probabilities, axes=1)
    own = weights[:, None] * given
    own = np.where(own.sum(axis=0) > 0, own, given.astype(np.float64))
    total = np.maximum(own.sum(axis=0), np.finfo(np.float64).tiny)
    summed = np.einsum("mr,mrc->rc", own, np.where(given[..., None], log_probabilities, 0.0))
    return summed / total[:, None]
