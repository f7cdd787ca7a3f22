"""How far a new recording lies from the training recordings."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from disentangled_audio.evaluation.representation.probes import draw_rows

# The fifth neighbour, because the nearest may be an odd recording.
_NEIGHBOUR = 5
# A row this many times as far away as the furthest known row is far, however few rows are known.
_FAR = 2.0
_MAX_ROWS = 5000
_BLOCK_ROWS = 512


@dataclass(frozen=True)
class Space:
    """Training rows in one feature space, and the usual distances of rows of other groups.

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

    @property
    def usual_distance(self) -> float:
        """Median of the usual distances."""
        return max(float(np.median(self.usual)), np.finfo(float).tiny)

    def relative(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values in which distances are relative to the usual distance, (n_rows, n_features)."""
        return (values - self.centre) / self.spread / self.usual_distance

    def distance(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distance to the fifth nearest training row, in units of spread, (n_rows,)."""
        return _to_neighbour((values - self.centre) / self.spread, self.training)

    def p_value(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Conformal p-value (1 + #{usual ≥ distance}) / (1 + n_known), (n_rows,)."""
        further = len(self.usual) - np.searchsorted(self.usual, distance, side="left")
        return (1 + further) / (1 + len(self.usual))


class Comparison(NamedTuple):
    """Comparison of rows with the training rows.

    Attributes
    ----------
    distance : (n_rows,)
        Relative to the median of `usual`; the largest of several spaces.
    in_distribution : (n_rows,)
        From 0 to 1.
    is_far : (n_rows,)
        Whether a row is at least twice as far away as the furthest known row, in any space.
    """

    distance: NDArray[np.float64]
    in_distribution: NDArray[np.float64]
    is_far: NDArray[np.bool_]


@dataclass(frozen=True)
class Novelty:
    """Several feature spaces, in each of which a row may differ from the training rows."""

    spaces: list[Space]

    @property
    def least(self) -> float:
        """Smallest `in_distribution` that this number of known rows can give."""
        return min(1.0, len(self.spaces) * min(1 / (1 + len(s.usual)) for s in self.spaces))

    def compare(self, values: list[NDArray[np.floating]]) -> Comparison:
        """Compare rows, one array (n_rows, n_features) per space, with the training rows.

        Notes
        -----
        `in_distribution` is the smallest p-value of the spaces times their number (Bonferroni), at
        most 1. Recordings of new groups that resemble the known ones are below q with a
        probability of about q or less.

        References
        ----------
        Bates, Candès, Lei, Romano and Sesia (2023), "Testing for outliers with conformal
        p-values", Annals of Statistics 51.
        """
        relative, p_values, is_far = [], [], []
        for space, rows in zip(self.spaces, values, strict=True):
            distance = space.distance(rows)
            relative.append(distance / space.usual_distance)
            p_values.append(space.p_value(distance))
            is_far.append(distance >= _FAR * space.usual[-1])
        in_distribution = np.minimum(len(p_values) * np.min(p_values, axis=0), 1.0)
        return Comparison(np.max(relative, axis=0), in_distribution, np.any(is_far, axis=0))


def fit_space(
    values: NDArray[np.floating],
    training: NDArray[np.bool_],
    known: NDArray[np.bool_],
    group: NDArray[Any],
    seed: int,
) -> Space:
    """Learn the usual distances.

    Parameters
    ----------
    values : (n_rows, n_features)
    training : (n_rows,)
        Rows that others are compared with.
    known : (n_rows,)
        Rows with usual distances. Each is compared only with other groups, because rows of one
        room lie closer together than any new room. Groups are ignored if there is only one.
    group : (n_rows,)
        New recordings belong to other groups.
    seed : int
        Of the draw of some thousands of very many rows.
    """
    drawn, compared = _draw(training, seed), _draw(known, seed)
    centre = values[drawn].mean(axis=0)
    spread = values[drawn].std(axis=0)
    # Constant features do not contribute to distances.
    spread = np.where(spread > 0, spread, np.inf)
    scaled = (values - centre) / spread
    _, numbers = np.unique(np.asarray(group).astype(str), return_inverse=True)
    usual = _to_neighbour(scaled[compared], scaled[drawn], numbers[compared], numbers[drawn])
    if not np.isfinite(usual).any():
        usual = _to_neighbour(scaled[compared], scaled[drawn])
    usual = np.sort(usual[np.isfinite(usual)])
    return Space(scaled[drawn], centre, spread, usual)


def _draw(rows: NDArray[np.bool_], seed: int) -> NDArray[np.intp]:
    places = np.flatnonzero(rows)
    return places[draw_rows(len(places), _MAX_ROWS, seed)]


def _to_neighbour(
    rows: NDArray[np.float64],
    training: NDArray[np.float64],
    group: NDArray[np.integer] | None = None,
    training_group: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """Distance to the fifth nearest training row, of another group if groups are given."""
    place = min(_NEIGHBOUR, len(training)) - 1
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        distances = cdist(rows[block], training)
        if group is not None:
            distances[group[block, np.newaxis] == training_group] = np.inf
        found[block] = np.partition(distances, place, axis=1)[:, place]
    return found
