"""Probes: how well can a factor be told from a code, by rows that the probe has not seen?"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import ridge_regression
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.preprocessing import StandardScaler

from disentangled_audio.evaluation.scores.recall import balanced_accuracy

# Up to so many groups each is a fold of its own.
MAX_SINGLE_GROUP_FOLDS = 10

# With so many, scores of cell-centred codes of 3000 clips of FSDD came within two points of an
# SVM with the exact kernel.
N_LANDMARKS = 300

# Kernel width relative to a code's dimensions, where 1 is scikit-learn's `scale`; from a quarter
# to 1, scores of FSDD moved by four points at most, most by one.
GAMMA_SCALE = 0.5

KERNEL_RIDGE = 0.1


def drawn_rows(n_items: int, max_items: int, seed: int) -> NDArray[np.intp]:
    """Places of all rows, or of so many at random, (n_drawn,)."""
    if n_items <= max_items:
        return np.arange(n_items)
    return np.sort(np.random.default_rng(seed).choice(n_items, max_items, replace=False))


@dataclass(frozen=True)
class ProbeFeatures:
    """What the two probes see of a code.

    Attributes
    ----------
    linear : (n_items, n_dims)
        The code, each dimension at unit variance.
    kernel : (n_items, n_landmarks)
        The same in the feature space of a Gaussian kernel.
    """

    linear: NDArray[np.float64]
    kernel: NDArray[np.float64]


def probe_features(code: NDArray[np.floating], *, seed: int) -> ProbeFeatures | None:
    """Prepare a code for its probes.

    The map to the kernel's space sees no factor, so it may see every row.

    Parameters
    ----------
    code : (n_items, n_dims)
    seed : int
        Draws the kernel's landmarks.

    Returns
    -------
    ProbeFeatures or None
        None where the code is constant: it says nothing.

    References
    ----------
    Williams and Seeger (2001), "Using the Nyström method to speed up kernel machines".
    """
    code = np.asarray(code, dtype=np.float64)
    spread = code.std(axis=0)
    # A dimension that varies by rounding alone must not be blown up to unit variance.
    varying = spread > 1e-6 * max(1.0, float(np.abs(code).max(initial=0.0)))
    if not varying.any():
        return None
    linear = StandardScaler().fit_transform(code[:, varying])
    kernel = Nystroem(
        gamma=GAMMA_SCALE / linear.shape[1],
        n_components=min(N_LANDMARKS, len(linear)),
        random_state=seed,
    )
    return ProbeFeatures(linear, kernel.fit_transform(linear))


def probe_folds(
    labels: NDArray[np.integer],
    groups: NDArray[np.integer],
    units: NDArray[np.integer],
    *,
    by_group: bool,
    n_folds: int,
    seed: int,
    apart: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.intp], str]:
    """Fold of each row, and what stays together in a fold.

    Groups stay together if that is wanted and every class has two of them or more: then the score
    is of groups that the probe has not seen. A factor that *is* the group (the speaker), or that
    has one group in some class, cannot be learned that way; its folds keep units together (the
    channels of a file), which is the stricter test of a leak: the probe may know the group.

    Held-out groups that are whole combinations of factors make random folds unfair: where content
    and rhythm are held out together, the rhythm of a held-out row is the one that its content had
    least of among the others, and a perfect content code tells rhythm *below* chance. A designed
    split has no such fault, so its test rows are one fold, `apart`.

    Parameters
    ----------
    labels : (n_items,) of int
        Classes, by which folds are stratified.
    groups, units : (n_items,) of int
        Units lie within groups.
    by_group : bool
        Whether to keep groups together where possible.
    n_folds : int
        Folds at most; up to ten groups are left out one by one.
    apart : (n_items,) of bool, optional
        Rows that are one fold, if groups stay together, none of theirs is among the other rows,
        and the others have every class of theirs.

    Returns
    -------
    folds : (n_items,) of int
    """
    if by_group and apart is not None and _is_split(labels, groups, apart):
        folds = np.empty(len(labels), dtype=np.intp)
        rest = ~apart
        folds[rest], _ = probe_folds(
            labels[rest], groups[rest], units[rest], by_group=True, n_folds=n_folds, seed=seed
        )
        folds[apart] = folds[rest].max() + 1
        return folds, "group"
    together, what = units, "unit"
    if by_group and _each_class_has_two(labels, groups):
        together, what = groups, "group"
    n_parts = len(np.unique(together))
    few_groups = what == "group" and n_parts <= MAX_SINGLE_GROUP_FOLDS
    if few_groups:
        return np.unique(together, return_inverse=True)[1], what
    torn = n_parts == len(together)
    splitter = (StratifiedKFold if torn else StratifiedGroupKFold)(
        min(n_folds, n_parts), shuffle=True, random_state=seed
    )
    parts = splitter.split(labels, labels, None if torn else together)
    folds = np.empty(len(labels), dtype=np.intp)
    with warnings.catch_warnings():
        # A class with fewer rows than folds is held out in fewer of them.
        warnings.filterwarnings("ignore", message="The least populated class")
        for number, (_, held_out) in enumerate(parts):
            folds[held_out] = number
    return folds, what


def _each_class_has_two(labels: NDArray[np.integer], parts: NDArray[np.integer]) -> bool:
    pairs = np.unique(np.stack([labels, parts]), axis=1)
    counts = np.bincount(pairs[0])
    return bool(counts[counts > 0].min() > 1)


def _is_split(
    labels: NDArray[np.integer], groups: NDArray[np.integer], apart: NDArray[np.bool_]
) -> bool:
    if apart.all() or not apart.any():
        return False
    straddles = np.isin(groups[apart], groups[~apart]).any()
    return bool(not straddles and np.isin(labels[apart], labels[~apart]).all())


def probe_decisions(
    features: ProbeFeatures, labels: NDArray[np.integer], folds: NDArray[np.integer]
) -> list[NDArray[np.float64]]:
    """Held-out decisions of a linear and of a kernel probe.

    Two, because either alone under-reports: a linear probe misses what a code hides in a curve or
    in its middle (an F0 tercile), a kernel probe misses a direction of small variance. Linear is
    shrinkage LDA with equal priors; the kernel's is a regularised least-squares classifier with
    balanced classes, in which a fit takes milliseconds where an SVM takes seconds for the same
    score.

    Parameters
    ----------
    features : ProbeFeatures
        Of n_items.
    labels : (n_items,) of int
        Classes from 0 to n_classes - 1.
    folds : (n_items,) of int

    Returns
    -------
    two of (n_items, n_classes)
        The greater, the likelier; minus infinity for a class that a fold did not see.

    References
    ----------
    Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance
    matrices". Rifkin, Yeo and Poggio (2003), "Regularized least-squares classification".
    """
    n_classes = int(labels.max()) + 1
    decisions = [np.full((len(labels), n_classes), -np.inf) for _ in range(2)]
    for fold in np.unique(folds):
        held_out = folds == fold
        seen, known = np.unique(labels[~held_out], return_inverse=True)
        if len(seen) < 2:
            continue
        place = np.ix_(held_out, seen)
        linear, kernel = features.linear, features.kernel
        decisions[0][place] = _shrinkage_lda(linear[~held_out], known, linear[held_out])
        decisions[1][place] = _least_squares(kernel[~held_out], known, kernel[held_out])
    return decisions


def _shrinkage_lda(
    values: NDArray[np.float64], labels: NDArray[np.integer], unseen: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Discriminants of linear discriminant analysis with equal priors, (n_unseen, n_classes).

    One covariance, shrunk, of all classes: scikit-learn shrinks one for each class, which takes
    seconds with many classes, and says little about a class of a few rows.
    """
    counts = np.bincount(labels)[:, np.newaxis]
    means = np.zeros((len(counts), values.shape[1]))
    np.add.at(means, labels, values)
    means /= counts
    covariance, _ = ledoit_wolf(values - means[labels], assume_centered=True)
    # Too few rows to vary about their means, or none that do.
    covariance[np.diag_indices_from(covariance)] += 1e-9
    weights = np.linalg.solve(covariance, means.T)
    return unseen @ weights - 0.5 * np.einsum("cd,dc->c", means, weights)


def _least_squares(
    values: NDArray[np.float64], labels: NDArray[np.integer], unseen: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Decisions of regularised least squares with balanced classes, (n_unseen, n_classes).

    What scikit-learn's `RidgeClassifier` finds, without its checks of every argument: those took
    most of the time of thousands of small probes.
    """
    of_class = np.eye(int(labels.max()) + 1)[labels]
    weights = (len(labels) / of_class.sum(axis=0) / of_class.shape[1])[labels]
    targets = 2 * of_class - 1
    centre, offset = (np.average(a, axis=0, weights=weights) for a in (values, targets))
    coefficients = ridge_regression(
        values - centre,
        targets - offset,
        alpha=KERNEL_RIDGE,
        sample_weight=weights,
        solver="cholesky",
    )
    return (unseen - centre) @ coefficients.T + offset


def lookup_decisions(
    tables: Sequence[NDArray[np.integer]], labels: NDArray[np.integer], folds: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Held-out decisions of one who sees nothing but which cell of a table a row is in.

    Parameters
    ----------
    tables : of (n_items,) of int
        Cells, from coarse to fine. A row whose fine cell was not seen is looked up in the one
        before.
    labels : (n_items,) of int
        Classes from 0 to n_classes - 1.
    folds : (n_items,) of int

    Returns
    -------
    (n_items, n_classes)
        Share of each class that lies in the row's cell.
    """
    n_classes = int(labels.max()) + 1
    decisions = np.zeros((len(labels), n_classes))
    for fold in np.unique(folds):
        held_out = folds == fold
        of_class = np.bincount(labels[~held_out], minlength=n_classes)
        for cells in tables:
            counts = np.zeros((int(cells.max()) + 1, n_classes))
            np.add.at(counts, (cells[~held_out], labels[~held_out]), 1)
            shares = counts / np.maximum(of_class, 1)
            known = held_out & (counts.sum(axis=1) > 0)[cells]
            decisions[known] = shares[cells[known]]
    return decisions


def better_by_other_folds(
    predicted: Sequence[NDArray[np.intp]],
    labels: NDArray[np.integer],
    folds: NDArray[np.integer],
) -> NDArray[np.intp]:
    """Take, in each fold, the probe whose predictions are better in all the others.

    The better of two by the score that is reported would be above chance on noise; chosen like
    this, no row has a say in which probe it is judged by.

    Parameters
    ----------
    predicted : of (n_items,) of int
        Held-out predictions of each probe.
    labels, folds : (n_items,) of int

    Returns
    -------
    (n_items,) of int
    """
    chosen = predicted[0].copy()
    for fold in np.unique(folds):
        others = folds != fold
        scores = balanced_accuracy(labels[others], np.stack(predicted)[:, others])
        here = folds == fold
        chosen[here] = predicted[int(np.argmax(scores))][here]
    return chosen
