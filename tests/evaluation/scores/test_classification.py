"""Scores against values worked out by hand."""

import json
import warnings

import numpy as np
import pytest

from disentangled_audio.evaluation.scores.classification import (
    confusion_counts,
    expected_calibration_error,
    log_loss,
    score,
)

CLASSES = ["a", "b", "c"]


def one_hot(labels, classes=CLASSES):
    return np.array([[float(label == name) for name in classes] for label in labels])


def test_perfect_predictions_score_one():
    target = ["a", "b", "c", "c"]
    scores = score(target, target, one_hot(target), CLASSES)
    assert scores["accuracy"] == scores["balanced_accuracy"] == scores["macro_f1"] == 1.0
    assert scores["log_loss"] == 0.0
    assert scores["ece"] == 0.0
    assert scores["absent_classes"] == []


def test_constant_prediction_is_at_chance():
    target = ["a"] * 8 + ["b"] + ["c"]
    uniform = np.full((10, 3), 1 / 3)
    scores = score(target, ["a"] * 10, uniform, CLASSES)
    assert scores["accuracy"] == pytest.approx(0.8)
    assert scores["balanced_accuracy"] == pytest.approx(1 / 3)
    assert scores["macro_f1"] == pytest.approx(2 * 8 / 18 / 3)
    assert scores["log_loss"] == pytest.approx(np.log(3))
    assert scores["ece"] == pytest.approx(0.8 - 1 / 3)
    assert scores["per_class"]["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}


def test_known_confusion():
    target = ["a", "a", "a", "b", "b"]
    predicted = ["a", "a", "b", "b", "a"]
    assert confusion_counts(target, predicted, ["a", "b"]).tolist() == [[2, 1], [1, 1]]
    scores = score(target, predicted, None, ["a", "b"])
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores["macro_f1"] == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert scores["per_class"]["a"]["precision"] == pytest.approx(2 / 3)
    assert scores["log_loss"] is None
    assert scores["ece"] is None


def test_agrees_with_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    target = rng.choice(CLASSES, 300)
    probabilities = rng.dirichlet(np.ones(3), 300)
    predicted = np.array(CLASSES)[probabilities.argmax(axis=1)]
    scores = score(target, predicted, probabilities, CLASSES)
    balanced = metrics.balanced_accuracy_score(target, predicted)
    macro_f1 = metrics.f1_score(target, predicted, average="macro")
    assert scores["balanced_accuracy"] == pytest.approx(balanced)
    assert scores["macro_f1"] == pytest.approx(macro_f1)
    assert scores["log_loss"] == pytest.approx(metrics.log_loss(target, probabilities))


def test_absent_class_is_named_and_does_not_count():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score(["a", "b"], ["a", "c"], one_hot(["a", "c"]), CLASSES)
    assert scores["absent_classes"] == ["c"]
    assert scores["balanced_accuracy"] == 0.5
    assert scores["per_class"]["c"] == {"precision": 0.0, "recall": None, "f1": 0.0, "support": 0}
    json.dumps(scores, allow_nan=False)


def test_calibration_error_of_known_bins():
    # Bin (0.8, 0.9]: confidence 0.85, accuracy 0.5; bin (0.5, 0.6]: 0.55 and 1.
    confidence = [0.85] * 6 + [0.55] * 2
    correct = [True, False] * 3 + [True, True]
    expected = 6 / 8 * 0.35 + 2 / 8 * 0.45
    assert expected_calibration_error(confidence, correct, n_bins=10) == pytest.approx(expected)


def test_calibration_uses_the_confidence_of_the_label_given():
    probabilities = np.array([[0.4, 0.6]] * 10)
    scores = score(["a"] * 10, ["a"] * 10, probabilities, ["a", "b"])
    assert scores["ece"] == pytest.approx(0.6)


def test_a_probability_of_zero_stays_finite():
    assert np.isfinite(log_loss(["a"], [[0.0, 1.0]], ["a", "b"]))


def test_probabilities_that_are_not_numbers_give_none():
    scores = score(["a"], ["a"], [[np.nan, np.nan]], ["a", "b"])
    assert scores["log_loss"] is None
    assert scores["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("target", "predicted", "probabilities", "message"),
    [
        ([], [], None, "No items"),
        (["z"], ["a"], None, "z"),
        (["a"], ["z"], None, "z"),
        (["a"], ["a", "b"], None, "1 targets but 2"),
        (["a"], ["a"], [[0.5, 0.5]], "shape"),
        (["a"], ["a"], [[0.5, 0.5, 0.5]], "sum to one"),
    ],
)
def test_invalid_input_is_an_error(target, predicted, probabilities, message):
    with pytest.raises(ValueError, match=message):
        score(target, predicted, probabilities, CLASSES)
