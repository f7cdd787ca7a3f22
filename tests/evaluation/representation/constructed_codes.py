"""Codes that are made so that their scores are known."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FACTORS = ("content", "rhythm", "pitch")


def balanced_factors(n_takes: int = 10, n_levels: int = 3) -> pd.DataFrame:
    """Every combination of levels equally often."""
    grid = np.stack(np.meshgrid(*[np.arange(n_levels)] * 3), axis=-1).reshape(-1, 3)
    levels = np.repeat(grid, n_takes, axis=0)
    return pd.DataFrame(
        {
            name: [f"{name}{v}" for v in column]
            for name, column in zip(FACTORS, levels.T, strict=True)
        }
    )


def told(labels: pd.Series, n_dims: int, rng: np.random.Generator, noise: float = 0.1) -> NDArray:
    """A code that says a factor and nothing else: a random place for each level, and noise."""
    numbers, names = pd.factorize(labels, sort=True)
    places = np.linalg.qr(rng.standard_normal((max(n_dims, len(names)),) * 2))[0]
    return places[numbers, :n_dims] + noise * rng.standard_normal((len(labels), n_dims))


def perfect(factors: pd.DataFrame, n_dims: int = 4, seed: int = 0) -> dict[str, NDArray]:
    rng = np.random.default_rng(seed)
    return {name: told(factors[name], n_dims, rng) for name in factors}


def entangled(factors: pd.DataFrame, n_dims: int = 4, seed: int = 0) -> dict[str, NDArray]:
    """Each code says everything, in its own words."""
    rng = np.random.default_rng(seed)
    return {name: np.hstack([told(factors[f], n_dims, rng) for f in factors]) for name in factors}


def noise(factors: pd.DataFrame, n_dims: int = 4, seed: int = 0) -> dict[str, NDArray]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((len(factors), n_dims)) for name in factors}
