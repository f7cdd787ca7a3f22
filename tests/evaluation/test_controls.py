"""Controls must find planted shortcuts and see nothing of the test labels."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.controls import control_predictions
from disentangled_audio.evaluation.scores import label_scores

N_ITEMS = 300
CLASSES = ["air", "rvb", "rwcp"]


@pytest.fixture
def tables():
    """Random durations, and file sizes that differ by two bytes from class to class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, N_ITEMS)
    ids = [f"r{index:03d}" for index in range(N_ITEMS)]
    # Beyond 2**24 such sizes are equal in float32.
    sizes = 40_000_000 + 100 * rng.integers(0, 5, N_ITEMS) + 2 * labels
    recordings = pd.DataFrame(
        {"recording_id": ids, "kind": "rir", "duration_s": rng.random(N_ITEMS), "n_bytes": sizes}
    )
    splits = pd.DataFrame(
        {
            "recording_id": ids,
            "target": [CLASSES[label] for label in labels],
            "group": rng.integers(0, 9, N_ITEMS).astype(str),
            "fold": "f",
            "role": np.repeat(["train", "validation", "test"], [150, 50, 100]),
        }
    )
    return recordings, splits


def balanced_accuracy(predictions, model):
    rows = predictions[predictions["model"] == model]
    return label_scores(rows["target"], rows["predicted"], CLASSES)["balanced_accuracy"]


def test_planted_size_is_caught_and_random_duration_is_not(tables):
    predictions = control_predictions(*tables)
    assert balanced_accuracy(predictions, "byte_size") == 1.0
    assert balanced_accuracy(predictions, "duration") < 0.5
    assert balanced_accuracy(predictions, "majority") == pytest.approx(1 / 3)


def test_schema_is_that_of_predictions(tables):
    predictions = control_predictions(*tables)
    items = ["recording_id", "group", "kind", "fold", "role"]
    guesses = ["model", "target", "predicted", "p_air", "p_rvb", "p_rwcp"]
    assert list(predictions) == items + guesses
    assert set(predictions["role"]) == {"test"}
    assert predictions["model"].value_counts().to_dict() == {
        "majority": 100,
        "duration": 100,
        "byte_size": 100,
    }
    assert np.allclose(predictions.filter(like="p_").sum(axis=1), 1.0)


def test_test_rows_change_nothing(tables):
    recordings, splits = tables
    before = control_predictions(recordings, splits)
    shuffled = splits.copy()
    is_test = shuffled["role"] == "test"
    shuffled.loc[is_test, "target"] = shuffled.loc[is_test, "target"].to_numpy()[::-1]
    after = control_predictions(recordings, shuffled)
    untouched = ["predicted", "p_air", "p_rvb", "p_rwcp"]
    pd.testing.assert_frame_equal(before[untouched], after[untouched])

    last = splits.index[-1]
    fewer = control_predictions(recordings.drop(last), splits.drop(last))
    kept = before[before["recording_id"] != splits.loc[last, "recording_id"]]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), fewer)


def test_a_class_seen_only_in_test_rows_keeps_its_column(tables):
    recordings, splits = tables
    splits.loc[splits.index[-1], "target"] = "new"
    predictions = control_predictions(recordings, splits)
    assert (predictions["p_new"] == 0.0).all()


def test_bad_tables_are_errors(tables):
    recordings, splits = tables
    with pytest.raises(ValueError, match="test rows"):
        control_predictions(recordings, splits.assign(role="train"))
    with pytest.raises(ValueError, match="not in recordings"):
        control_predictions(recordings.iloc[1:], splits)
    with pytest.raises(ValueError, match="n_bytes"):
        control_predictions(recordings.assign(n_bytes=np.nan), splits)
    with pytest.raises(pd.errors.MergeError):
        control_predictions(recordings, pd.concat([splits, splits]))
