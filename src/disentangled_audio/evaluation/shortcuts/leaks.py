"""How much of the test part was in the training part under another name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Columns that name what a recording shares with others, wherever they occur.
SHARED = ("room", "session", "speaker")
# Noise at 30 dB leaves 0.9995 of the correlation; the cut of a response that is shifted by 5 ms
# up to 0.98. Other sounds reach this only if they are a single click or tone.
SAME_SOUND = 0.99
# Bounds the memory that pairs of clips, and products with all training items, take.
_BLOCK = 256
_SHOWN = 5


def shared_columns(recordings: pd.DataFrame, named: list[str], target: str) -> list[str]:
    """Columns whose values test and training items may share: not the target, nor the kind."""
    wanted = dict.fromkeys([*named, *SHARED])
    return [name for name in wanted if name in recordings and name not in (target, "kind")]


def shares_in_training(
    recordings: pd.DataFrame, splits: pd.DataFrame, columns: list[str]
) -> dict[str, float]:
    """Share of test items whose value of a column, whose group and whose file is in training.

    Parameters
    ----------
    recordings : DataFrame
        `path` and the columns, in the order of `splits`.
    splits : DataFrame
        ``target``, ``group`` and ``role``. Validation rows count as training rows: the final
        models are refitted with them.
    columns : list of str
        A value counts within its class: a speaker who says the other digits in training does
        not tell this one.

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
        # What nobody knows is not shared.
        known = values.to_numpy() != ""
        shares[name] = float((np.isin(within[test], within[training]) & known[test]).mean())
    return shares


def _texts(values: pd.Series) -> pd.Series:
    """As text; what is missing (the label of an unlabelled row) is empty."""
    return values.astype("string").fillna("").astype(object)


def near_duplicates(
    fingerprints: NDArray[np.float32],
    role: NDArray[Any],
    correlation: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float64]],
) -> dict[str, Any]:
    """Test items that are the same sound as a training item.

    Parameters
    ----------
    fingerprints : (n_items, n_features)
        Of length one.
    role : (n_items,)
    correlation : callable
        Of the waveforms of items by their numbers: how much alike pairs are, 0 to 1. Asked for
        each test item and the training item with the nearest fingerprint.

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
