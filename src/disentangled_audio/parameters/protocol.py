"""Protocols: what is asked of a corpus, and how its rows are split."""

from typing import Any, Literal

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Parameters, Texts


class Split(Parameters):
    """How rows get their role. Validation rows are cut from the training groups."""

    strategy: Literal["random", "grouped", "leave_one_group_out", "column", "combinations"]
    """`random` draws rows, `grouped` whole groups, `leave_one_group_out` tests one named group,
    `column` follows a given column. `combinations` draws combinations of the values of `group_by`:
    every fold has the same share of each value, and of each pair of values where there are as many
    folds as values."""
    fold: str | int | None = None
    """Which fold is the test part: its number, or its name for `leave_one_group_out` and
    `column`."""
    n_folds: int = Field(default=4, ge=2)
    """Number of folds of `random`, `grouped` and `combinations`."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """How often cross-validation draws such folds anew."""
    repeat: int = Field(default=0, ge=0)
    """Which of the repeats, counted from 0."""
    validation_folds: int = Field(default=4, ge=2)
    """The training groups are divided into so many parts, or fewer if there are fewer groups; one
    part is for validation."""
    column: str | None = None
    """The column that decides, for the strategy `column`."""
    train: Texts | None = None
    """Values of `column` that are trained on; null takes all but the test values."""
    test: Texts | None = None
    """Values of `column` that are tested; null makes each value a fold, and `fold` selects one."""
    allow_missing_classes: bool = False
    """Whether validation or test may lack a class."""

    @model_validator(mode="after")
    def _check_column(self) -> "Split":
        if self.strategy == "column" and not self.column:
            raise ValueError(
                "strategy 'column' needs column, and test (a list of its values) or none"
            )
        if self.train and not self.test:
            raise ValueError("train needs test: without it, each value of the column is a fold")
        if self.repeat >= self.repeats:
            raise ValueError(f"repeat {self.repeat} must be below repeats ({self.repeats})")
        if self.repeats > 1 and self.strategy in ("leave_one_group_out", "column"):
            raise ValueError(
                f"repeats ({self.repeats}) needs folds that are drawn; those of "
                f"'{self.strategy}' are given"
            )
        both = set(self.train or []) & set(self.test or [])
        if both:
            raise ValueError(f"train and test share the values {sorted(both)}")
        return self


class Protocol(Parameters):
    """What is asked of a corpus: the target, the groups that stay together, the split."""

    target: str
    """Column to predict."""
    labels: dict[str, str] = {}
    """Label for each value of the target, so that corpora with other or finer names can be asked
    the same question; rows with another value are unused. Empty takes the values themselves."""
    group_by: Texts = []
    """Columns that together name the groups, which are never split; without any, each item is a
    group."""
    factors: Texts = []
    """Columns that representations may be examined for."""
    where: dict[str, Texts] = {}
    """Columns and the values that are kept; other rows are unused."""
    unlabelled: dict[str, Texts] = {}
    """Columns and values whose rows have no target: the encoders learn to rebuild them, and
    nothing else sees them."""
    analysis: dict[str, Any] = {}
    """Values of the analysis that this protocol needs in place of the corpus's own."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of the split, to repeat a published one; null takes the seed of the run."""
    split: Split
    """How rows get their role."""

    @model_validator(mode="after")
    def _check_combinations(self) -> "Protocol":
        if self.split.strategy == "combinations" and len(self.group_by) < 2:
            raise ValueError("strategy 'combinations' needs two or more columns in group_by")
        return self
