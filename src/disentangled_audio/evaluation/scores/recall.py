"""Balanced accuracy, the mean recall of the classes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def balanced_accuracy(target: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Mean recall of the classes that occur in `target`.

    scikit-learn's `recall_score` gives the same number, but takes about a hundred times longer
    for a few hundred items. Probes and permutation tests need it thousands of times.

    Parameters
    ----------
    target : (n_items,)
    predicted : (..., n_items)
        Of one predictor or several; may contain other labels, which are wrong.

    Returns
    -------
    (...)
        0 to 1.

    References
    ----------
    Brodersen et al. (2010), "The balanced accuracy and its posterior distribution"; the
    multi-class form is the mean recall.
    """
    names, classes = np.unique(np.asarray(target), return_inverse=True)
    right = np.asarray(predicted) == np.asarray(target)
    rows = np.arange(right.size // len(classes))[:, np.newaxis] * len(names)
    places = (rows + classes)[right.reshape(-1, len(classes))]
    hits = np.bincount(places, minlength=rows.size * len(names))
    return mean_recall(np.bincount(classes), hits.reshape(*right.shape[:-1], len(names)))


def mean_recall(support: NDArray[np.number], hits: NDArray[np.number]) -> NDArray[np.float64]:
    """Balanced accuracy from counts, over the classes that occur in each row.

    Parameters
    ----------
    support, hits : (..., n_classes)
        Items of each class, and how many of them were recognised.

    Returns
    -------
    (...)
        0 to 1.
    """
    present = support > 0
    recall = np.divide(hits, support, out=np.zeros(hits.shape), where=present)
    return recall.sum(axis=-1) / present.sum(axis=-1)
