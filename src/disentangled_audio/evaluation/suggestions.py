"""Which recordings to label next: unsure, unlike what is known, and unlike each other."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

# The most doubtful rows, this many times those asked for, compete by their distances.
CANDIDATES = 5


def doubt(
    probabilities: NDArray[np.floating], is_unlike: NDArray[np.bool_]
) -> NDArray[np.floating]:
    """One minus the margin between the two most probable classes, 0 (sure) to 1, (n_rows,).

    The classes of rows that are unlike all known ones are not to be trusted; their doubt is 1.

    Parameters
    ----------
    probabilities : (n_rows, n_classes)
        At least two classes.
    is_unlike : (n_rows,)

    References
    ----------
    Scheffer, Decomain and Wrobel (2001), "Active hidden Markov models for information extraction",
    on the margin.
    """
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
    return np.where(is_unlike, 1.0, 1.0 - (first - second))


def rows_to_label(
    doubts: NDArray[np.floating],
    distance: NDArray[np.floating],
    spaces: list[NDArray[np.floating]],
    n_rows: int,
) -> NDArray[np.intp]:
    """Choose rows whose labels would teach most, the most useful first.

    Of the five times as many rows with the largest doubt, each next one is that with the largest
    product of doubt and distance from all rows that are known or chosen already. Doubt alone would
    choose many recordings of the same difficulty; distance alone, odd ones.

    Parameters
    ----------
    doubts : (n_all,)
        From `doubt`.
    distance : (n_all,)
        From the known rows; equal doubts are ordered by it.
    spaces : list of (n_all, n_features)
        Features, scaled so that distances between rows compare with `distance`. The largest
        distance in any space counts.
    n_rows : int
        At most; there are no more than `n_all`.

    Returns
    -------
    (n_chosen,)
        Indices of rows.

    References
    ----------
    Zhdanov (2019), "Diverse mini-batch active learning", arXiv:1901.05954, first the doubtful, then
    the diverse among them.
    Sener and Savarese (2018), "Active learning for convolutional neural networks: a core-set
    approach", ICLR, the greedy choice of the furthest.
    """
    most_doubtful = np.lexsort((-distance, -doubts))[: CANDIDATES * n_rows]
    places = [space[most_doubtful] for space in spaces]
    nearest = distance[most_doubtful].astype(float)
    chosen: list[int] = []
    for _ in range(min(n_rows, len(most_doubtful))):
        gain = doubts[most_doubtful] * nearest
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        to_best = np.max([cdist(rows, rows[[best]])[:, 0] for rows in places], axis=0)
        nearest = np.minimum(nearest, to_best)
    return most_doubtful[chosen]
