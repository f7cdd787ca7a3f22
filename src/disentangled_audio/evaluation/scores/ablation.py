"""How much the hybrid loses without each member, when the fusion is fitted again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.evaluation.scores.classification import label_scores
from disentangled_audio.evaluation.scores.summary import (
    PROBABILITY_PREFIX,
    WEIGHTS,
    class_names,
)

Members = dict[str, NDArray[np.float64]]
# Takes the validation probabilities by member, their targets and groups, the classes in column
# order, and the test probabilities by member; gives the hybrid's test probabilities.
Refit = Callable[
    [Members, NDArray[Any], NDArray[Any], list[str], dict[str, float], Members], NDArray[np.float64]
]
COLUMNS = ["fold", "member", "weight", "full", "without", "cost"]


def ablation_table(predictions: pd.DataFrame, refit: Refit) -> pd.DataFrame:
    """Balanced accuracy of the hybrid with all members, and without each.

    The same function fits both on validation rows and scores them on test rows, so that they
    differ only by the member.

    Parameters
    ----------
    predictions : DataFrame
        The `predictions` schema with ``weight``, of one or more folds.
    refit : callable
        Fits the fusion on validation rows, and on the error rates of members that have one, and
        gives the fused probabilities of the test rows, (n_test, n_classes).

    Returns
    -------
    DataFrame
        ``fold, member, weight`` (in the hybrid of that fold), ``full`` and ``without`` (balanced
        accuracy, 0 to 1) and ``cost`` (full − without, positive where the member helps). Members
        without weight or probabilities, and folds with one member, have no row. If there is a
        hybrid with pretrained weights too, ``hybrid`` tells the two apart.
    """
    members = predictions[~predictions["model"].isin(WEIGHTS)]
    tables = {}
    for hybrid, weight in WEIGHTS.items():
        if weight not in predictions:
            continue
        own = members[members[weight].notna()]
        rows = []
        for fold, items in own.assign(weight=own[weight]).groupby("fold", sort=False):
            rows += _fold_rows(str(fold), items, refit)
        tables[hybrid] = pd.DataFrame(rows, columns=COLUMNS)
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat(
        [table.assign(hybrid=hybrid) for hybrid, table in tables.items()], ignore_index=True
    )


def _fold_rows(fold: str, items: pd.DataFrame, refit: Refit) -> list[dict[str, Any]]:
    all_classes = class_names(items)
    # Classes missing from the fold have no probabilities.
    classes = [c for c in all_classes if items[f"{PROBABILITY_PREFIX}{c}"].notna().any()]
    facts = items.groupby("model", sort=False)[["weight", "error_rate"]].first()
    known_rates = facts["error_rate"].dropna().to_dict()
    tables = _member_tables(fold, items, classes)
    if len(tables) < 2:
        return []
    first = next(iter(tables.values()))
    validation, test = (_rows_of_role(fold, first, role) for role in ("validation", "test"))

    def balanced_accuracy(names: list[str]) -> float:
        seen, unseen = (
            {name: _probabilities(tables[name].loc[part.index], classes) for name in names}
            for part in (validation, test)
        )
        target, group = validation["target"].to_numpy(), validation["group"].to_numpy()
        rates = {name: known_rates[name] for name in names if name in known_rates}
        fused = refit(seen, target, group, classes, rates, unseen)
        predicted = np.asarray(classes, dtype=object)[np.argmax(fused, axis=1)]
        return label_scores(test["target"], predicted, all_classes)["balanced_accuracy"]

    full = balanced_accuracy(list(tables))
    rows = []
    for member in tables:
        without = balanced_accuracy([name for name in tables if name != member])
        found = (
            fold,
            str(member),
            float(facts.loc[member, "weight"]),
            full,
            without,
            full - without,
        )
        rows.append(dict(zip(COLUMNS, found, strict=True)))
    return rows


def _member_tables(fold: str, items: pd.DataFrame, classes: list[str]) -> dict[str, pd.DataFrame]:
    """Validation and test rows of each member that has probabilities, by recording."""
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in classes]
    used = items[items["role"].isin(["validation", "test"])]
    tables: dict[str, pd.DataFrame] = {}
    for member, rows in used.groupby("model", sort=False):
        known = rows[columns].notna().any(axis=1)
        if not known.any():
            continue
        if not known.all():
            raise ValueError(
                f"{member} has no probabilities for {(~known).sum()} of {len(rows)} validation "
                f"and test rows of fold {fold}, such as {rows.loc[~known, 'recording_id'].iloc[0]}"
            )
        if rows["recording_id"].duplicated().any():
            raise ValueError(f"{member} has several rows of one recording in fold {fold}")
        tables[str(member)] = rows.set_index("recording_id")
    for member, table in tables.items():
        first_name, first = next(iter(tables.items()))
        if set(table.index) != set(first.index):
            raise ValueError(f"{member} and {first_name} have different rows in fold {fold}")
    return tables


def _rows_of_role(fold: str, table: pd.DataFrame, role: str) -> pd.DataFrame:
    rows = table[table["role"] == role]
    if rows.empty:
        raise ValueError(f"Fold {fold} has no {role} rows; an ablation needs them")
    return rows.assign(target=rows["target"].astype(str))


def _probabilities(rows: pd.DataFrame, classes: list[str]) -> NDArray[np.float64]:
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in classes]
    return rows[columns].fillna(0.0).to_numpy(dtype=np.float64)
