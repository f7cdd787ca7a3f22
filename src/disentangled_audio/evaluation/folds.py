"""Which rows a fold tests, and which it keeps for validation."""

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Split

# Of long lists, so many are named.
_MOST_NAMED = 5


def listed(names: Iterable[object]) -> str:
    """The first of some names, and how many there are beside."""
    texts = [str(name) for name in names]
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def tested_rows(
    recordings: pd.DataFrame, rows: pd.DataFrame, split: Split, seed: int
) -> tuple[str, NDArray[np.bool_]]:
    """Name of a fold of any strategy but `combinations`, and which rows it tests.

    Parameters
    ----------
    recordings : DataFrame of n_items rows
        With the column that decides, if one does.
    rows : DataFrame of n_items rows
        ``path``, ``group`` and ``target``.

    Returns
    -------
    test : (n_items,)

    Raises
    ------
    UserError
        If there is no such fold.
    """
    if split.strategy == "column":
        return _column_fold(recordings, split)
    if split.strategy == "leave_one_group_out":
        return _group_fold(rows["group"], split.fold)
    return _numbered_fold(rows, split, seed)


def _column_fold(recordings: pd.DataFrame, split: Split) -> tuple[str, np.ndarray]:
    values, known = column_values(recordings, split)
    tested = split.test or [known[0] if split.fold is None else str(split.fold)]
    if not split.test and tested[0] not in known:
        raise UserError(
            f"protocol.split.fold '{tested[0]}' is no value of column '{split.column}'; "
            f"it has {known}"
        )
    for wanted in (*tested, *(split.train or [])):
        if wanted not in known:
            raise UserError(
                f"protocol.split: column '{split.column}' has no value '{wanted}'; it has {known}"
            )
    test = values.isin(tested).to_numpy()
    if test.all():
        raise UserError(
            f"protocol.split: all rows have the tested value {', '.join(tested)} of column "
            f"'{split.column}'; none is left to train on"
        )
    outside = ~test & ~values.isin(split.train).to_numpy() if split.train else np.zeros(len(test))
    if outside.any():
        raise UserError(
            f"protocol.split: {int(outside.sum())} rows are in neither train {split.train} nor "
            f"test {split.test} of column '{split.column}'; leave them out by protocol.where"
        )
    return column_name(split, tested), test


def column_name(split: Split, tested: list[str]) -> str:
    """Name of a fold that tests some values of a column."""
    return f"{split.column}={'+'.join(tested)}"


def column_values(recordings: pd.DataFrame, split: Split) -> tuple[pd.Series, list[str]]:
    """The column that decides, as text, and its values in order."""
    values = recordings[split.column].astype("string")
    n_missing = int(values.isna().sum())
    if n_missing and not split.test:
        raise UserError(
            f"protocol.split: {n_missing} rows have no value in column '{split.column}' and so "
            "are in no fold; leave them out by protocol.where, or name the test values"
        )
    return values, sorted(values.dropna().unique())


def _group_fold(groups: pd.Series, fold: str | int | None) -> tuple[str, np.ndarray]:
    known = sorted(groups.unique())
    if len(known) < 3:
        raise UserError(
            f"leave_one_group_out needs three or more groups (test, validation, training); "
            f"there are {known}"
        )
    chosen = known[0] if fold is None else str(fold)
    if chosen not in known:
        raise UserError(f"protocol.split.fold '{chosen}' is not a group; groups are {known}")
    return chosen, (groups == chosen).to_numpy()


def _numbered_fold(rows: pd.DataFrame, split: Split, seed: int) -> tuple[str, np.ndarray]:
    folds = _folds(rows, split.n_folds, split.strategy, seed)
    return numbered_name(split), folds == _fold_number(split)


def numbered_name(split: Split) -> str:
    """Name of one of several folds of a draw."""
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
    """Fold, and roles by a Latin design: a combination's fold is the sum of its level numbers.

    The levels are numbered in random order. Test and validation are two neighbouring folds.
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
    """Places of the rows that are kept from training for validation, whole groups of them."""
    candidates = np.flatnonzero(training)
    # Where few groups are left, each may be a fold of its own; two are needed in any case.
    n_units = _units(rows.iloc[candidates], split.strategy).nunique()
    n_folds = max(2, min(split.validation_folds, n_units))
    # Another seed than the test folds', so that validation is no echo of the test draw.
    folds = _folds(rows.iloc[candidates], n_folds, split.strategy, seed + 1)
    target = rows["target"].to_numpy()[candidates]

    def n_held(number: int) -> tuple[int, int]:
        held_out = folds == number
        return -len(set(target[~held_out])), -len(set(target[held_out]))

    # The first fold that leaves every class to train on, and has every class, if there is one.
    # scikit-learn puts the largest group into fold 0, whatever the seed.
    return candidates[folds == min(range(n_folds), key=n_held)]


def _units(rows: pd.DataFrame, strategy: str) -> pd.Series:
    """What stays together: groups; for `random`, the channels of a file."""
    return rows["path"] if strategy == "random" else rows["group"]


def _folds(rows: pd.DataFrame, n_folds: int, strategy: str, seed: int) -> np.ndarray:
    """Number of the stratified fold that holds each row."""
    units = _units(rows, strategy)
    grouped = not units.is_unique
    if units.nunique() < n_folds:
        what = "file" if strategy == "random" else "group"
        what += "s" * (units.nunique() > 1)
        raise UserError(
            f"{units.nunique()} {what} ({listed(sorted(units.unique()))}) cannot make {n_folds} "
            "folds; lower protocol.split.n_folds or validation_folds, or group by a finer column"
        )
    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(
        n_folds, shuffle=True, random_state=seed
    )
    folds = np.empty(len(rows), dtype=int)
    with warnings.catch_warnings():
        # A class with fewer rows than folds is named by _missing_classes, if it matters.
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            groups = units if grouped else None
            parts = list(splitter.split(np.zeros(len(rows)), rows["target"], groups))
        except ValueError as error:
            raise UserError(
                f"{n_folds} folds cannot be made: {error} Lower protocol.split.n_folds or "
                "protocol.split.validation_folds, or record more of the rarest class"
            ) from error
    for number, (_, held_out) in enumerate(parts):
        folds[held_out] = number
    return folds
