"""Gives every row its role: train, validation, test, unlabelled, or unused."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.folds import (
    column_name,
    column_values,
    combination_roles,
    listed,
    numbered_name,
    tested_rows,
    validation_rows,
)
from disentangled_audio.parameters import Protocol

ROLES = ("train", "validation", "test")

_REPEAT_STRIDE = 1_000_003


class SplitWarning(UserWarning):
    """A split that can be made, though its labels or files make it say less than it seems to."""


def make_splits(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> pd.DataFrame:
    """Target, group, fold and role of every recording.

    Parameters
    ----------
    recordings : DataFrame
        One row per item, with `recording_id`, `path` and the columns that the protocol names.
    protocol : Protocol
        Rows outside of its `where`, or without a target, get the role `unused`; those that it
        calls unlabelled keep no target, and are unused where their group is held out.
    seed : int
        Of the run; the protocol's own comes before it.

    Returns
    -------
    DataFrame
        recording_id, target, group, fold, role; in the order of `recordings`.

    Raises
    ------
    UserError
        If fewer than two classes remain, a fold or column value does not exist, or a class
        has no row in one of the roles (unless `allow_missing_classes`).

    Warns
    -----
    SplitWarning
        Of rows without a target, classes that a part lacks where that is allowed, and (where
        `sha256` is known) identical files in training and test, or with several labels.
    """
    table, notes = _split(recordings, protocol, seed)
    for note in notes:
        warnings.warn(note, SplitWarning, stacklevel=2)
    return table


def _split(
    recordings: pd.DataFrame, protocol: Protocol, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """The table of `make_splits`, and what is to be said of it."""
    seed = seed if protocol.seed is None else protocol.seed
    # Far from the seeds that a run is given, and from that of the validation folds.
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
        raise UserError(
            f"a class has no row in a part of the split ({missing}). Use another fold, another "
            "seed, or allow it by protocol.split.allow_missing_classes=true"
        )
    notes = _rows_without_target(recordings, table, protocol)
    if missing:
        notes.append(
            f"fold {fold}: a class has no row in a part of the split ({missing}); scores "
            "there are those of the other classes"
        )
    notes += _identical_files(kept_recordings, rows.assign(role=role), fold)
    table["fold"] = fold
    table.loc[rows["index"], "role"] = role
    held_out = table["group"].isin(table.loc[table["role"].isin(["validation", "test"]), "group"])
    table.loc[unlabelled & ~held_out, "role"] = "unlabelled"
    return table.drop(columns="path"), notes


def _without_roles(
    recordings: pd.DataFrame, protocol: Protocol
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The table before roles are given, which rows get one, and which are called unlabelled."""
    _check_ids(recordings)
    kept = _kept_rows(recordings, protocol.where)
    unlabelled = kept & _unlabelled_rows(recordings, protocol.unlabelled)
    target = _labels(recordings, protocol)
    used = kept & ~unlabelled & target.notna().to_numpy()
    table = pd.DataFrame(
        {
            "recording_id": recordings["recording_id"],
            "path": recordings["path"],
            "target": target.mask(unlabelled),
            "group": _groups(recordings, protocol.group_by or ["path"]),
            "fold": "",
            "role": "unused",
        }
    )
    _check_classes(table.loc[used, "target"], protocol.target)
    return table, used, unlabelled


def fold_protocols(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> dict[str, Protocol]:
    """Every fold of a protocol, as the protocol that makes it, by the fold's name.

    Parameters
    ----------
    recordings : DataFrame
        As for `make_splits`.
    protocol : Protocol
        Its own `split.fold` does not matter.

    Returns
    -------
    dict
        `make_splits` with one of these gives the fold's table, which has the name in its column
        `fold`.

    Raises
    ------
    UserError
        If folds cannot be made; names each of them and why.
    """
    made: dict[str, Protocol] = {}
    troubles = []
    for name, changes in _fold_changes(recordings, protocol).items():
        split = protocol.split.model_copy(update=changes)
        made[name] = protocol.model_copy(update={"split": split})
        try:
            _split(recordings, made[name], seed)
        except UserError as error:
            troubles.append(f"fold {name}: {error}")
    if troubles:
        raise UserError("; ".join(troubles))
    return made


def _fold_changes(recordings: pd.DataFrame, protocol: Protocol) -> dict[str, dict[str, object]]:
    """What `split` has to be changed to for each fold, by the fold's name."""
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
    """Rows that would be used if they had a target."""
    kept = _kept_rows(recordings, protocol.where)
    kept &= ~_unlabelled_rows(recordings, protocol.unlabelled)
    unknown = table[kept & table["target"].isna().to_numpy()]
    if unknown.empty:
        return []
    groups = listed(sorted(unknown["group"].unique()))
    return [
        f"{len(unknown)} rows have no target '{protocol.target}' and are not used: "
        f"{listed(unknown['recording_id'])} (groups: {groups})"
    ]


def _identical_files(recordings: pd.DataFrame, rows: pd.DataFrame, fold: str) -> list[str]:
    """Files of the same content on both sides of the split, or with several labels."""
    if "sha256" not in recordings:
        # Not known before the recordings are decoded.
        return []
    # The channels of a file are no copies of one another.
    files = rows.assign(sha256=recordings["sha256"]).drop_duplicates("path")
    files = files[files["sha256"].notna() & files["sha256"].duplicated(keep=False)]
    copies = [same for _, same in files.groupby("sha256", sort=False)]
    said = {
        f"fold {fold}: identical files in test and in training or validation, whose test shows "
        "memory alone": [c for c in copies if (c["role"] == "test").nunique() > 1],
        "identical files with several labels, of which all but one are wrong": [
            c for c in copies if c["target"].nunique() > 1
        ],
    }
    return [f"{what}: {listed(map(_copies_named, found))}" for what, found in said.items() if found]


def _copies_named(copies: pd.DataFrame) -> str:
    return " = ".join(
        f"{row.path} (class {row.target}, group {row.group})" for row in copies.itertuples()
    )


def _check_ids(recordings: pd.DataFrame) -> None:
    ids = recordings["recording_id"]
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        raise UserError(
            f"recording_id is not unique: {listed(twice)}; two sources or patterns take the same "
            "file, correct the corpus"
        )


def _kept_rows(recordings: pd.DataFrame, where: dict[str, list[str]]) -> np.ndarray:
    kept = np.ones(len(recordings), dtype=bool)
    for column, values in where.items():
        kept &= recordings[column].astype("string").isin(values).fillna(False).to_numpy(dtype=bool)
    return kept


def _labels(recordings: pd.DataFrame, protocol: Protocol) -> pd.Series:
    """What is to be predicted of each row."""
    values = recordings[protocol.target].astype("string")
    if not protocol.labels:
        return values
    unknown = sorted(set(protocol.labels) - set(values.dropna()))
    if unknown:
        raise UserError(
            f"protocol.labels: column '{protocol.target}' has no value '{unknown[0]}'; it has "
            f"{listed(sorted(values.dropna().unique()))}"
        )
    return values.map(protocol.labels).astype("string")


def _unlabelled_rows(recordings: pd.DataFrame, unlabelled: dict[str, list[str]]) -> np.ndarray:
    if not unlabelled:
        return np.zeros(len(recordings), dtype=bool)
    rows = _kept_rows(recordings, unlabelled)
    if not rows.any():
        raise UserError(f"protocol.unlabelled {unlabelled} fits no recording; correct its values")
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
    """Which classes the parts of the split lack, with their groups; empty if none does."""
    target = rows["target"]
    present = {name: set(target[role == name]) for name in ROLES}
    if not present["test"]:
        raise UserError("the test split is empty; check protocol.split")
    named = _with_groups(rows)
    unseen = sorted((present["test"] | present["validation"]) - present["train"])
    if unseen:
        raise UserError(
            f"no training row of class {', '.join(map(named, unseen))}: all its groups are in "
            "validation or test. Use another fold, more folds, or fewer classes (protocol.where)"
        )
    missing = {name: sorted(set(target) - present[name]) for name in ROLES}
    return "; ".join(
        f"{name}: {', '.join(map(named, classes))}" for name, classes in missing.items() if classes
    )


def _with_groups(rows: pd.DataFrame) -> Callable[[str], str]:
    """A class and where it is to be found, for messages."""

    def named(name: str) -> str:
        own = rows[rows["target"] == name]
        if len(own) == 1:
            return f"{name} (a single row: {own['recording_id'].iloc[0]})"
        groups = sorted(own["group"].unique())
        return f"{name} (group{'s' * (len(groups) > 1)} {listed(groups)})"

    return named
