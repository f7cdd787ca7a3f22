"""Parameters of the pipeline `reporting`."""

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Parameters, Share


class EvaluationParameters(Parameters):
    """Intervals of the scores, and optional rejection of uncertain items."""

    n_resamples: int = Field(default=1000, ge=100)
    """Number of bootstrap resamples for each interval."""
    reject_below: Share | None = None
    """Calibrated confidence below which the hybrid's label is rejected; null rejects none."""
    max_risk: Share | None = None
    """Highest error rate among the kept items, instead of `reject_below`; validation rows decide
    the threshold."""

    @model_validator(mode="after")
    def _check_rejection(self) -> "EvaluationParameters":
        if self.reject_below is not None and self.max_risk is not None:
            raise ValueError(
                f"reject_below ({self.reject_below:g}) and max_risk ({self.max_risk:g}) both "
                "choose what is rejected; set one of them to null"
            )
        return self
