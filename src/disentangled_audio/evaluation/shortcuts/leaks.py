"""Measure how much the test items share with the training items."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Columns that leak wherever they occur.
SHARED = ("room", "session", "speaker")
# Noise at 30 dB leaves a correlation of 0.9995, a shift of 5 ms up to 0.98. Different sounds reach
# this only if they are a single click or tone.
SAME_SOUND = 0.99
# Bounds the memory of pairs of clips and of products with all training items.
_BLOCK = 256
_SHOWN = 5


def shared_columns(recordings: pd.DataFrame, named: list[str], target: str) -> list[str]:
    """Columns that test and training items may share, except the target and the kind."""
    wanted = dict.fromkeys([*named, *SHARED])
    return [name for name in wanted if name in recordings and name not in (target, "kind")]


def shares_in_training(
    recordings: pd.DataFrame, splits: pd.DataFrame, columns: list[str]
) -> dict[str, float]:
    """Share of test items whose group, file or value of a column also occurs in training.

    Parameters
    ----------
    recordings : DataFrame
        `path` and the columns, in the order of `splits`.
    splits : DataFrame
        ``target``, ``group`` and ``role``. Validation rows count as training rows, because the
        final models are refitted with them.
    columns : list of str
        A value counts only within its class: a speaker who says other digits in training does
        not reveal this digit.

    Returns
    -------
    dict
        0 to 1: ``group``, ``file`` (another channel of it) and each column.
    """
    role = splits["role"].to_numpy()
    test, training = role == "test", np.isin(role, ["train", "validation"])
    target = _texts(splits["target"])
    keys = {"group": _texts(splits["group"]), "file": _texts(recordings["path"])}
    keys |= {name: _texts(recordings[name]) for name in columns}
    shares = {}
    for name, values in keys.items():
        within = (target.to_numpy() + "/" + values.to_numpy()).astype(str)
        # Missing values are not shared.
        known = values.to_numpy() != ""
        shares[name] = float((np.isin(within[test], within[training]) & known[test]).mean())
    return shares


def _texts(values: pd.Series) -> pd.Series:
    """Values as text; missing ones, such as labels of unlabelled rows, are empty."""
    return values.astype("string").fillna("").astype(object)


def near_duplicates(
    fingerprints: NDArray[np.float32],
    role: NDArray[Any],
    correlation: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float64]],
) -> dict[str, Any]:
    """Find test items that are the same sound as a training item.

    Parameters
    ----------
    fingerprints : (n_items, n_features)
        Unit vectors.
    role : (n_items,)
    correlation : callable
        Takes the numbers of two items per pair and gives the correlation of their waveforms, 0 to
        1. Called for each test item and the training item with the nearest fingerprint.

    Returns
    -------
    dict
        ``share`` of the test items, ``n``, and ``first``: pairs of item numbers.
    """
    test = np.flatnonzero(role == "test")
    training = np.flatnonzero(np.isin(role, ["train", "validation"]))
    found: list[tuple[int, int]] = []
    for start in range(0, len(test), _BLOCK):
        asked = test[start : start + _BLOCK]
        nearest = training[(fingerprints[asked] @ fingerprints[training].T).argmax(axis=1)]
        same = correlation(asked, nearest) >= SAME_SOUND
        found += zip(asked[same].tolist(), nearest[same].tolist(), strict=True)
    return {"share": len(found) / max(1, len(test)), "n": len(found), "first": found[:_SHOWN]}
