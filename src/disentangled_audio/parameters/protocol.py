"""Protocols: which column of a corpus to predict, and how to split its rows."""

from typing import Any, Literal

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Parameters, Texts


class Split(Parameters):
    """How rows get their role. Validation rows are taken from the training groups."""

    strategy: Literal["random", "grouped", "leave_one_group_out", "column", "combinations"]
    """How folds are made: `random` draws files (those that share sound stay together), `grouped`
    draws whole groups, `leave_one_group_out` tests one named group, and `column` uses the values of
    a column. `combinations` draws combinations of the values of `group_by`: every fold has the same
    share of each value, and of each pair of values if there are as many folds as values."""
    fold: str | int | None = None
    """Fold for testing: its number, or its name for `leave_one_group_out` and `column`."""
    n_folds: int = Field(default=4, ge=2)
    """Number of folds for `random`, `grouped` and `combinations`."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """Number of times that cross-validation draws such folds."""
    repeat: int = Field(default=0, ge=0)
    """Number of the repeat to use, counted from 0."""
    validation_folds: int = Field(default=4, ge=2)
    """Number of parts into which the training groups are divided, at most the number of groups and
    of the largest class's rows; one part is for validation."""
    column: str | None = None
    """Column for the strategy `column`."""
    train: Texts | None = None
    """Values of `column` for training; null uses all except the test values."""
    test: Texts | None = None
    """Values of `column` for testing; null makes each value a fold, and `fold` selects one."""
    allow_missing_classes: bool = False
    """Whether validation or test may lack a class."""

    @model_validator(mode="after")
    def _check_column(self) -> "Split":
        if self.strategy == "column" and not self.column:
            raise ValueError("strategy 'column' needs column; test (a list of values) is optional")
        if self.train and not self.test:
            raise ValueError("train needs test: without test, each value of the column is a fold")
        if self.repeat >= self.repeats:
            raise ValueError(f"repeat {self.repeat} must be below repeats ({self.repeats})")
        if self.repeats > 1 and self.strategy in ("leave_one_group_out", "column"):
            raise ValueError(
                f"repeats ({self.repeats}) needs folds that are drawn; set it to 1, because those "
                f"of '{self.strategy}' are given"
            )
        both = set(self.train or []) & set(self.test or [])
        if both:
            raise ValueError(f"train and test share the values {sorted(both)}")
        return self


class Protocol(Parameters):
    """The target, the groups that stay together, and the split."""

    target: str
    """Column to predict."""
    labels: dict[str, str] = {}
    """Label for each value of the target, so that corpora with different or finer names share one
    task; rows with another value are unused. Empty uses the values themselves."""
    group_by: Texts = []
    """Columns whose values together name a group, which is never split; without columns, recordings
    that share sound are a group, and each other one is a group of its own."""
    factors: Texts = []
    """Columns for which codes are examined."""
    where: dict[str, Texts] = {}
    """Values to keep, by column; other rows are unused."""
    unlabelled: dict[str, Texts] = {}
    """Values by column whose rows have no target: the encoders learn to reconstruct them, and no
    other step uses them."""
    analysis: dict[str, Any] = {}
    """Values that replace those of the corpus's analysis for this protocol."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of the split, to repeat a published one; null uses the seed of the run."""
    split: Split
    """How rows get their role."""

    @model_validator(mode="after")
    def _check_combinations(self) -> "Protocol":
        if self.split.strategy == "combinations" and len(self.group_by) < 2:
            raise ValueError("strategy 'combinations' needs two or more columns in group_by")
        return self
