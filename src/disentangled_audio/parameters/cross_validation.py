"""Parameters of the pipeline `cross_validation`."""

from disentangled_audio.parameters.base import Parameters, Texts


class CrossValidationParameters(Parameters):
    """Which folds to run, and what to measure in them."""

    folds: Texts | None = None
    """Names of the protocol's folds to run, for example one fold per job; null runs all."""
    disentanglement: bool = True
    """Whether to measure in each fold how well each code predicts each factor. A finished fold can
    be measured later without training it again."""
