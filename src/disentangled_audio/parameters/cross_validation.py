"""Parameters of the pipeline `cross_validation`."""

from disentangled_audio.parameters.base import Parameters, Texts


class CrossValidationParameters(Parameters):
    """Which folds are run, and what is measured of them."""

    folds: Texts | None = None
    """Names of some of the protocol's folds, each of which may be a job of its own; null runs
    all."""
    disentanglement: bool = True
    """Whether to measure in each fold how well each code predicts each factor. A fold that was
    only predicted can be measured later without another training."""
