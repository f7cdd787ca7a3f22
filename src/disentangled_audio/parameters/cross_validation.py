"""Parameters of the pipeline `cross_validation`."""

from typing import Self

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Integers, Parameters, Texts


class CrossValidationParameters(Parameters):
    """Which folds to run, and what to measure in them."""

    folds: Texts | None = None
    """Names of the protocol's folds to run, for example one fold per job; null runs all."""
    seeds: Integers | None = Field(default=None, min_length=1)
    """Seeds with which every fold is run, for example `[7, 8, 9]`; scores are then means over the
    folds of all seeds, and their spread over the seeds is given. Null takes the run's `seed`."""
    disentanglement: bool = True
    """Whether to measure in each fold how well each code predicts each factor. A finished fold can
    be measured later without training it again."""

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: {self.seeds} names a seed twice")
        return self
