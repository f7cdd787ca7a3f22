"""Measure how much the test items share with the training items."""

from typing import Any

import numpy as np
import pandas as pd

# Columns that leak wherever they occur.
SHARED = ("room", "session", "speaker")
_TRAINING = ("train", "validation", "unlabelled")
_SHOWN = 5
_SHOWN_OF_LEAK = ("path", "other_path", "start_s", "other_start_s", "shared_s")


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


def sound_in_parts(
    recordings: pd.DataFrame, splits: pd.DataFrame, pairs: pd.DataFrame
) -> dict[str, Any]:
    """Count the recordings that share sound, and the test recordings that share it with training.

    Parameters
    ----------
    recordings : DataFrame
        ``recording_id``, ``path`` and ``sound_group``.
    splits : DataFrame
        ``recording_id``, ``target``, ``fold`` and ``role`` of one fold, or of several.
        Validation rows count as training rows, as do unlabelled ones.
    pairs : DataFrame
        From `corpora.shared_sound`.

    Returns
    -------
    dict
        Numbers of files: ``n_test``, over all folds; ``leaking``, of these, those that share sound
        with training files of the same fold; ``sharing``, those that share sound with any other
        file that is used, in ``sets``; ``several_classes``, sets with more than one target.
        ``examples``: the first leaks, with the longest overlap first.
    """
    rows = splits[["recording_id", "target", "role", "fold"]]
    rows = rows[rows["role"].isin([*_TRAINING, "test"])].merge(
        recordings[["recording_id", "path", "sound_group"]], on="recording_id"
    )
    files = rows.drop_duplicates("path")
    sharing = files[files["sound_group"].duplicated(keep=False)]
    n_classes = sharing.groupby("sound_group")["target"].nunique()
    tested = rows[rows["role"] == "test"]
    leaks = _leaks(tested, rows[rows["role"].isin(_TRAINING)], pairs)
    return {
        "n_test": len(tested.drop_duplicates(["fold", "path"])),
        "leaking": len(leaks.drop_duplicates(["fold", "path"])),
        "sharing": len(sharing),
        "sets": len(n_classes),
        "several_classes": int((n_classes > 1).sum()),
        "examples": [
            {name: leak[name] for name in _SHOWN_OF_LEAK}
            for leak in leaks.drop_duplicates("path").head(_SHOWN).to_dict("records")
        ],
    }


def _leaks(tested: pd.DataFrame, trained: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of a test item and a training item of the same fold, the longest overlap first."""
    swapped = {"recording_id": "other_id", "start_s": "other_start_s"}
    swapped |= {there: here for here, there in swapped.items()}
    both = pd.concat([pairs, pairs.rename(columns=swapped)], ignore_index=True)
    tested = tested[["fold", "recording_id", "path"]]
    trained = trained[["fold", "recording_id", "path"]].add_prefix("other_")
    found = both.merge(tested, on="recording_id").merge(
        trained.rename(columns={"other_recording_id": "other_id", "other_fold": "fold"}),
        on=["fold", "other_id"],
    )
    return found.sort_values("shared_s", ascending=False, kind="stable")
