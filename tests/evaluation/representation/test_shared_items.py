"""What test items share with training items, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.shortcuts.leaks import (
    near_duplicates,
    shared_columns,
    shares_in_training,
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


@pytest.mark.parametrize("n_test", [3, 700])
def test_duplicates_are_counted_over_all_blocks(n_test):
    rng = np.random.default_rng(0)
    training = rng.standard_normal((n_test, 16))
    training /= np.linalg.norm(training, axis=1, keepdims=True)
    test = rng.permutation(training)
    fingerprints = np.concatenate([training, test]).astype(np.float32)
    role = np.repeat(["train", "test"], n_test)

    def correlation(first, second):
        # Every third pair only looks the same.
        same = np.einsum("ij,ij->i", fingerprints[first], fingerprints[second])
        return np.where(first % 3 == 0, 0.5, same + 1e-6)

    found = near_duplicates(fingerprints, role, correlation)
    expected = sum(k % 3 != 0 for k in range(n_test, 2 * n_test))
    assert found["n"] == expected
    assert found["share"] == pytest.approx(expected / n_test)
    assert len(found["first"]) == min(5, expected)
    for item, like in found["first"]:
        np.testing.assert_array_equal(fingerprints[item], fingerprints[like])


def test_unused_items_are_no_training_items():
    fingerprints = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    role = np.array(["unused", "test", "train"])
    found = near_duplicates(fingerprints, role, lambda a, b: np.where(b == 2, 0.0, 1.0))
    assert found["n"] == 0
