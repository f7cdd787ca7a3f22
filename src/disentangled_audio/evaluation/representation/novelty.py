"""How unlike the training recordings a new one is."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from disentangled_audio.evaluation.representation.probes import drawn_rows

# Neighbours among training rows; one alone may be an odd recording.
_NEIGHBOUR = 5
# So many times as far as the furthest known row is strange, however few rows are known.
_FAR = 2.0
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


class Comparison(NamedTuple):
    """Of some rows with those of training.

    Attributes
    ----------
    distance : (n_rows,)
        That in a space over the median of its `usual`; of several spaces the largest.
    in_distribution : (n_rows,)
        From 0 to 1.
    is_far : (n_rows,)
        Whether a row lies, in a space, twice as far away as the furthest known one or further.
    """

    distance: NDArray[np.float64]
    in_distribution: NDArray[np.float64]
    is_far: NDArray[np.bool_]


@dataclass(frozen=True)
class Novelty:
    """Several spaces, in each of which a row may be unlike those of training."""

    spaces: list[Space]

    @property
    def least(self) -> float:
        """The smallest `in_distribution` that so many known rows can give."""
        return min(1.0, len(self.spaces) * min(1 / (1 + len(s.usual)) for s in self.spaces))

    def compare(self, values: list[NDArray[np.floating]]) -> Comparison:
        """How far rows are from those of training, and how usual that is.

        Parameters
        ----------
        values : list of (n_rows, n_features)
            One array a space.

        Notes
        -----
        `in_distribution` is the smallest p-value of the spaces, times their number (Bonferroni), at
        most 1: among recordings of new groups that are like the known ones, a value below q comes
        up about q of the time or less.

        References
        ----------
        Bates, Candès, Lei, Romano and Sesia (2023), "Testing for outliers with conformal
        p-values", Annals of Statistics 51.
        """
        found = [space.distance(rows) for space, rows in zip(self.spaces, values, strict=True)]
        tiny = np.finfo(float).tiny
        relative = [
            distance / max(float(np.median(space.usual)), tiny)
            for space, distance in zip(self.spaces, found, strict=True)
        ]
        p_values = [
            space.p_value(distance) for space, distance in zip(self.spaces, found, strict=True)
        ]
        usual = np.minimum(len(p_values) * np.min(p_values, axis=0), 1.0)
        is_far = [
            distance >= _FAR * space.usual[-1]
            for space, distance in zip(self.spaces, found, strict=True)
        ]
        return Comparison(np.max(relative, axis=0), usual, np.any(is_far, axis=0))


def fit_space(
    values: NDArray[np.floating],
    training: NDArray[np.bool_],
    known: NDArray[np.bool_],
    group: NDArray[Any],
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
    drawn, compared = _some(training, seed), _some(known, seed)
    centre = values[drawn].mean(axis=0)
    spread = values[drawn].std(axis=0)
    # A feature that never varies says nothing of distance.
    spread = np.where(spread > 0, spread, np.inf)
    scaled = (values - centre) / spread
    _, numbers = np.unique(np.asarray(group).astype(str), return_inverse=True)
    usual = _to_neighbour(scaled[compared], scaled[drawn], numbers[compared], numbers[drawn])
    if not np.isfinite(usual).any():
        usual = _to_neighbour(scaled[compared], scaled[drawn])
    usual = np.sort(usual[np.isfinite(usual)])
    return Space(scaled[drawn], centre, spread, usual)


def _some(rows: NDArray[np.bool_], seed: int) -> NDArray[np.intp]:
    places = np.flatnonzero(rows)
    return places[drawn_rows(len(places), _MAX_ROWS, seed)]


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
