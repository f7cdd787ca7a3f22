"""Controls: how well shortcuts, and simple baselines, predict the label."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.evaluation.shortcuts.file_names import name_lengths

logger = logging.getLogger(__name__)

MAJORITY = "majority"
# These controls are in every run's metrics, even if they are constant.
ALWAYS = ("duration", "byte_size")
ALL_METADATA = "all_metadata"
# Each tree of a forest sees at most this many rows; more change little and take minutes.
_MAX_TREE_ROWS = 4096


# Headings under which controls are shown, everywhere.
SHORTCUT, BASELINE = "shortcut", "simple baseline"


@dataclass(frozen=True)
class Control:
    """Input of a control.

    Attributes
    ----------
    label : str
        Display name.
    says : str
        What it sees, for use in sentences.
    columns : tuple of str
        Columns of the table of items; ``*`` at the end matches all columns with that prefix.
    heading : {"shortcut", "simple baseline"}
        A shortcut sees circumstances of the recording or its file. A simple baseline sees the
        sound itself, which may be what defines the target (a vowel), or nothing.
    is_shape : bool
        Whether the columns form one curve, which a linear classifier reads best.
    """

    label: str
    says: str
    columns: tuple[str, ...] = ()
    heading: str = SHORTCUT
    is_shape: bool = False


# What each control is, wherever it is named.
CONTROLS = {
    "duration": Control("Duration", "the duration of the file", ("duration_s",)),
    "byte_size": Control("File size", "the size of the file in bytes", ("n_bytes",)),
    "channels": Control("Channels", "the number of channels", ("n_channels",)),
    "kind": Control("Kind of recording", "the kind of recording", ("kind",)),
    "sample_rate": Control("Sampling rate", "the sampling rate of the file", ("sample_rate_hz",)),
    "peak": Control("Peak level", "the peak level", ("peak",)),
    "level": Control("RMS level", "the root mean square level", ("rms_dbfs",)),
    "tail_level": Control(
        "Level of the tail", "the level of the file's last tenth", ("tail_dbfs",)
    ),
    "first_arrival": Control(
        "First arrival", "the time of the first arrival", ("first_arrival_s",)
    ),
    "noise_floor": Control("Noise floor", "the noise floor", ("noise_floor_db",)),
    "stored_bits": Control(
        "Stored bits", "how samples are stored", ("lsb_odd_share", "effective_bits", "zero_share")
    ),
    "name_length": Control(
        "Length of the name",
        "the length of the file's name, without the words and codes of the label",
        ("name_length",),
    ),
    "quiet_parts": Control(
        "Quiet parts",
        "the level and the spectrum of the noise where the sound pauses or has ended",
        ("quiet_*",),
        is_shape=True,
    ),
    ALL_METADATA: Control(
        "All metadata", "all these numbers together, without the quiet parts or the sound"
    ),
    # Of the sound, not of the file: a vowel has its own.
    "bandwidth": Control(
        "Bandwidth",
        "the band with 99 % of the energy after the first arrival",
        ("bandwidth_hz",),
        BASELINE,
    ),
    "direct_sound": Control(
        "Direct sound", "the first 5 ms of sound", ("direct_*",), BASELINE, is_shape=True
    ),
    "long_term_spectrum": Control(
        "Long-term spectrum", "the long-term spectrum", ("long_term_*",), BASELINE, is_shape=True
    ),
    MAJORITY: Control(
        "Majority class", "no input; always answers the most frequent class", heading=BASELINE
    ),
}
_SEEN = {name: control for name, control in CONTROLS.items() if control.columns}


def is_shortcut(name: str) -> bool:
    """Whether a control sees only circumstances of a recording, not the sound itself."""
    return CONTROLS[name].heading == SHORTCUT


def by_heading(controls: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sort controls under their headings, shortcuts first; empty headings are left out."""
    parts = {
        heading: {name: of for name, of in controls.items() if CONTROLS[name].heading == heading}
        for heading in (SHORTCUT, BASELINE)
    }
    return {heading: part for heading, part in parts.items() if part}


def best_by_heading(scores: Mapping[str, float]) -> dict[str, str]:
    """Name the best control under each heading; the majority class is no more than guessing."""
    tried = {name: score for name, score in scores.items() if name != MAJORITY}
    return {heading: max(part, key=part.__getitem__) for heading, part in by_heading(tried).items()}


def control_items(
    recordings: pd.DataFrame, shortcuts: pd.DataFrame, splits: pd.DataFrame, target: str
) -> pd.DataFrame:
    """Collect the inputs of all controls.

    Parameters
    ----------
    recordings : DataFrame
        One row per item.
    shortcuts : DataFrame
        One row per item: `recording_id` and the measures of its clip.
    splits : DataFrame
        The `target` of each item, which may be coarser than its column in `recordings`. Only the
        length of a name depends on it: what stands for the label does not count.
    target : str
        Column of the label. No control sees it.

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
    known = [c for control in _SEEN.values() for c in control.columns if c in recordings]
    items = recordings[["recording_id", *dict.fromkeys(known)]].merge(
        shortcuts, on="recording_id", how="left", validate="one_to_one", indicator=True
    )
    unknown = items.loc[items["_merge"] == "left_only", "recording_id"].tolist()
    if unknown:
        raise ValueError(f"{len(unknown)} items were not measured: {unknown[:3]}")
    items["kind"] = pd.factorize(items["kind"].astype(str), sort=True)[0]
    coarser = splits.set_index("recording_id")["target"].reindex(recordings["recording_id"])
    items["name_length"] = name_lengths(recordings["path"], [recordings[target], coarser])
    return items.drop(columns=["_merge", target], errors="ignore")


def constant_controls(items: pd.DataFrame) -> dict[str, str]:
    """Controls that tell no items apart, and the reason."""
    reasons = {name: _why_constant(_values(items, control)) for name, control in _SEEN.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def _why_constant(values: NDArray[np.float64]) -> str | None:
    if values.shape[1] == 0:
        return "not measured, or themselves the label"
    if np.isnan(values).all():
        return "nothing to measure in any item"
    is_constant = all(len(np.unique(column)) <= 1 for column in values.T)
    return "the same for all items" if is_constant else None


def items_without(items: pd.DataFrame) -> dict[str, set[str]]:
    """Name the items of which a control of a curve sees nothing, where there are any."""
    missing = {
        name: set(items.loc[_is_missing(_values(items, control)), "recording_id"])
        for name, control in _SEEN.items()
        if control.is_shape
    }
    return {name: ids for name, ids in missing.items() if ids}


def control_predictions(
    items: pd.DataFrame, recordings: pd.DataFrame, splits: pd.DataFrame
) -> pd.DataFrame:
    """Predict the test rows of a fold from each control.

    Each control is fitted on training and validation rows, like the final models, and never sees
    the label of a test row. Constant controls are left out, unless they are in `ALWAYS`; so are
    those that cannot be fitted, with a warning. Missing numbers count as a value of their own,
    because what is missing may reveal the label too. Of items without a curve, such as clips
    without a quiet part, a control guesses: why there is none may lie in the sound.

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
        and ``all_metadata``: all shortcuts that are numbers together.

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
        for name, control in _SEEN.items()
        if name not in constant or name in ALWAYS
    }
    metadata = [
        values for name, values in seen.items() if is_shortcut(name) and not CONTROLS[name].is_shape
    ]
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


def _is_missing(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows, (n_items,), without a value."""
    return np.logical_or.reduce(np.isnan(values), axis=1)


def _predict(
    name: str,
    fitted: NDArray[np.float64],
    target: pd.Series,
    unseen: NDArray[np.float64],
    classes: Sequence[str],
) -> NDArray[np.float64]:
    """Class probabilities of the unseen rows, (n_unseen, n_classes)."""
    # Numbers, because scikit-learn treats class names of digits inconsistently.
    numbers = pd.Index(classes).get_indexer(target)
    if CONTROLS[name].is_shape:
        return _predict_from_shape(fitted, numbers, unseen, len(classes))
    fitted, unseen = _positions(fitted, fitted), _positions(fitted, unseen)
    model = _number_model(fitted.shape[1], len(fitted)).fit(fitted, numbers)
    probabilities = np.zeros((len(unseen), len(classes)))
    probabilities[:, model.classes_] = model.predict_proba(unseen)
    return probabilities


def _predict_from_shape(
    fitted: NDArray[np.float64],
    numbers: NDArray[np.intp],
    unseen: NDArray[np.float64],
    n_classes: int,
) -> NDArray[np.float64]:
    known, asked = ~_is_missing(fitted), ~_is_missing(unseen)
    model = _shape_model(len(np.unique(numbers[known])))
    with warnings.catch_warnings():
        # A class with one member has no spread of its own; shrinkage replaces it.
        warnings.filterwarnings("ignore", message="Only one sample available")
        model.fit(fitted[known], numbers[known])
    # Any fixed answer would be right for one class.
    guesses = np.random.default_rng(0).choice(np.unique(numbers), len(unseen))
    probabilities = np.eye(n_classes)[guesses]
    probabilities[asked] = 0.0
    if asked.any():
        probabilities[np.ix_(asked, model.classes_)] = model.predict_proba(unseen[asked])
    return probabilities


def _shape_model(n_classes: int) -> Any:
    """Linear discriminants on the shape of a spectrum, with equal priors."""
    if n_classes < 2:
        raise ValueError("it sees training items of fewer than two classes")
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
