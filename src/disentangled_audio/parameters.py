"""Typed parameters, checked by Kedro before the first node runs.

Names carry units. An unknown key is an error that names it.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]


def _as_list(value: object) -> object:
    # --params passes a single value as a plain string or number.
    return [value] if isinstance(value, str | int | float) else value


def _as_texts(value: object) -> object:
    listed = _as_list(value)
    return [str(item) for item in listed] if isinstance(listed, list) else listed


Texts = Annotated[list[str], BeforeValidator(_as_texts)]
Numbers = Annotated[list[float], BeforeValidator(_as_list)]


class Parameters(BaseModel):
    """Base of all parameter groups: unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FolderSource(Parameters):
    """Recordings that lie in a folder (absolute, or below one of the data folders)."""

    folder: str


class GeneratorSource(Parameters):
    """Recordings that the project synthesises, the same for the same seed."""

    generator: Literal["twin"]
    seed: int = Field(default=0, ge=0)
    files_per_group: int | None = Field(default=None, ge=1)


class Analysis(Parameters):
    """How each recording becomes one fixed-length clip (or one per channel)."""

    channel: Literal["first", "mean", "each"] = "first"
    sample_rate_hz: int = Field(gt=0)
    duration_s: float = Field(ge=0.01, le=60)
    min_duration_s: float = Field(default=0.05, ge=0)
    align: Literal["start", "direct_sound"] = "start"
    pre_direct_s: float = Field(default=0.0025, ge=0)
    fill: Literal["zeros", "noise_floor"] = "zeros"
    band_hz: tuple[float, float] | None = None
    normalise_energy: bool = True

    @model_validator(mode="after")
    def _check_band(self) -> "Analysis":
        if self.band_hz is None:
            return self
        low, high = self.band_hz
        if not 0 < low < high <= self.sample_rate_hz / 2:
            raise ValueError(
                f"band_hz {list(self.band_hz)} must rise and end at or below half of "
                f"sample_rate_hz ({self.sample_rate_hz / 2:g} Hz)"
            )
        return self


class Corpus(Parameters):
    """What the recordings are and where they come from; nothing about the question asked."""

    description: str = ""
    sources: list[FolderSource | GeneratorSource] = Field(min_length=1)
    files: Texts = ["**/*.wav", "**/*.WAV", "**/*.flac", "**/*.FLAC"]
    name_patterns: Texts = []
    metadata: str | None = None
    kind: str = "recording"
    simulated: bool = False
    licence: str = "unknown"
    citation: str = ""
    how_to_get: str = ""
    max_rejected_share: float = Field(default=0.1, ge=0, le=1)
    analysis: Analysis


class Split(Parameters):
    """How rows are given their role. Validation rows are cut from the training groups."""

    strategy: Literal["random", "grouped", "leave_one_group_out", "column"]
    fold: str | int | None = None
    n_folds: int = Field(default=4, ge=2)
    validation_folds: int = Field(default=4, ge=2)
    column: str | None = None
    train: Texts | None = None
    test: Texts | None = None
    allow_missing_classes: bool = False

    @model_validator(mode="after")
    def _check_column(self) -> "Split":
        if self.strategy == "column" and not (self.column and self.test):
            raise ValueError("strategy 'column' needs column and test (a list of its values)")
        both = set(self.train or []) & set(self.test or [])
        if both:
            raise ValueError(f"train and test share the values {sorted(both)}")
        return self


class Protocol(Parameters):
    """What is asked of a corpus: the target, the groups that stay together, the split."""

    target: str
    group_by: Texts = []
    factors: Texts = []
    where: dict[str, Texts] = {}
    split: Split


class FourierParameters(Parameters):
    """Spectrum of the whole clip, then PCA fitted on training rows."""

    n_components: int = Field(default=60, ge=1)
    floor_db: float = Field(default=-80.0, lt=0)


class AugmentationParameters(Parameters):
    """Extra training rows; 0 copies switches augmentation off."""

    copies: int = Field(default=2, ge=0)
    min_snr_db: float = 15.0
    max_snr_db: float = 40.0
    max_gain_db: float = Field(default=6.0, ge=0)
    max_shift_s: float = Field(default=0.005, ge=0)
    max_speed_change: float = Field(default=0.03, ge=0, lt=0.5)
    max_tilt_db_per_octave: float = Field(default=1.0, ge=0)
    pca_jitter: float = Field(default=0.1, ge=0)

    @model_validator(mode="after")
    def _check_snr(self) -> "AugmentationParameters":
        if self.min_snr_db > self.max_snr_db:
            raise ValueError(
                f"min_snr_db ({self.min_snr_db:g}) is above max_snr_db ({self.max_snr_db:g})"
            )
        return self


class SvmParameters(Parameters):
    """Grid of the RBF SVM, searched by inner cross-validation over training groups."""

    C: Numbers = [0.3, 1.0, 3.0, 10.0, 30.0]
    gamma_scale: Numbers = [0.1, 0.3, 1.0, 3.0]
    inner_folds: int = Field(default=4, ge=2)
    max_search_rows: int = Field(default=3000, ge=10)
    n_jobs: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _check_grid(self) -> "SvmParameters":
        for name in ("C", "gamma_scale"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name} needs one or more values above 0, got {values}")
        return self


class HybridParameters(Parameters):
    """Fusion of the members' probabilities, chosen on validation rows."""

    weight_steps: int = Field(default=12, ge=2, le=60)
    max_temperature: float = Field(default=10.0, gt=1)


class EvaluationParameters(Parameters):
    """Intervals of the scores."""

    n_resamples: int = Field(default=1000, ge=100)
