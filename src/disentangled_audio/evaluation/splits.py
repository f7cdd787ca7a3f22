"""Give every row its role: train, validation, test, unlabelled, or unused."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.folds import (
    ImpossibleSplitError,
    column_name,
    column_values,
    combination_roles,
    list_names,
    numbered_name,
    tested_rows,
    validation_rows,
    with_fewer_folds,
)
from disentangled_audio.parameters import Protocol, Split

ROLES = ("train", "validation", "test")

_REPEAT_STRIDE = 1_000_003
_FINER = "group by a column with more values (protocol.group_by)"
_OTHER_WAYS = {
    "random": ["add recordings of the class"],
    "grouped": [_FINER],
    "leave_one_group_out": ["set protocol.split.strategy=grouped, which tests several groups"],
    "column": ["choose other values of the column for protocol.split.test"],
    "combinations": ["set protocol.split.strategy=grouped"],
}


class SplitWarning(UserWarning):
    """A valid split whose labels make its scores less meaningful than they look."""


def make_splits(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> pd.DataFrame:
    """Give every recording its target, group, fold and role.

    Parameters
    ----------
    recordings : DataFrame
        One row per item, with `recording_id`, `path`, the columns that the protocol names, and
        `sound_group` once recordings are read: those that share sound stay together in splits that
        draw files.
    protocol : Protocol
        Rows outside its `where`, or without a target, get the role `unused`. Unlabelled rows lose
        their target, and are unused if their group is held out.
    seed : int
        The protocol's own seed, if any, takes precedence.

    Returns
    -------
    DataFrame
        recording_id, target, group, fold, role; in the order of `recordings`.

    Warns
    -----
    SplitWarning
        About rows without a target, and classes missing from a part (if allowed).
    """
    try:
        table, notes = _split(recordings, protocol, seed)
    except ImpossibleSplitError as error:
        raise UserError(f"{error}. {_advice(recordings, protocol, seed, error)}") from error
    for note in notes:
        warnings.warn(note, SplitWarning, stacklevel=2)
    return table


def _split(
    recordings: pd.DataFrame, protocol: Protocol, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Make the table of `make_splits` and its warnings."""
    seed = seed if protocol.seed is None else protocol.seed
    # Far from the seeds of runs and of the validation folds.
    seed += _REPEAT_STRIDE * protocol.split.repeat
    table, used, unlabelled = _without_roles(recordings, protocol)
    rows = table[used].reset_index()
    kept_recordings = recordings[used].reset_index(drop=True)
    if protocol.split.strategy == "combinations":
        fold, role = combination_roles(kept_recordings[protocol.group_by], protocol.split, seed)
    else:
        fold, test = tested_rows(kept_recordings, rows, protocol.split, seed)
        role = np.where(test, "test", "train").astype(object)
        role[validation_rows(rows, ~test, protocol.split, seed)] = "validation"
    missing = _missing_classes(rows, role)
    if missing and not protocol.split.allow_missing_classes:
        raise ImpossibleSplitError(
            f"a class has no row in a part of the split ({missing})", may_allow=True
        )
    notes = _rows_without_target(recordings, table, protocol)
    if missing:
        notes.append(
            f"fold {fold}: a class has no row in a part of the split ({missing}); its scores "
            "cover only the other classes"
        )
    table["fold"] = fold
    table.loc[rows["index"], "role"] = role
    table.loc[unlabelled & ~_held_out(table), "role"] = "unlabelled"
    return table.drop(columns="sound"), notes


def _held_out(table: pd.DataFrame) -> np.ndarray:
    """Mark rows with the group or the sound of a validation or test row."""
    held_out = table[table["role"].isin(["validation", "test"])]
    known = [table[name].isin(held_out[name]) for name in ("group", "sound")]
    return np.logical_or(*known)


def _without_roles(
    recordings: pd.DataFrame, protocol: Protocol
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Table without roles, the rows that will get one, and the unlabelled rows."""
    _check_ids(recordings)
    kept = _kept_rows(recordings, protocol.where)
    unlabelled = kept & _unlabelled_rows(recordings, protocol.unlabelled)
    target = _labels(recordings, protocol)
    used = kept & ~unlabelled & target.notna().to_numpy()
    # Only recordings that were read can be compared.
    sound = "sound_group" if "sound_group" in recordings else "path"
    table = pd.DataFrame(
        {
            "recording_id": recordings["recording_id"],
            "sound": recordings[sound],
            "target": target.mask(unlabelled),
            "group": _groups(recordings, protocol.group_by or [sound]),
            "fold": "",
            "role": "unused",
        }
    )
    _check_classes(table.loc[used, "target"], protocol.target)
    return table, used, unlabelled


def fold_protocols(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> dict[str, Protocol]:
    """Protocol of every fold of a protocol, by the fold's name; `split.fold` is ignored.

    `make_splits` with one of these protocols gives the table of that fold. Folds that cannot be
    made are a UserError that names each of them and why.
    """
    made = _folds(recordings, protocol)
    errors: dict[str, UserError] = {}
    for name, one in made.items():
        try:
            _split(recordings, one, seed)
        except UserError as error:
            errors[name] = error
    if errors:
        impossible = [e for e in errors.values() if isinstance(e, ImpossibleSplitError)]
        advice = f". {_advice(recordings, protocol, seed, *impossible)}" if impossible else ""
        raise UserError(_reasons(errors) + advice)
    return made


def _reasons(errors: dict[str, UserError]) -> str:
    """Each reason once, with the folds that have it."""
    folds: dict[str, list[str]] = {}
    for name, error in errors.items():
        folds.setdefault(str(error), []).append(name)
    named = {
        reason: list_names(f"fold {name}" for name in names) for reason, names in folds.items()
    }
    return "; ".join(f"{names}: {reason}" for reason, names in named.items())


def possible_split(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> Split | None:
    """Find the split, or the nearest one with fewer folds, of which every fold can be made."""
    for split in with_fewer_folds(protocol.split):
        folds = _folds(recordings, protocol.model_copy(update={"split": split}))
        if all(_is_possible(recordings, one, seed) for one in folds.values()):
            return split
    return None


def _folds(recordings: pd.DataFrame, protocol: Protocol) -> dict[str, Protocol]:
    changed = {
        name: protocol.split.model_copy(update=changes)
        for name, changes in _fold_changes(recordings, protocol).items()
    }
    return {name: protocol.model_copy(update={"split": split}) for name, split in changed.items()}


def _is_possible(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> bool:
    try:
        _split(recordings, protocol, seed)
    except UserError:
        return False
    return True


def _advice(
    recordings: pd.DataFrame, protocol: Protocol, seed: int, *errors: ImpossibleSplitError
) -> str:
    """Say what makes the split possible: first what was tried and works."""
    ways = [_works(recordings, protocol, seed), *_OTHER_WAYS[protocol.split.strategy]]
    ways.append("leave classes out with protocol.where")
    if all(error.may_allow for error in errors):
        ways.append("allow it with protocol.split.allow_missing_classes=true")
    first, *others = filter(None, ways)
    return "; or ".join([first[0].upper() + first[1:], *others])


def _works(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> str:
    split = possible_split(recordings, protocol, seed)
    if split is not None:
        keys = ("n_folds", "validation_folds")
        changed = [key for key in keys if getattr(split, key) != getattr(protocol.split, key)]
        texts = [f"protocol.split.{key}={getattr(split, key)}" for key in changed]
        return f"set {','.join(texts)}, with which every fold can be made" if texts else ""
    folds = _folds(recordings, protocol)
    fold = next((n for n, one in folds.items() if _is_possible(recordings, one, seed)), None)
    if fold is None or protocol.split.repeats > 1 or protocol.split.test:
        return ""
    value = folds[fold].split.fold
    return f"for a single fold, set protocol.split.fold={value}, which can be made"


class SeededFold(NamedTuple):
    """A fold of a protocol with one seed.

    Attributes
    ----------
    name : str
        The fold's, and with several seeds also the seed.
    fold : str
    seed : int
    protocol : Protocol
        Selects the fold.
    """

    name: str
    fold: str
    seed: int
    protocol: Protocol


def seeded_folds(
    recordings: pd.DataFrame, protocol: Protocol, seeds: Sequence[int]
) -> list[SeededFold]:
    """Every fold of a protocol (`fold_protocols`) with every seed."""
    return [
        SeededFold(name if len(seeds) == 1 else f"{name}, seed {seed}", name, seed, one)
        for seed in seeds
        for name, one in fold_protocols(recordings, protocol, seed).items()
    ]


def _fold_changes(recordings: pd.DataFrame, protocol: Protocol) -> dict[str, dict[str, object]]:
    """Changes to `protocol.split` that select each fold, by the fold's name."""
    split = protocol.split
    table, used, _ = _without_roles(recordings, protocol)
    if split.strategy == "leave_one_group_out":
        return {group: {"fold": group} for group in sorted(table.loc[used, "group"].unique())}
    if split.strategy == "column":
        _, known = column_values(recordings[used], split)
        tests = [split.test] if split.test else [[value] for value in known]
        return {column_name(split, test): {} if split.test else {"fold": test[0]} for test in tests}
    changes: list[dict[str, object]] = [
        {"fold": number, "repeat": repeat}
        for repeat in range(split.repeats)
        for number in range(split.n_folds)
    ]
    return {numbered_name(split.model_copy(update=change)): change for change in changes}


def _rows_without_target(
    recordings: pd.DataFrame, table: pd.DataFrame, protocol: Protocol
) -> list[str]:
    """Warn about rows that would be used if they had a target."""
    kept = _kept_rows(recordings, protocol.where)
    kept &= ~_unlabelled_rows(recordings, protocol.unlabelled)
    unknown = table[kept & table["target"].isna().to_numpy()]
    if unknown.empty:
        return []
    groups = list_names(sorted(unknown["group"].unique()))
    return [
        f"{len(unknown)} rows have no target '{protocol.target}' and are not used: "
        f"{list_names(unknown['recording_id'])} (groups: {groups})"
    ]


def _check_ids(recordings: pd.DataFrame) -> None:
    ids = recordings["recording_id"]
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        raise UserError(
            f"recording_id is not unique: {list_names(twice)}; two sources or patterns of the "
            "corpus match the same file, correct one of them"
        )


def _kept_rows(recordings: pd.DataFrame, where: dict[str, list[str]]) -> np.ndarray:
    kept = np.ones(len(recordings), dtype=bool)
    for column, values in where.items():
        kept &= recordings[column].astype("string").isin(values).fillna(False).to_numpy(dtype=bool)
    return kept


def _labels(recordings: pd.DataFrame, protocol: Protocol) -> pd.Series:
    """Label of each row, or missing."""
    values = recordings[protocol.target].astype("string")
    if not protocol.labels:
        return values
    unknown = sorted(set(protocol.labels) - set(values.dropna()))
    if unknown:
        raise UserError(
            f"protocol.labels: column '{protocol.target}' has no value '{unknown[0]}'; use some of "
            f"{list_names(sorted(values.dropna().unique()))}"
        )
    return values.map(protocol.labels).astype("string")


def _unlabelled_rows(recordings: pd.DataFrame, unlabelled: dict[str, list[str]]) -> np.ndarray:
    if not unlabelled:
        return np.zeros(len(recordings), dtype=bool)
    rows = _kept_rows(recordings, unlabelled)
    if not rows.any():
        raise UserError(
            f"protocol.unlabelled {unlabelled} matches no recording; correct its values"
        )
    return rows


def _groups(recordings: pd.DataFrame, group_by: list[str]) -> pd.Series:
    parts = [recordings[column].astype("string").fillna("") for column in group_by]
    return parts[0].str.cat(parts[1:], sep="/")


def _check_classes(target: pd.Series, name: str) -> None:
    classes = target.unique()
    if len(classes) < 2:
        raise UserError(
            f"target '{name}' has {len(classes)} class ({', '.join(classes) or 'no rows'}); "
            "a classifier needs two or more: check protocol.target, protocol.where and the names"
        )


def _missing_classes(rows: pd.DataFrame, role: np.ndarray) -> str:
    """Name the classes missing from parts of the split, with their groups; empty if none is."""
    target = rows["target"]
    present = {name: set(target[role == name]) for name in ROLES}
    if not present["test"]:
        raise UserError("the split has no test rows; check protocol.split")
    named = _class_namer(rows)
    unseen = sorted((present["test"] | present["validation"]) - present["train"])
    if unseen:
        raise ImpossibleSplitError(
            f"no training row of class {', '.join(map(named, unseen))}: all its groups are in "
            "validation or test"
        )
    missing = {name: sorted(set(target) - present[name]) for name in ROLES}
    return "; ".join(
        f"{name}: {', '.join(map(named, classes))}" for name, classes in missing.items() if classes
    )


def _class_namer(rows: pd.DataFrame) -> Callable[[str], str]:
    """Function that names a class and its groups, for messages."""

    def named(name: str) -> str:
        own = rows[rows["target"] == name]
        if len(own) == 1:
            return f"{name} (a single row: {own['recording_id'].iloc[0]})"
        if own["sound"].nunique() == 1:
            return (
                f"{name} (all its {len(own)} rows share sound: {list_names(own['recording_id'])})"
            )
        groups = sorted(own["group"].unique())
        return f"{name} (group{'s' * (len(groups) > 1)} {list_names(groups)})"

    return named
