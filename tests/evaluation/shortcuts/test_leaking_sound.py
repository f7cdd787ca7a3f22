"""What test items share with training items, counted by hand."""

import pandas as pd

from disentangled_audio.evaluation.shortcuts.leaks import (
    shared_columns,
    shares_in_training,
    sound_in_parts,
)


def test_shares_are_counted():
    recordings = pd.DataFrame(
        {
            "path": ["a", "b", "c", "d", "a", "e", "f", "g"],
            "room": ["x", "y", "x", "x", "x", "z", "y", "z"],
        }
    )
    splits = pd.DataFrame(
        {
            "target": list("ppqpppqp"),
            "group": ["1", "2", "3", "4", "1", "5", "6", "7"],
            "role": ["train", "validation", "train", "unused", *["test"] * 4],
        }
    )
    shares = shares_in_training(recordings, splits, ["room"])
    # Of the rooms of the test items, x is trained on; y is too, but as another class.
    assert shares == {"group": 0.25, "file": 0.25, "room": 0.25}


def test_missing_values_and_unlabelled_rows_are_not_shared():
    recordings = pd.DataFrame({"path": ["a", "b", "c"], "room": [None, None, "x"]})
    splits = pd.DataFrame(
        {
            "target": pd.Series(["p", "p", None], dtype="string"),
            "group": ["1", "2", "3"],
            "role": ["train", "test", "unlabelled"],
        }
    )
    shares = shares_in_training(recordings, splits, ["room"])
    assert shares == {"group": 0.0, "file": 0.0, "room": 0.0}


def test_the_target_and_kind_are_not_shared_columns():
    recordings = pd.DataFrame(columns=["room", "speaker", "kind", "digit", "take"])
    columns = shared_columns(recordings, ["digit", "kind", "session"], "digit")
    assert columns == ["room", "speaker"]


def _pairs(*rows):
    names = ["recording_id", "other_id", "start_s", "other_start_s", "shared_s", "coherence"]
    return pd.DataFrame(rows, columns=names)


RECORDINGS = pd.DataFrame(
    {
        "recording_id": ["a#0", "a#1", "b", "c", "d", "e", "f"],
        "path": ["a", "a", "b", "c", "d", "e", "f"],
        "sound_group": ["a", "a", "a", "a", "d", "d", "f"],
    }
)
SPLITS = pd.DataFrame(
    {
        "recording_id": RECORDINGS["recording_id"],
        "target": ["p", "p", "p", "q", "p", "p", "q"],
        "fold": "0",
        "role": ["test", "test", "train", "test", "validation", "unused", "test"],
    }
)


def test_test_files_that_share_sound_with_training_files_are_counted():
    pairs = _pairs(("a#0", "b", 1.0, 0.0, 2.0, 0.9), ("b", "c", 0.0, 0.5, 3.0, 0.8))
    found = sound_in_parts(RECORDINGS, SPLITS, pairs)
    # `d` shares sound with `e` alone, which is not used.
    assert (found["sharing"], found["sets"], found["several_classes"]) == (3, 1, 1)
    assert (found["leaking"], found["n_test"]) == (2, 3)
    assert found["examples"] == [
        _leak("c", "b", 0.5, 0.0, 3.0),
        _leak("a", "b", 1.0, 0.0, 2.0),
    ]


def _leak(path, other_path, start_s, other_start_s, shared_s):
    starts = {"start_s": start_s, "other_start_s": other_start_s}
    return {"path": path, "other_path": other_path, **starts, "shared_s": shared_s}


def test_sound_that_is_shared_within_a_part_is_no_leak():
    found = sound_in_parts(RECORDINGS, SPLITS, _pairs(("a#1", "c", 0.0, 0.0, 1.0, 1.0)))
    assert found["leaking"] == 0
    assert found["examples"] == []
    assert found["sets"] == 1


def test_leaks_are_counted_within_each_fold():
    pairs = _pairs(("a#0", "b", 0.0, 0.0, 1.0, 1.0))
    together = SPLITS.assign(fold="1", role="test")
    apart = SPLITS.assign(fold="2", role=["train"] * 2 + ["test"] * 5)
    splits = pd.concat([SPLITS, together, apart])
    found = sound_in_parts(RECORDINGS, splits, pairs)
    # `a` leaks in the first fold, `b` in the third one.
    assert (found["leaking"], found["n_test"]) == (2, 3 + 6 + 5)
