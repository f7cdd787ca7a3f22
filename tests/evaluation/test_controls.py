"""Controls must find planted shortcuts and see nothing of the test labels."""

import logging

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation import controls
from disentangled_audio.evaluation.controls import (
    ALL_METADATA,
    constant_controls,
    control_items,
    control_predictions,
)
from disentangled_audio.evaluation.scores import label_scores

N_ITEMS = 300
CLASSES = ["air", "rvb", "rwcp"]
Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@pytest.fixture
def tables() -> Tables:
    """Random durations, and file sizes that differ by two bytes from class to class."""
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
            "sample_rate_hz": 16000,
            # Missing in one class alone.
            "lsb_odd_share": np.where(labels == 1, np.nan, 0.5),
            "zero_share": 0.0,
        }
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
    shape = 3.0 * np.eye(4)[labels] + rng.standard_normal((N_ITEMS, 4))
    shortcuts = pd.DataFrame(shape, columns=[f"direct_{band:02d}" for band in range(4)])
    shortcuts.insert(0, "recording_id", ids)
    return recordings, splits, shortcuts


def _predictions(tables: Tables) -> pd.DataFrame:
    recordings, splits, shortcuts = tables
    return control_predictions(control_items(recordings, shortcuts), recordings, splits)


def _balanced_accuracy(predictions: pd.DataFrame, model: str) -> float:
    rows = predictions[predictions["model"] == model]
    return label_scores(rows["target"], rows["predicted"], CLASSES)["balanced_accuracy"]


def test_planted_shortcuts_are_caught_and_random_numbers_are_not(tables: Tables) -> None:
    predictions = _predictions(tables)
    assert _balanced_accuracy(predictions, "byte_size") == 1.0
    assert _balanced_accuracy(predictions, "duration") < 0.5
    assert _balanced_accuracy(predictions, "majority") == pytest.approx(1 / 3)
    assert _balanced_accuracy(predictions, "direct_sound") > 0.8
    assert _balanced_accuracy(predictions, ALL_METADATA) > 0.9


def test_what_is_missing_tells_too(tables: Tables) -> None:
    rows = _predictions(tables).query("model == 'stored_bits'")
    found = rows["predicted"] == rows["target"]
    assert found[rows["target"] == "rvb"].all()


def test_schema_is_that_of_predictions(tables: Tables) -> None:
    predictions = _predictions(tables)
    items = ["recording_id", "group", "kind", "fold", "role"]
    guesses = ["model", "target", "predicted", "p_air", "p_rvb", "p_rwcp"]
    assert list(predictions) == items + guesses
    assert set(predictions["role"]) == {"test"}
    assert (predictions["model"].value_counts() == 100).all()
    assert np.allclose(predictions.filter(like="p_").sum(axis=1), 1.0)


def test_what_is_constant_is_named_and_left_out_unless_every_run_reports_it(
    tables: Tables,
) -> None:
    recordings, splits, shortcuts = tables
    recordings["duration_s"] = 1.0
    items = control_items(recordings, shortcuts)

    assert set(constant_controls(items)) >= {"duration", "sample_rate", "kind", "name_length"}
    models = set(control_predictions(items, recordings, splits)["model"])
    assert "duration" in models
    assert not {"sample_rate", "kind", "name_length", "level"} & models


def test_a_control_that_cannot_be_fitted_is_named_and_the_others_go_on(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fit = controls._predicted

    def failing(name: str, *rest: object) -> object:
        if name == "byte_size":
            raise ValueError("planted")
        return fit(name, *rest)

    monkeypatch.setattr(controls, "_predicted", failing)
    with caplog.at_level(logging.WARNING):
        models = set(_predictions(tables)["model"])

    assert "byte_size" not in models
    assert "duration" in models
    assert "control 'byte_size' is left out: planted" in caplog.text


def test_test_rows_change_no_prediction_of_others(tables: Tables) -> None:
    """A test row's numbers and label are seen by its own prediction alone."""
    recordings, splits, shortcuts = tables
    first = _predictions(tables)
    last = splits["role"].to_numpy().nonzero()[0][-1]
    recordings.loc[last, ["n_bytes", "duration_s"]] = [7, 1e6]
    splits.loc[last, "target"] = "air"
    shortcuts.loc[last, "direct_00"] = 1e6

    second = _predictions((recordings, splits, shortcuts))

    other = first["recording_id"] != splits["recording_id"][last]
    pd.testing.assert_frame_equal(first[other], second[other])


def test_an_item_that_was_not_measured_is_named(tables: Tables) -> None:
    recordings, splits, shortcuts = tables
    with pytest.raises(ValueError, match=r"1 items were not measured.*r000"):
        control_items(recordings, shortcuts[1:])
    items = control_items(recordings, shortcuts)
    with pytest.raises(ValueError, match=r"1 items of splits were not measured.*r000"):
        control_predictions(items[1:].reset_index(drop=True), recordings, splits)


@pytest.mark.parametrize("role", ["train", "test"])
def test_without_rows_to_fit_or_to_predict_nothing_is_scored(tables: Tables, role: str) -> None:
    recordings, splits, shortcuts = tables
    splits["role"] = role
    with pytest.raises(ValueError, match="need training or validation rows"):
        _predictions((recordings, splits, shortcuts))
