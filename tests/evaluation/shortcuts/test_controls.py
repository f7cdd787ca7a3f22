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
    items_without,
)
from disentangled_audio.signal.quiet_parts import quiet_parts

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


def items_of(recordings, shortcuts, splits, target="place"):
    places = recordings["recording_id"].map(splits.set_index("recording_id")["target"])
    return control_items(recordings.assign(place=places), shortcuts, splits, target)


def predicted(recordings, shortcuts, splits):
    return control_predictions(items_of(recordings, shortcuts, splits), recordings, splits)


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
    items = items_of(same, shortcuts, splits)
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


def test_names_that_differ_by_the_label_alone_do_not_apply(tables):
    recordings, shortcuts, splits = tables
    names = splits["target"].str.upper() + "/" + splits["target"] + "-" + splits["recording_id"]
    items = items_of(recordings.assign(path=names + ".wav"), shortcuts, splits)
    assert "name_length" in constant_controls(items)
    copies = names.where(splits["target"] != "air", names + " copy")
    predictions = predicted(recordings.assign(path=copies + ".wav"), shortcuts, splits)
    assert balanced_accuracy(predictions, "name_length") > 0.6


def test_the_label_itself_is_no_control(tables):
    recordings, shortcuts, splits = tables
    recordings = recordings.assign(kind=splits["target"])
    assert "kind" not in constant_controls(items_of(recordings, shortcuts, splits))
    reasons = constant_controls(items_of(recordings, shortcuts, splits, target="kind"))
    assert reasons["kind"] == "not measured, or themselves the label"


def noise(rng, low):
    """White noise, or noise that falls by 6 dB an octave from 500 Hz."""
    white = rng.standard_normal((N_ITEMS, 8000))
    spectrum = np.fft.rfft(white, axis=1) / (1 + low * np.arange(4001) / 250)
    coloured = np.fft.irfft(spectrum, axis=1)
    return coloured / coloured.std()


@pytest.mark.parametrize(("is_same", "lowest", "highest"), [(False, 0.99, 1.0), (True, 0.4, 0.6)])
def test_backgrounds_of_the_same_tone_bursts(tables, is_same, lowest, highest):
    """Three classes of the same sounds at 16 kHz; air has another background, or not."""
    recordings, _, splits = tables
    rng = np.random.default_rng(1)
    time_s = np.arange(8000) / 16_000
    tones = np.sin(2 * np.pi * rng.uniform(300, 3000, (N_ITEMS, 1)) * time_s) * (time_s < 0.2)
    is_low = (splits["target"] == "air").to_numpy() & (not is_same)
    background = np.where(is_low[:, np.newaxis], noise(rng, 1), noise(rng, 0))
    clips = (tones + 0.003 * background).astype(np.float32)
    whole = np.tile([0, 8000], (N_ITEMS, 1))
    quiet = pd.DataFrame(quiet_parts(clips, whole, 16_000, 24, 50.0)).add_prefix("quiet_")
    measured = quiet.assign(recording_id=recordings["recording_id"])
    assert items_without(items_of(recordings, measured, splits)) == {}
    predictions = predicted(recordings, measured, splits)
    rows = predictions[predictions["model"] == "quiet_parts"]
    is_right = (rows["target"] == "air") == (rows["predicted"] == "air")
    recalls = [is_right[(rows["target"] == "air") == is_air].mean() for is_air in (False, True)]
    assert lowest <= np.mean(recalls) <= highest


def test_that_a_class_has_no_quiet_parts_is_not_told(tables):
    """Steady sounds have none by their nature."""
    recordings, _, splits = tables
    quiet = pd.DataFrame(np.random.default_rng(2).standard_normal((N_ITEMS, 5)))
    quiet[splits["target"] == "air"] = np.nan
    measured = quiet.add_prefix("quiet_").assign(recording_id=recordings["recording_id"])
    of_class = set(splits.loc[splits["target"] == "air", "recording_id"])
    assert items_without(items_of(recordings, measured, splits)) == {"quiet_parts": of_class}
    predictions = predicted(recordings, measured, splits)
    rows = predictions[predictions["model"] == "quiet_parts"]
    of_air = rows.loc[rows["target"] == "air", "predicted"].value_counts(normalize=True)
    assert of_air.max() < 0.55
    assert set(rows.loc[rows["target"] != "air", "predicted"]) == {"rvb", "rwcp"}


def test_without_quiet_parts_of_two_classes_the_control_is_left_out(tables, caplog):
    recordings, _, splits = tables
    quiet = pd.DataFrame(np.random.default_rng(2).standard_normal((N_ITEMS, 5)))
    quiet[splits["target"] != "air"] = np.nan
    measured = quiet.add_prefix("quiet_").assign(recording_id=recordings["recording_id"])
    assert "quiet_parts" not in set(predicted(recordings, measured, splits)["model"])
    assert "it sees training items of fewer than two classes" in caplog.text


def test_columns_without_any_number_do_not_apply(tables):
    recordings, shortcuts, splits = tables
    empty = recordings.assign(noise_floor_db=np.nan)
    assert "noise_floor" in constant_controls(items_of(empty, shortcuts, splits))
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
    items = items_of(recordings.iloc[1:], shortcuts, splits)
    with pytest.raises(ValueError, match="not measured"):
        control_predictions(items, recordings, splits)
    with pytest.raises(pd.errors.MergeError):
        predicted(pd.concat([recordings, recordings]), shortcuts, splits)
