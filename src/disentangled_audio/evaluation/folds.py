"""Choose the test and validation rows of a fold."""

import warnings
from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Split

# Messages list this many names of a long list.
_MAX_LISTED = 5
# Strategies whose folds are drawn by number.
_DRAWN = ("random", "grouped", "combinations")


class ImpossibleSplitError(UserError):
    """A split cannot be made of these rows; the message is the reason, without advice.

    Parameters
    ----------
    reason : str
    may_allow : bool
        Whether `allow_missing_classes` would allow it.
    """

    def __init__(self, reason: str, *, may_allow: bool = False) -> None:
        super().__init__(reason)
        self.may_allow = may_allow


def list_names(names: Iterable[object]) -> str:
    """Join the first names of a list and count the others."""
    texts = [str(name) for name in names]
    more = len(texts) - _MAX_LISTED
    return ", ".join(texts[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def tested_rows(
    recordings: pd.DataFrame, rows: pd.DataFrame, split: Split, seed: int
) -> tuple[str, NDArray[np.bool_]]:
    """Name a fold of any strategy but `combinations`, and mark its test rows.

    Parameters
    ----------
    recordings : DataFrame of n_items rows
        With the column of the split, if it has one.
    rows : DataFrame of n_items rows
        ``sound``, ``group`` and ``target``.

    Returns
    -------
    test : (n_items,)
    """
    if split.strategy == "column":
        return _column_fold(recordings, split)
    if split.strategy == "leave_one_group_out":
        return _group_fold(rows["group"], split.fold)
    folds = _folds(rows, split.n_folds, split.strategy, seed)
    return numbered_name(split), folds == _fold_number(split)


def _column_fold(recordings: pd.DataFrame, split: Split) -> tuple[str, np.ndarray]:
    values, known = column_values(recordings, split)
    tested = split.test or [known[0] if split.fold is None else str(split.fold)]
    if not split.test and tested[0] not in known:
        raise UserError(
            f"protocol.split.fold '{tested[0]}' is not a value of column '{split.column}'; "
            f"use one of {known}"
        )
    for wanted in (*tested, *(split.train or [])):
        if wanted not in known:
            raise UserError(
                f"protocol.split: column '{split.column}' has no value '{wanted}'; "
                f"use one of {known}"
            )
    test = values.isin(tested).to_numpy()
    if test.all():
        raise UserError(
            f"protocol.split: all rows have the test value {', '.join(tested)} of column "
            f"'{split.column}', so none is left to train on; name fewer test values"
        )
    outside = ~test & ~values.isin(split.train).to_numpy() if split.train else np.zeros(len(test))
    if outside.any():
        raise UserError(
            f"protocol.split: {int(outside.sum())} rows are in neither train {split.train} nor "
            f"test {split.test} of column '{split.column}'; exclude them with protocol.where"
        )
    return column_name(split, tested), test


def column_name(split: Split, tested: list[str]) -> str:
    """Name the fold that tests these values of a column."""
    return f"{split.column}={'+'.join(tested)}"


def column_values(recordings: pd.DataFrame, split: Split) -> tuple[pd.Series, list[str]]:
    """Column of the split as text, and its sorted values."""
    values = recordings[split.column].astype("string")
    n_missing = int(values.isna().sum())
    if n_missing and not split.test:
        raise UserError(
            f"protocol.split: {n_missing} rows have no value in column '{split.column}' and "
            "belong to no fold; exclude them with protocol.where, or name the test values"
        )
    return values, sorted(values.dropna().unique())


def _group_fold(groups: pd.Series, fold: str | int | None) -> tuple[str, np.ndarray]:
    known = sorted(groups.unique())
    if len(known) < 3:
        raise UserError(
            f"leave_one_group_out needs three or more groups (test, validation, training), but "
            f"there are {known}; group by another column or use another strategy"
        )
    chosen = known[0] if fold is None else str(fold)
    if chosen not in known:
        raise UserError(f"protocol.split.fold '{chosen}' is not a group; use one of {known}")
    return chosen, (groups == chosen).to_numpy()


def with_fewer_folds(split: Split) -> Iterator[Split]:
    """Give a split, and then those with fewer folds for validation, and for testing."""
    n_folds = range(split.n_folds, 1, -1) if split.strategy in _DRAWN else [split.n_folds]
    has_own = split.strategy == "combinations"
    parts = [split.validation_folds] if has_own else range(split.validation_folds, 1, -1)
    for n, n_parts in product(n_folds, parts):
        # A fold that no longer exists is not asked for.
        fold = min(_fold_number(split), n - 1) if split.strategy in _DRAWN else split.fold
        yield split.model_copy(update={"n_folds": n, "validation_folds": n_parts, "fold": fold})


def numbered_name(split: Split) -> str:
    """Name a fold by its number and, if there are several repeats, its repeat."""
    number = _fold_number(split)
    return str(number) if split.repeats == 1 else f"{number} of repeat {split.repeat}"


def _fold_number(split: Split) -> int:
    number = 0 if split.fold is None else split.fold
    if not str(number).isdigit() or int(number) >= split.n_folds:
        raise UserError(
            f"protocol.split.fold '{number}' must be a number from 0 to {split.n_folds - 1}"
        )
    return int(number)


def combination_roles(factors: pd.DataFrame, split: Split, seed: int) -> tuple[str, np.ndarray]:
    """Name of the fold, and roles by a Latin design.

    The fold of a combination is the sum of its level numbers; levels are numbered in random order.
    Test and validation are two neighbouring folds.
    """
    number = _fold_number(split)
    rng = np.random.default_rng(seed)
    total = np.zeros(len(factors), dtype=int)
    for column in factors:
        values = factors[column].astype("string").fillna("")
        order = {value: n for n, value in enumerate(rng.permutation(sorted(values.unique())))}
        total += values.map(order).to_numpy(dtype=int)
    folds = total % split.n_folds
    role = np.full(len(factors), "train", dtype=object)
    role[folds == number] = "test"
    role[folds == (number + 1) % split.n_folds] = "validation"
    return numbered_name(split), role


def validation_rows(
    rows: pd.DataFrame, training: NDArray[np.bool_], split: Split, seed: int
) -> NDArray[np.intp]:
    """Choose whole groups of training rows for validation; gives their positions."""
    candidates = np.flatnonzero(training)
    # With few groups left, each may be a fold of its own; at least two folds are needed.
    n_units = _units(rows.iloc[candidates], split.strategy).nunique()
    # scikit-learn refuses more folds than the largest class has rows.
    largest_class = rows["target"].iloc[candidates].value_counts().max()
    n_folds = max(2, min(split.validation_folds, n_units, largest_class))
    # A different seed, so that the validation folds do not repeat the draw of the test folds.
    folds = _folds(rows.iloc[candidates], n_folds, split.strategy, seed + 1)
    target = rows["target"].to_numpy()[candidates]

    def class_counts(number: int) -> tuple[int, int]:
        held_out = folds == number
        return len(set(target[~held_out])), len(set(target[held_out]))

    # Prefer a fold that leaves every class to train on, then one that has every class itself.
    # scikit-learn puts the largest group into fold 0 for every seed.
    return candidates[folds == max(range(n_folds), key=class_counts)]


def _units(rows: pd.DataFrame, strategy: str) -> pd.Series:
    """Units that stay together: groups, or for `random` files that share sound."""
    return rows["sound"] if strategy == "random" else rows["group"]


def _folds(rows: pd.DataFrame, n_folds: int, strategy: str, seed: int) -> np.ndarray:
    """Number of the stratified fold that holds each row."""
    units = _units(rows, strategy)
    grouped = not units.is_unique
    if units.nunique() < n_folds:
        unit = "file" if strategy == "random" else "group"
        unit += "s" * (units.nunique() > 1)
        raise ImpossibleSplitError(
            f"{units.nunique()} {unit} ({list_names(sorted(units.unique()))}) cannot make "
            f"{n_folds} folds"
        )
    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(
        n_folds, shuffle=True, random_state=seed
    )
    folds = np.empty(len(rows), dtype=int)
    with warnings.catch_warnings():
        # splits._missing_classes reports classes with fewer rows than folds, if it matters.
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            groups = units if grouped else None
            parts = list(splitter.split(np.zeros(len(rows)), rows["target"], groups))
        except ValueError as error:
            raise ImpossibleSplitError(
                f"{n_folds} folds cannot be made: {str(error).rstrip('.')}"
            ) from error
    for number, (_, held_out) in enumerate(parts):
        folds[held_out] = number
    return folds
