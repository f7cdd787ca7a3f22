"""How unlike the training recordings a new one is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

# Neighbours among training rows; one alone may be an odd recording.
_NEIGHBOUR = 5
_MAX_ROWS = 5000
_BLOCK_ROWS = 512


@dataclass(frozen=True)
class Space:
    """Training rows in one space of features, and how far away rows of other groups lie.

    Attributes
    ----------
    training : (n_training, n_features)
        In units of each feature's spread in training.
    centre, spread : (n_features,)
    usual : (n_known,)
        Distances of known rows from the training rows of other groups, ascending.
    """

    training: NDArray[np.float64]
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    usual: NDArray[np.float64]

    def distance(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distance to the fifth nearest training row, in units of spread, (n_rows,)."""
        return _to_neighbour((values - self.centre) / self.spread, self.training)

    def p_value(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Conformal p-value (1 + #{usual ≥ distance}) / (1 + n_known), (n_rows,)."""
        further = len(self.usual) - np.searchsorted(self.usual, distance, side="left")
        return (1 + further) / (1 + len(self.usual))


@dataclass(frozen=True)
class Novelty:
    """Several spaces, in each of which a row may be unlike those of training."""

    spaces: list[Space]

    def distance(self, values: list[NDArray[np.floating]]) -> NDArray[np.float64]:
        """How many times further from training rows than is usual, (n_rows,).

        The distance in a space over the median of its `usual`; of several spaces the largest.
        """
        parts = [
            space.distance(rows) / max(float(np.median(space.usual)), np.finfo(float).tiny)
            for space, rows in zip(self.spaces, values, strict=True)
        ]
        return np.max(parts, axis=0)

    def in_distribution(self, values: list[NDArray[np.floating]]) -> NDArray[np.float64]:
        """How usual rows are, from 0 to 1, (n_rows,).

        The smallest p-value of the spaces, times their number (Bonferroni), at most 1: among
        recordings of new groups that are like the known ones, a value below q comes up about q of
        the time or less.

        References
        ----------
        Bates, Candès, Lei, Romano and Sesia (2023), "Testing for outliers with conformal
        p-values", Annals of Statistics 51.
        """
        parts = [
            space.p_value(space.distance(rows))
            for space, rows in zip(self.spaces, values, strict=True)
        ]
        return np.minimum(len(parts) * np.min(parts, axis=0), 1.0)


def fit_space(
    values: NDArray[np.floating],
    training: NDArray[np.bool_],
    known: NDArray[np.bool_],
    group: NDArray,
    seed: int,
) -> Space:
    """Learn what distances are usual.

    Parameters
    ----------
    values : (n_rows, n_features)
    training : (n_rows,)
        Rows that others are compared with.
    known : (n_rows,)
        Rows whose distances are usual. Each is compared with the other groups alone: rows of one
        room lie closer together than any new room does. Where that leaves nobody anything to be
        compared with, groups are not looked at.
    group : (n_rows,)
        What new recordings have others of.
    seed : int
        Of very many rows some thousands are drawn.
    """
    training, known = (_some(rows, seed) for rows in (training, known))
    centre = values[training].mean(axis=0)
    spread = values[training].std(axis=0)
    # A feature that never varies says nothing of distance.
    scaled = (values - centre) / np.where(spread > 0, spread, np.inf)
    _, numbers = np.unique(np.asarray(group).astype(str), return_inverse=True)
    usual = _to_neighbour(scaled[known], scaled[training], numbers[known], numbers[training])
    if not np.isfinite(usual).any():
        usual = _to_neighbour(scaled[known], scaled[training])
    usual = np.sort(usual[np.isfinite(usual)])
    return Space(scaled[training], centre, np.where(spread > 0, spread, np.inf), usual)


def _some(rows: NDArray[np.bool_], seed: int) -> NDArray[np.intp]:
    places = np.flatnonzero(rows)
    if len(places) <= _MAX_ROWS:
        return places
    return np.sort(np.random.default_rng(seed).choice(places, _MAX_ROWS, replace=False))


def _to_neighbour(
    rows: NDArray[np.float64],
    training: NDArray[np.float64],
    group: NDArray[np.integer] | None = None,
    training_group: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """Distance to the fifth nearest training row, of other groups alone where groups are given."""
    place = min(_NEIGHBOUR, len(training)) - 1
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        distances = cdist(rows[block], training)
        if group is not None:
            distances[group[block, np.newaxis] == training_group] = np.inf
        found[block] = np.partition(distances, place, axis=1)[:, place]
    return found
