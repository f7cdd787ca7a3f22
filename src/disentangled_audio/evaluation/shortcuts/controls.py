"""Shortcut controls: how well file-level metadata alone predicts the label."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MAJORITY = "majority"
# These controls are in every run's metrics, even if they are constant.
ALWAYS = ("duration", "byte_size")
ALL_METADATA = "all_metadata"
# Each tree of a forest sees at most this many rows; more change little and take minutes.
_MAX_TREE_ROWS = 4096


@dataclass(frozen=True)
class Control:
    """Input of a control.

    Attributes
    ----------
    says : str
        Name for use in sentences.
    columns : tuple of str
        Columns of the table of items; ``*`` at the end matches all columns with that prefix.
    is_sound : bool
        Whether it is a part of the spectrum. Such a control is not a shortcut, because the
        spectrum may be what defines the target (a vowel).
    is_shape : bool
        Whether the columns form one curve, which a linear classifier reads best.
    """

    says: str
    columns: tuple[str, ...]
    is_sound: bool = False
    is_shape: bool = False


CONTROLS = {
    "duration": Control("the duration of the file", ("duration_s",)),
    "byte_size": Control("the size of the file in bytes", ("n_bytes",)),
    "channels": Control("the number of channels", ("n_channels",)),
    "kind": Control("the kind of recording", ("kind",)),
    "sample_rate": Control("the sampling rate of the file", ("sample_rate_hz",)),
    "peak": Control("the peak level", ("peak",)),
    "level": Control("the root mean square level", ("rms_dbfs",)),
    "tail_level": Control("the level of the file's last tenth", ("tail_dbfs",)),
    "first_arrival": Control("the time of the first arrival", ("first_arrival_s",)),
    "noise_floor": Control("the noise floor", ("noise_floor_db",)),
    "stored_bits": Control(
        "how samples are stored", ("lsb_odd_share", "effective_bits", "zero_share")
    ),
    "name_length": Control("the length of the file's name", ("name_length",)),
    "bandwidth": Control("the bandwidth", ("bandwidth_hz",), is_sound=True),
    "direct_sound": Control("the first 5 ms of sound", ("direct_*",), is_sound=True, is_shape=True),
    "long_term_spectrum": Control(
        "the long-term spectrum", ("long_term_*",), is_sound=True, is_shape=True
    ),
}


def is_shortcut(name: str) -> bool:
    """Whether a control sees only metadata, which cannot legitimately predict the label."""
    return name == ALL_METADATA or (name in CONTROLS and not CONTROLS[name].is_sound)


def control_items(recordings: pd.DataFrame, shortcuts: pd.DataFrame) -> pd.DataFrame:
    """Collect the inputs of all controls.

    Parameters
    ----------
    recordings : DataFrame
        One row per item.
    shortcuts : DataFrame
        One row per item: `recording_id` and the measures of its clip.

    Returns
    -------
    DataFrame
        `recording_id` and the available columns of `CONTROLS`; kinds as numbers.

    Raises
    ------
    pandas.errors.MergeError
        If a recording_id is repeated in either table.
    ValueError
        If an item of `recordings` is not in `shortcuts`.
    """
    known = [c for control in CONTROLS.values() for c in control.columns if c in recordings]
    items = recordings[["recording_id", *dict.fromkeys(known)]].merge(
        shortcuts, on="recording_id", how="left", validate="one_to_one", indicator=True
    )
    unknown = items.loc[items["_merge"] == "left_only", "recording_id"].tolist()
    if unknown:
        raise ValueError(f"{len(unknown)} items were not measured: {unknown[:3]}")
    items["kind"] = pd.factorize(items["kind"].astype(str), sort=True)[0]
    names = recordings["path"].astype(str).str.rpartition("/")[2]
    items["name_length"] = names.str.len().to_numpy()
    return items.drop(columns="_merge")


def constant_controls(items: pd.DataFrame) -> dict[str, str]:
    """Controls that are the same for all items, and the reason."""
    return {
        name: "the same for all items"
        for name, control in CONTROLS.items()
        if (values := _values(items, control)).shape[1] == 0 or _is_constant(values)
    }


def control_predictions(
    items: pd.DataFrame, recordings: pd.DataFrame, splits: pd.DataFrame
) -> pd.DataFrame:
    """Predict the test rows of a fold from each control.

    Each control is fitted on training and validation rows, like the final models, and never sees
    the label of a test row. Constant controls are left out, unless they are in `ALWAYS`; so are
    those that cannot be fitted, with a warning. Missing numbers count as a value of their own,
    because what is missing may reveal the label too.

    Parameters
    ----------
    items : DataFrame
        From `control_items`.
    recordings : DataFrame
        One row per item, with ``recording_id`` and ``kind``.
    splits : DataFrame
        One row per item, with ``recording_id``, ``target``, ``group``, ``fold`` and ``role``.

    Returns
    -------
    DataFrame
        The `predictions` schema, test rows only. Models are ``majority``, those of `CONTROLS`,
        and ``all_metadata``: all shortcuts together.

    Raises
    ------
    ValueError
        If an item of `splits` was not measured, or there is nothing to fit or to predict.
    """
    roles = splits[["recording_id", "target", "group", "fold", "role"]]
    rows = roles.merge(recordings[["recording_id", "kind"]], on="recording_id", how="left")
    rows["target"] = rows["target"].astype(str)
    positions = items.reset_index().set_index("recording_id")["index"]
    unknown = [name for name in rows["recording_id"] if name not in positions.index]
    if unknown:
        raise ValueError(f"{len(unknown)} items of splits were not measured: {unknown[:3]}")
    order = positions.loc[rows["recording_id"]].to_numpy()
    is_test = (rows["role"] == "test").to_numpy()
    is_fitted = rows["role"].isin(["train", "validation"]).to_numpy()
    if not is_test.any() or not is_fitted.any():
        raise ValueError("Controls need training or validation rows, and test rows")
    seen, test = rows[is_fitted], rows[is_test]
    classes = sorted(rows.loc[is_test | is_fitted, "target"].unique())
    tables = [_as_predictions(test, MAJORITY, _majority(seen, len(test), classes), classes)]
    for name, values in _control_inputs(items).items():
        fitted, unseen = values[order[is_fitted]], values[order[is_test]]
        try:
            probabilities = _predict(name, fitted, seen["target"], unseen, classes)
        except ValueError as error:
            logger.warning("control '%s' is left out: %s", name, error)
            continue
        tables.append(_as_predictions(test, name, probabilities, classes))
    return pd.concat(tables, ignore_index=True)


def _control_inputs(items: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Input of each control that is not constant, (n_items, n_columns)."""
    constant = constant_controls(items)
    seen = {
        name: _values(items, control)
        for name, control in CONTROLS.items()
        if name not in constant or name in ALWAYS
    }
    metadata = [values for name, values in seen.items() if is_shortcut(name)]
    if len(metadata) > 1:
        seen[ALL_METADATA] = np.concatenate(metadata, axis=1)
    return seen


def _values(items: pd.DataFrame, control: Control) -> NDArray[np.float64]:
    columns = [
        name
        for pattern in control.columns
        for name in items
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
    ]
    return items[columns].to_numpy(dtype=np.float64)


def _positions(fitted: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each value among the distinct fitted values, -1 for missing values.

    Ranks stay distinct where scikit-learn's float32 would merge neighbouring large file sizes.
    """
    places = np.full(values.shape, -1.0)
    for column in range(values.shape[1]):
        known = fitted[:, column][~np.isnan(fitted[:, column])]
        present = ~np.isnan(values[:, column])
        distinct = np.unique(known)
        if len(distinct):
            scale = np.arange(len(distinct), dtype=np.float64)
            places[present, column] = np.interp(values[present, column], distinct, scale)
    return places


def _is_constant(values: NDArray[np.float64]) -> bool:
    return all(len(np.unique(column)) <= 1 for column in values.T)


def _predict(
    name: str,
    fitted: NDArray[np.float64],
    target: pd.Series,
    unseen: NDArray[np.float64],
    classes: Sequence[str],
) -> NDArray[np.float64]:
    """Class probabilities of the unseen rows, (n_unseen, n_classes)."""
    is_shape = name in CONTROLS and CONTROLS[name].is_shape
    if not is_shape:
        fitted, unseen = _positions(fitted, fitted), _positions(fitted, unseen)
    # Numbers, because scikit-learn treats class names of digits inconsistently.
    numbers = pd.Index(classes).get_indexer(target)
    model = (
        _shape_model(len(np.unique(numbers)))
        if is_shape
        else _number_model(fitted.shape[1], len(fitted))
    )
    with warnings.catch_warnings():
        # A class with one member has no spread of its own; shrinkage replaces it.
        warnings.filterwarnings("ignore", message="Only one sample available")
        model.fit(fitted, numbers)
    probabilities = np.zeros((len(unseen), len(classes)))
    probabilities[:, model.classes_] = model.predict_proba(unseen)
    return probabilities


def _shape_model(n_classes: int) -> Any:
    """Linear discriminants on the shape of a spectrum, with equal priors."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    priors = np.full(n_classes, 1.0 / n_classes)
    linear = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
    return make_pipeline(StandardScaler(), linear)


def _number_model(n_columns: int, n_rows: int) -> Any:
    """One tree for one number, a forest for several.

    A tree can isolate a single exact value, which is how file sizes give a label away. A limited
    number of leaves keeps it from memorising continuous values.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.tree import DecisionTreeClassifier

    limits = {"class_weight": "balanced", "min_samples_leaf": 2, "max_leaf_nodes": 64}
    if n_columns == 1:
        return DecisionTreeClassifier(**limits, random_state=0)
    return ExtraTreesClassifier(
        100,
        **limits,
        bootstrap=n_rows > _MAX_TREE_ROWS,
        max_samples=_MAX_TREE_ROWS if n_rows > _MAX_TREE_ROWS else None,
        random_state=0,
    )


def _majority(seen: pd.DataFrame, n_test: int, classes: Sequence[str]) -> NDArray[np.float64]:
    shares = seen["target"].value_counts(normalize=True).reindex(classes, fill_value=0.0)
    return np.tile(shares.to_numpy(dtype=np.float64), (n_test, 1))


def _as_predictions(
    test: pd.DataFrame, model: str, probabilities: NDArray[np.floating], classes: Sequence[str]
) -> pd.DataFrame:
    names = np.asarray(classes, dtype=object)
    table = test[["recording_id", "group", "kind", "fold", "role"]].reset_index(drop=True)
    table["model"] = model
    table["target"] = test["target"].to_numpy()
    table["predicted"] = names[probabilities.argmax(axis=1)]
    for index, name in enumerate(classes):
        table[f"p_{name}"] = probabilities[:, index]
    return table
