"""Probes: how well a code predicts a factor of rows that the probe has not seen."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import ridge_regression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from disentangled_audio.evaluation.scores.recall import balanced_accuracy

# Up to this many groups, each is a fold of its own.
MAX_SINGLE_GROUP_FOLDS = 10
# With this many, scores of cell-centred codes of 3000 clips of FSDD were within two points of an
# SVM with the exact kernel.
N_LANDMARKS = 300
# Kernel width relative to a code's dimensions, where 1 is scikit-learn's `scale`. From a quarter
# to 1, scores of FSDD varied by at most four points, most by one.
GAMMA_SCALE = 0.5
KERNEL_RIDGE = 0.1


def draw_rows(n_items: int, max_items: int, seed: int) -> NDArray[np.intp]:
    """Positions of all rows, or of `max_items` random ones, (n_drawn,)."""
    if n_items <= max_items:
        return np.arange(n_items)
    return np.sort(np.random.default_rng(seed).choice(n_items, max_items, replace=False))


@dataclass(frozen=True)
class ProbeFeatures:
    """Inputs of the two probes of a code.

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

    The map to the kernel's space uses no factor, so it may be fitted to every row. The result is
    None for a constant code.

    References
    ----------
    Williams and Seeger (2001), "Using the Nyström method to speed up kernel machines".
    """
    code = np.asarray(code, dtype=np.float64)
    spread = code.std(axis=0)
    # Rounding errors of a constant dimension must not be scaled to unit variance.
    varying = spread > 1e-6 * max(1.0, float(np.abs(code).max(initial=0.0)))
    if not varying.any():
        return None
    linear = StandardScaler().fit_transform(code[:, varying])
    gamma, n_landmarks = GAMMA_SCALE / linear.shape[1], min(N_LANDMARKS, len(linear))
    kernel = Nystroem(gamma=gamma, n_components=n_landmarks, random_state=seed)
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
    """Assign rows to folds, and say whether groups or units stay together.

    Groups stay together if `by_group` is set and every class has at least two of them: the score
    then refers to groups that the probe has not seen. A factor that *is* the group (the speaker),
    or has one group in some class, cannot be learned that way. Its folds keep only units (the
    channels of a file) together, which is the stricter test of a leak, because the probe may know
    the group.

    Random folds are unfair if held-out groups are combinations of factors: if content and rhythm
    are held out together, the rhythm of a held-out row is the one rarest with its content in the
    other folds, and a perfect content code predicts rhythm *below* chance. A designed split avoids
    this, so its test rows are one fold, `apart`.

    Parameters
    ----------
    labels, groups, units : (n_items,) of int
        Folds are stratified by labels; units lie within groups.
    by_group : bool
        Whether to keep groups together where possible.
    n_folds : int
        At most; up to ten groups are left out one by one.
    apart : (n_items,) of bool, optional
        Rows that form one fold if groups stay together, none of their groups is among the other
        rows, and the other rows have all their classes.

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
    together, kind = units, "unit"
    if by_group and _each_class_has_two(labels, groups):
        together, kind = groups, "group"
    n_parts = len(np.unique(together))
    if kind == "group" and n_parts <= MAX_SINGLE_GROUP_FOLDS:
        return np.unique(together, return_inverse=True)[1], kind
    single_rows = n_parts == len(together)
    splitter = (StratifiedKFold if single_rows else StratifiedGroupKFold)(
        min(n_folds, n_parts), shuffle=True, random_state=seed
    )
    parts = splitter.split(labels, labels, None if single_rows else together)
    folds = np.empty(len(labels), dtype=np.intp)
    with warnings.catch_warnings():
        # A class with fewer rows than folds is held out in fewer of them.
        warnings.filterwarnings("ignore", message="The least populated class")
        for number, (_, held_out) in enumerate(parts):
            folds[held_out] = number
    return folds, kind


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

    Either alone under-reports: a linear probe misses what a code hides on a curve or in its middle
    (an F0 tercile), a kernel probe misses a direction of small variance. The linear probe is
    shrinkage LDA with equal priors. The kernel probe is a regularised least-squares classifier
    with balanced classes, which takes milliseconds where an SVM takes seconds for the same score.

    Returns
    -------
    two of (n_items, n_classes)
        Larger is likelier; minus infinity for a class that a fold did not see.

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

    All classes share one shrunk covariance. scikit-learn shrinks one for each class, which takes
    seconds with many classes and is unreliable for a class with few rows.
    """
    counts = np.bincount(labels)[:, np.newaxis]
    means = np.zeros((len(counts), values.shape[1]))
    np.add.at(means, labels, values)
    means /= counts
    covariance, _ = ledoit_wolf(values - means[labels], assume_centered=True)
    # Keeps the covariance invertible if rows do not vary about their means.
    covariance[np.diag_indices_from(covariance)] += 1e-9
    weights = np.linalg.solve(covariance, means.T)
    return unseen @ weights - 0.5 * np.einsum("cd,dc->c", means, weights)


def _least_squares(
    values: NDArray[np.float64], labels: NDArray[np.integer], unseen: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Decisions of regularised least squares with balanced classes, (n_unseen, n_classes).

    The same as scikit-learn's `RidgeClassifier`, without its checks of every argument, which took
    most of the time of thousands of small probes.
    """
    one_hot = np.eye(int(labels.max()) + 1)[labels]
    weights = (len(labels) / one_hot.sum(axis=0) / one_hot.shape[1])[labels]
    targets = 2 * one_hot - 1
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
    """Held-out decisions of a predictor that sees only the cell of a row.

    Parameters
    ----------
    tables : of (n_items,) of int
        Cells, from coarse to fine. A row whose fine cell was not seen is looked up in the coarser
        table.

    Returns
    -------
    (n_items, n_classes)
        Share of each class that lies in the row's cell.
    """
    n_classes = int(labels.max()) + 1
    decisions = np.zeros((len(labels), n_classes))
    for fold in np.unique(folds):
        held_out = folds == fold
        support = np.bincount(labels[~held_out], minlength=n_classes)
        for cells in tables:
            counts = np.zeros((int(cells.max()) + 1, n_classes))
            np.add.at(counts, (cells[~held_out], labels[~held_out]), 1)
            shares = counts / np.maximum(support, 1)
            known = held_out & (counts.sum(axis=1) > 0)[cells]
            decisions[known] = shares[cells[known]]
    return decisions


def better_by_other_folds(
    predicted: Sequence[NDArray[np.intp]],
    labels: NDArray[np.integer],
    folds: NDArray[np.integer],
) -> NDArray[np.intp]:
    """Use, in each fold, the probe that scores better in all other folds.

    Choosing by the reported score itself would put noise above chance; this way, no row affects
    the choice of the probe that scores it.

    Parameters
    ----------
    predicted : of (n_items,) of int
        Held-out predictions of each probe.
    """
    chosen = predicted[0].copy()
    for fold in np.unique(folds):
        others = folds != fold
        scores = balanced_accuracy(labels[others], np.stack(predicted)[:, others])
        here = folds == fold
        chosen[here] = predicted[int(np.argmax(scores))][here]
    return chosen
