"""Leakage counted by hand."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.leaks import (
    near_duplicates,
    shared_columns,
    shares_in_training,
)


def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    recordings = pd.DataFrame(
        {
            "path": ["a.wav", "a.wav", "b.wav", "c.wav", "d.wav"],
            "room": ["r1", "r1", "r1", "r2", "r3"],
            "kind": "rir",
        }
    )
    splits = pd.DataFrame(
        {
            "target": ["x", "x", "x", "x", "y"],
            "group": ["g1", "g1", "g2", "g3", "g4"],
            "role": ["train", "test", "test", "test", "validation"],
        }
    )
    return recordings, splits


def test_shares_of_test_items_by_what_training_has() -> None:
    shares = shares_in_training(*_tables(), ["room"])
    assert shares == pytest.approx({"group": 1 / 3, "file": 1 / 3, "room": 2 / 3})


def test_a_value_counts_within_its_class() -> None:
    recordings, splits = _tables()
    splits.loc[3, "role"] = "unused"
    recordings.loc[4, "room"] = "r1"
    splits.loc[0, "role"] = "unused"
    # Room r1 is in validation for class y alone.
    assert shares_in_training(recordings, splits, ["room"])["room"] == 0.0


def test_neither_target_nor_kind_is_shared() -> None:
    recordings, _ = _tables()
    assert shared_columns(recordings, ["kind", "speaker", "path"], "room") == ["path"]
    assert shared_columns(recordings, [], "label") == ["room"]


def test_only_the_nearest_that_also_correlates_is_a_duplicate() -> None:
    prints = np.eye(4, dtype=np.float32)[[0, 1, 0, 1]]
    role = np.array(["train", "train", "test", "test"])
    asked = []

    def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        asked.extend(zip(first.tolist(), second.tolist(), strict=True))
        return np.array([0.99, 0.5])

    found = near_duplicates(prints, role, correlation)

    assert asked == [(2, 0), (3, 1)]
    assert found == {"share": 0.5, "n": 1, "first": [(2, 0)]}
