"""Formulas of DCI, SAP and MIG."""

import numpy as np
from numpy.typing import NDArray

# Equal bins between a dimension's smallest and largest value.
N_BINS = 20


def dci_scores(importance: NDArray[np.floating]) -> dict[str, float]:
    """Disentanglement and completeness of a matrix of importances.

    R_ij is the importance of block i for factor j. The disentanglement of a block is 1 minus the
    entropy of its normalised row, to the base of the number of factors; the mean weighs blocks by
    their share of all importance. Completeness is the same for columns, to the base of the number
    of blocks.

    Parameters
    ----------
    importance : (n_blocks, n_factors)
        Not negative.

    Returns
    -------
    dict
        ``disentanglement`` (1: each block serves one factor) and ``completeness`` (1: each factor
        lies in one block), 0 to 1. Both are NaN for a single block and without any importance;
        disentanglement also for a single factor.

    References
    ----------
    Eastwood and Williams (2018), "A framework for the quantitative evaluation of disentangled
    representations", ICLR, section 2.
    """
    shares = np.asarray(importance, dtype=np.float64)
    return {
        "disentanglement": _concentration(shares) if len(shares) > 1 else float("nan"),
        "completeness": _concentration(shares.T),
    }


def _concentration(rows: NDArray[np.float64]) -> float:
    """Mean of 1 - entropy of the rows, weighted by their sums, to the base of the columns."""
    n_columns, total = rows.shape[1], rows.sum()
    if n_columns < 2 or total <= 0:
        return float("nan")
    sums = rows.sum(axis=1, keepdims=True)
    shares = np.divide(rows, sums, out=np.zeros_like(rows), where=sums > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=1) / np.log(n_columns)
    return float(((1.0 - entropy) * sums[:, 0]).sum() / total)


def sap_score(scores: NDArray[np.floating]) -> float:
    """Mean over factors of the gap between the best and second-best block; NaN for one block.

    Parameters
    ----------
    scores : (n_blocks, n_factors)
        How well each block alone predicts each factor.

    References
    ----------
    Kumar, Sattigeri and Balakrishnan (2018), "Variational inference of disentangled latent
    concepts from unlabeled observations", ICLR, section 3, for single dimensions.
    """
    if len(scores) < 2:
        return float("nan")
    ranked = np.sort(scores, axis=0)
    return float((ranked[-1] - ranked[-2]).mean())


def mutual_information_gap(code: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean over factors of the gap in mutual information between the two best dimensions.

    MIG expects one dimension per factor: if several dimensions of a block share a factor, the
    second best is nearly as good as the best, and the gap is near zero for any quality.

    Parameters
    ----------
    code : (n_items, n_dims)
        All blocks, concatenated.
    labels : (n_items, n_factors) of int
        Classes from 0.

    Returns
    -------
    float
        0 to 1: the gap as a share of the factor's entropy. NaN for a single dimension.

    References
    ----------
    Chen, Li, Grosse and Duvenaud (2018), "Isolating sources of disentanglement in variational
    autoencoders", NeurIPS, eq. 6; by histogram as in Locatello et al. (2019), "Challenging common
    assumptions in the unsupervised learning of disentangled representations", appendix B.
    """
    if code.shape[1] < 2:
        return float("nan")
    gaps = []
    for factor in labels.T:
        entropy = _entropy(np.bincount(factor))
        ranked = np.sort([_information(_binned(dim), factor) for dim in code.T])
        gaps.append((ranked[-1] - ranked[-2]) / entropy)
    return float(np.mean(gaps))


def _binned(values: NDArray[np.floating]) -> NDArray[np.intp]:
    edges = np.linspace(values.min(), values.max(), N_BINS + 1)[1:-1]
    return np.digitize(values, edges)


def _information(bins: NDArray[np.intp], labels: NDArray[np.integer]) -> float:
    joint = np.zeros((bins.max() + 1, labels.max() + 1))
    np.add.at(joint, (bins, labels), 1)
    return _entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0)) - _entropy(joint.ravel())


def _entropy(counts: NDArray[np.integer]) -> float:
    """In nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
