"""How unlike the training recordings a new one is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

# Neighbours among training rows; one alone may be an odd recording.
_NEIGHBOUR = 5
_MAX_TRAINING_ROWS = 5000
_BLOCK_ROWS = 512


@dataclass(frozen=True)
class Novelty:
    """Distances of validation rows from training rows, to compare new rows with.

    Attributes
    ----------
    training : list of (n_training, n_features)
        One array a space of features, each column in units of its spread in training.
    centre, spread : list of (n_features,)
    typical : list of float
        Median distance of validation rows, by space.
    validation : (n_validation,)
        Their distances, ascending.
    """

    training: list[NDArray[np.float64]]
    centre: list[NDArray[np.float64]]
    spread: list[NDArray[np.float64]]
    typical: list[float]
    validation: NDArray[np.float64]

    def distance(self, spaces: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """How many times further from training rows than a typical validation row, (n_rows,).

        The distance in a space is that to the fifth nearest training row, in units of each
        feature's spread, over the median of validation rows. Of several spaces the largest counts.
        """
        parts = [
            _to_neighbour((values - centre) / spread, training) / typical
            for values, centre, spread, training, typical in zip(
                spaces, self.centre, self.spread, self.training, self.typical, strict=True
            )
        ]
        return np.max(parts, axis=0)

    def in_distribution(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of validation rows that are as far from training rows or further, (n_rows,).

        It is the conformal p-value (1 + #{validation ≥ distance}) / (1 + n_validation): among
        recordings that are like those of training, a value below q comes up about q of the time.
        With n validation rows the lowest value is 1 / (n + 1). Where codes of validation rows are
        those of encoders before their refit, this holds as far as both spread codes alike.

        References
        ----------
        Bates, Candès, Lei, Romano and Sesia (2023), "Testing for outliers with conformal
        p-values", Annals of Statistics 51.
        """
        n_rows = len(self.validation)
        further = n_rows - np.searchsorted(self.validation, distance, side="left")
        return (1 + further) / (1 + n_rows)


def fit_novelty(
    training: list[NDArray[np.float64]], validation: list[NDArray[np.float64]], seed: int
) -> Novelty:
    """Learn what is usual from training and validation rows.

    Parameters
    ----------
    training, validation : list of (n_rows, n_features)
        One array a space of features. Of very many training rows some thousands are drawn.
    seed : int
        Of that draw.
    """
    n_rows = len(training[0])
    if n_rows > _MAX_TRAINING_ROWS:
        chosen = np.random.default_rng(seed).choice(n_rows, _MAX_TRAINING_ROWS, replace=False)
        training = [values[np.sort(chosen)] for values in training]
    centre = [values.mean(axis=0) for values in training]
    # A feature that never varies says nothing of distance.
    spread = [np.where(values.std(axis=0) > 0, values.std(axis=0), np.inf) for values in training]
    scaled = [(v - c) / s for v, c, s in zip(training, centre, spread, strict=True)]
    tiny = np.finfo(float).tiny
    typical = [
        max(float(np.median(_to_neighbour((v - c) / s, rows))), tiny)
        for v, c, s, rows in zip(validation, centre, spread, scaled, strict=True)
    ]
    unfinished = Novelty(scaled, centre, spread, typical, np.empty(0))
    return Novelty(scaled, centre, spread, typical, np.sort(unfinished.distance(validation)))


def _to_neighbour(rows: NDArray[np.float64], training: NDArray[np.float64]) -> NDArray[np.float64]:
    place = min(_NEIGHBOUR, len(training)) - 1
    parts = [
        np.partition(cdist(rows[start : start + _BLOCK_ROWS], training), place, axis=1)[:, place]
        for start in range(0, len(rows), _BLOCK_ROWS)
    ]
    return np.concatenate(parts) if parts else np.empty(0)
