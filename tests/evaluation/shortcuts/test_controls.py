"""Controls must find planted shortcuts and see nothing of the test labels."""

import logging

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.scores.classification import label_scores
from disentangled_audio.evaluation.shortcuts import controls
from disentangled_audio.evaluation.shortcuts.controls import (
    constant_controls,
    control_items,
    control_predictions,
)

pytestmark = pytest.mark.filterwarnings("error")
N_ITEMS = 300
CLASSES = ["air", "rvb", "rwcp"]


@pytest.fixture
def tables():
    """Random durations and spectra, and file sizes that differ by two bytes from class to class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, N_ITEMS)
    ids = [f"r{index:03d}" for index in range(N_ITEMS)]
    # Beyond 2**24 such sizes are equal in float32.
    sizes = 40_000_000 + 100 * rng.integers(0, 5, N_ITEMS) + 2 * labels
    recordings = pd.DataFrame(
        {
            "recording_id": ids,
            "path": [f"folder/{name}.wav" for name in ids],
            "kind": "rir",
            "duration_s": rng.random(N_ITEMS),
            "n_bytes": sizes,
        }
    )
    spectra = rng.standard_normal((N_ITEMS, 6))
    shortcuts = pd.DataFrame(spectra, columns=[f"direct_{k:02d}" for k in range(6)])
    shortcuts.insert(0, "recording_id", ids)
    splits = pd.DataFrame(
        {
            "recording_id": ids,
            "target": [CLASSES[label] for label in labels],
            "group": rng.integers(0, 9, N_ITEMS).astype(str),
            "fold": "f",
            "role": np.repeat(["train", "validation", "test"], [150, 50, 100]),
        }
    )
    return recordings, shortcuts, splits


def predicted(recordings, shortcuts, splits):
    return control_predictions(control_items(recordings, shortcuts), recordings, splits)


def balanced_accuracy(predictions, model):
    rows = predictions[predictions["model"] == model]
    return label_scores(rows["target"], rows["predicted"], CLASSES)["balanced_accuracy"]


def test_planted_size_is_caught_and_random_duration_is_not(tables):
    predictions = predicted(*tables)
    assert balanced_accuracy(predictions, "byte_size") == 1.0
    assert balanced_accuracy(predictions, "duration") < 0.5
    assert balanced_accuracy(predictions, "direct_sound") < 0.5
    assert balanced_accuracy(predictions, "majority") == pytest.approx(1 / 3)


def test_a_planted_spectrum_is_caught(tables):
    recordings, shortcuts, splits = tables
    is_air = (splits["target"] == "air").to_numpy()
    shortcuts.loc[is_air, "direct_03"] += 5
    predictions = predicted(recordings, shortcuts, splits)
    rows = predictions[predictions["model"] == "direct_sound"]
    assert (rows["predicted"] == "air").corr(rows["target"] == "air") > 0.9


def test_schema_is_that_of_predictions(tables):
    predictions = predicted(*tables)
    items = ["recording_id", "group", "kind", "fold", "role"]
    guesses = ["model", "target", "predicted", "p_air", "p_rvb", "p_rwcp"]
    assert list(predictions) == items + guesses
    assert set(predictions["role"]) == {"test"}
    assert predictions["model"].value_counts().to_dict() == dict.fromkeys(
        ["majority", "duration", "byte_size", "direct_sound", "all_metadata"], 100
    )
    assert np.allclose(predictions.filter(like="p_").sum(axis=1), 1.0)


def test_labels_of_test_rows_are_not_used(tables):
    recordings, shortcuts, splits = tables
    before = predicted(recordings, shortcuts, splits)
    shuffled = splits.copy()
    is_test = shuffled["role"] == "test"
    shuffled.loc[is_test, "target"] = shuffled.loc[is_test, "target"].to_numpy()[::-1]
    after = predicted(recordings, shortcuts, shuffled)
    untouched = ["predicted", "p_air", "p_rvb", "p_rwcp"]
    pd.testing.assert_frame_equal(before[untouched], after[untouched])

    last = splits.index[-1]
    fewer = predicted(*(table.drop(last) for table in tables))
    kept = before[before["recording_id"] != splits.loc[last, "recording_id"]]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), fewer)


def test_numbers_of_a_test_row_change_its_own_prediction_alone(tables):
    recordings, shortcuts, splits = tables
    before = predicted(*tables)
    last = splits.index[-1]
    recordings.loc[last, ["n_bytes", "duration_s"]] = [7, 1e6]
    shortcuts.loc[last, "direct_00"] = 1e6
    others = before["recording_id"] != splits.loc[last, "recording_id"]
    pd.testing.assert_frame_equal(before[others], predicted(*tables)[others])


def test_order_of_the_tables_does_not_matter(tables):
    recordings, shortcuts, splits = tables
    shuffled = shortcuts.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(predicted(recordings, shuffled, splits), predicted(*tables))


def test_names_that_are_digits_are_labels_like_others(tables):
    recordings, shortcuts, splits = tables
    digits = splits.assign(target=splits["target"].map({"air": "0", "rvb": "1", "rwcp": "2"}))
    digits["target"] = digits["target"].astype("string")
    named, numbered = predicted(*tables), predicted(recordings, shortcuts, digits)
    assert list(named["model"]) == list(numbered["model"])
    np.testing.assert_array_equal(named["p_air"], numbered["p_0"])


def test_constant_columns_do_not_apply_and_are_left_out(tables):
    recordings, shortcuts, splits = tables
    same = recordings.assign(sample_rate_hz=16000, duration_s=1.0)
    items = control_items(same, shortcuts)
    constant = constant_controls(items)
    assert {"sample_rate", "kind", "duration", "name_length"} <= set(constant)
    assert "byte_size" not in constant
    models = set(predicted(same, shortcuts, splits)["model"])
    assert "sample_rate" not in models
    # In every run's metrics.
    assert "duration" in models


def test_missing_values_can_predict_the_label(tables):
    recordings, shortcuts, splits = tables
    floor = pd.Series(-60.0, index=recordings.index).mask(splits["target"] == "air")
    predictions = predicted(recordings.assign(noise_floor_db=floor), shortcuts, splits)
    rows = predictions[predictions["model"] == "noise_floor"]
    assert ((rows["predicted"] == "air") == (rows["target"] == "air")).all()


def test_columns_without_any_number_do_not_apply(tables):
    recordings, shortcuts, splits = tables
    empty = recordings.assign(noise_floor_db=np.nan)
    assert "noise_floor" in constant_controls(control_items(empty, shortcuts))
    assert "noise_floor" not in set(predicted(empty, shortcuts, splits)["model"])


def test_a_class_with_one_member_can_be_fitted(tables):
    recordings, shortcuts, splits = tables
    splits.loc[0, "target"] = "single"
    models = set(predicted(recordings, shortcuts, splits)["model"])
    assert {"byte_size", "direct_sound", "all_metadata"} <= models


def test_a_control_that_fails_is_named_and_the_others_go_on(tables, monkeypatch, caplog):
    def fail(n_classes):
        raise ValueError("no luck")

    monkeypatch.setattr(controls, "_shape_model", fail)
    with caplog.at_level(logging.WARNING):
        models = set(predicted(*tables)["model"])
    assert "control 'direct_sound' is left out: no luck" in caplog.text
    assert "byte_size" in models
    assert "direct_sound" not in models


def test_a_class_seen_only_in_test_rows_keeps_its_column(tables):
    recordings, shortcuts, splits = tables
    splits.loc[splits.index[-1], "target"] = "new"
    predictions = predicted(recordings, shortcuts, splits)
    assert (predictions["p_new"] == 0.0).all()


def test_bad_tables_are_errors(tables):
    recordings, shortcuts, splits = tables
    with pytest.raises(ValueError, match="test rows"):
        predicted(recordings, shortcuts, splits.assign(role="train"))
    with pytest.raises(ValueError, match="not measured"):
        predicted(recordings, shortcuts.iloc[1:], splits)
    items = control_items(recordings.iloc[1:], shortcuts)
    with pytest.raises(ValueError, match="not measured"):
        control_predictions(items, recordings, splits)
    with pytest.raises(pd.errors.MergeError):
        predicted(pd.concat([recordings, recordings]), shortcuts, splits)
