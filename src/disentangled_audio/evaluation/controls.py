"""Shortcut controls: what a single number that is not sound already says about the label."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Control name to the column of `recordings` that it sees.
CONTROL_COLUMNS = {"duration": "duration_s", "byte_size": "n_bytes"}
MAJORITY = "majority"


def control_predictions(recordings: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Predict the test rows from the majority, the duration, and the file size.

    Each control is fitted on training and validation rows, which is all that a final model may
    see, and never looks at a test row's label.

    Parameters
    ----------
    recordings : DataFrame
        One row per item, with ``recording_id``, ``kind``, ``duration_s`` (s) and ``n_bytes``.
    splits : DataFrame
        One row per item, with ``recording_id``, ``target``, ``group``, ``fold`` and ``role``.

    Returns
    -------
    DataFrame
        The `predictions` schema, test rows only, for the models ``majority``, ``duration`` and
        ``byte_size``.

    Raises
    ------
    KeyError
        If a column is missing.
    pandas.errors.MergeError
        If a recording_id is repeated in either table.
    ValueError
        If an item of `splits` is not in `recordings`, there is nothing to fit or to predict, or
        a number is missing.
    """
    items = _joined(recordings, splits)
    is_test = (items["role"] == "test").to_numpy()
    is_fitted = items["role"].isin(["train", "validation"]).to_numpy()
    if not is_test.any() or not is_fitted.any():
        raise ValueError("Controls need training or validation rows, and test rows")
    classes = sorted(items["target"].unique())
    seen, test = items[is_fitted], items[is_test]
    tables = [_as_predictions(test, MAJORITY, _majority(seen, len(test), classes), classes)]
    for name, column in CONTROL_COLUMNS.items():
        probabilities = _from_one_number(seen[column], seen["target"], test[column], classes)
        tables.append(_as_predictions(test, name, probabilities, classes))
    return pd.concat(tables, ignore_index=True)


def _joined(recordings: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    columns = ["recording_id", "kind", *CONTROL_COLUMNS.values()]
    roles = splits[["recording_id", "target", "group", "fold", "role"]]
    items = roles.merge(
        recordings[columns], on="recording_id", how="left", validate="one_to_one", indicator=True
    )
    unknown = items.loc[items["_merge"] == "left_only", "recording_id"].tolist()
    if unknown:
        raise ValueError(f"{len(unknown)} items of splits are not in recordings: {unknown[:3]}")
    items = items.drop(columns="_merge")
    items["target"] = items["target"].astype(str)
    missing = [c for c in CONTROL_COLUMNS.values() if items[c].isna().any()]
    if missing:
        raise ValueError(f"recordings has missing values in {missing}")
    return items


def _majority(seen: pd.DataFrame, n_test: int, classes: Sequence[str]) -> NDArray[np.float64]:
    shares = seen["target"].value_counts(normalize=True).reindex(classes, fill_value=0.0)
    return np.tile(shares.to_numpy(dtype=np.float64), (n_test, 1))


def _from_one_number(
    values: pd.Series, target: pd.Series, test_values: pd.Series, classes: Sequence[str]
) -> NDArray[np.float64]:
    """Class probabilities (n_test, n_classes) from one number, by a class-weighted tree.

    A tree can cut out a single exact value, which is how file sizes give a label away, and a
    limited number of leaves keeps it from memorising continuous values.
    """
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        class_weight="balanced", min_samples_leaf=2, max_leaf_nodes=64, random_state=0
    )
    # Ranked by distinct value: scikit-learn's float32 would merge neighbouring large file sizes.
    distinct = np.unique(values)
    tree.fit(_positions(values, distinct), target)
    probabilities = np.zeros((len(test_values), len(classes)))
    columns = [list(classes).index(name) for name in tree.classes_]
    probabilities[:, columns] = tree.predict_proba(_positions(test_values, distinct))
    return probabilities


def _positions(values: pd.Series, distinct: NDArray) -> NDArray[np.float64]:
    """Place of each value on the scale of the distinct fitted values, (n_items, 1)."""
    scale = np.arange(len(distinct), dtype=np.float64)
    return np.interp(values.to_numpy(dtype=np.float64), distinct, scale)[:, np.newaxis]


def _as_predictions(
    test: pd.DataFrame, model: str, probabilities: NDArray, classes: Sequence[str]
) -> pd.DataFrame:
    names = np.asarray(classes, dtype=object)
    table = test[["recording_id", "group", "kind", "fold", "role"]].reset_index(drop=True)
    table["model"] = model
    table["target"] = test["target"].to_numpy()
    table["predicted"] = names[probabilities.argmax(axis=1)]
    for index, name in enumerate(classes):
        table[f"p_{name}"] = probabilities[:, index]
    return table
