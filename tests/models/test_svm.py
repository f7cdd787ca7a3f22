"""The SVM on blobs whose classes are known, and on groups that must not leak."""

from typing import Any

import numpy as np
import pytest

from disentangled_audio.models import svm
from disentangled_audio.models.calibration import fit_temperature
from disentangled_audio.models.svm import CalibratedSvm, Rows, fit_svm, logits_and_distances

CHOSEN = {"C": 3.0, "gamma": 0.25}


def _calibrated(rows: Rows, seen: Rows, chosen: dict[str, float] = CHOSEN) -> CalibratedSvm:
    fitted = fit_svm(rows, chosen)
    return _on_rows(fitted, seen)


def _on_rows(fitted: Any, seen: Rows) -> CalibratedSvm:
    truth = np.searchsorted(fitted.classes_, seen.target)
    logits, distance = logits_and_distances(fitted, seen.features)
    return CalibratedSvm(fitted, fit_temperature(logits, truth, 20.0), len(seen), distance.max())


def _blobs(names: list[str], n_groups: int = 5, rows_per_group: int = 8, seed: int = 0) -> Rows:
    """One well separated blob a class, in groups that hold every class."""
    rng = np.random.default_rng(seed)
    target = np.tile(np.array(names, dtype=object), n_groups * rows_per_group)
    group = np.repeat(
        np.array([f"g{number}" for number in range(n_groups)], dtype=object),
        len(names) * rows_per_group,
    )
    centres = 6 * np.eye(len(names), 4)
    features = centres[[names.index(name) for name in target]] + rng.normal(size=(len(target), 4))
    return Rows(features, target, group)


@pytest.mark.parametrize("names", [["b", "a"], ["oak", "ash", "yew", "elm"]])
def test_separated_blobs_are_recognised_and_columns_follow_the_class_names(
    names: list[str],
) -> None:
    fitted = _calibrated(_blobs(names), _blobs(names, seed=2))
    unseen = _blobs(names, seed=1)

    probabilities = fitted.predict_proba(unseen.features)

    assert list(fitted.classes_) == sorted(names)
    assert probabilities.shape == (len(unseen), len(names))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    column = np.searchsorted(sorted(names), unseen.target.astype(str))
    assert probabilities[np.arange(len(unseen)), column].mean() > 0.9
    assert np.mean(fitted.predict(unseen.features) == unseen.target) > 0.98
    np.testing.assert_array_equal(
        fitted.predict(unseen.features), np.array(sorted(names))[probabilities.argmax(axis=1)]
    )


def test_the_same_seed_gives_the_same_svm() -> None:
    rows = _blobs(["a", "b", "c"])
    one, same = (_calibrated(rows, _blobs(["a", "b", "c"], seed=1)) for _ in range(2))

    np.testing.assert_array_equal(
        one.predict_proba(rows.features), same.predict_proba(rows.features)
    )


@pytest.mark.parametrize("shuffled", [0.0, 0.4])
def test_confidence_is_set_by_rows_that_were_not_fitted(shuffled: float) -> None:
    rows, held_out = _blobs(["a", "b"]), _blobs(["a", "b"], seed=1)
    wrong = np.random.default_rng(0).random(len(held_out)) < shuffled
    other = np.where(held_out.target == "a", "b", "a")
    held_out = Rows(held_out.features, np.where(wrong, other, held_out.target), held_out.group)

    fitted = _calibrated(rows, held_out)

    confidence = fitted.predict_proba(held_out.features).max(axis=1).mean()
    assert confidence == pytest.approx(1 - wrong.mean(), abs=0.05)


@pytest.mark.parametrize("names", [["b", "a"], ["oak", "ash", "yew", "elm"]])
def test_the_approximate_svm_agrees_with_the_exact_one(names: list[str]) -> None:
    rows, held_out = _blobs(names, 10), _blobs(names, seed=2)
    unseen = _blobs(names, seed=1)
    exact = _calibrated(rows, held_out)
    fitted = fit_svm(rows, CHOSEN, n_landmarks=60)
    approximate = _on_rows(fitted, held_out)

    probabilities = approximate.predict_proba(unseen.features)

    assert list(approximate.classes_) == sorted(names)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    agreed = approximate.predict(unseen.features) == exact.predict(unseen.features)
    assert agreed.mean() > 0.97
    assert fitted[1].components_.shape == (60, 4)


def test_rows_as_landmarks_give_back_the_kernel() -> None:
    rows = _blobs(["a", "b"], n_groups=2)
    fitted = fit_svm(rows, CHOSEN, n_landmarks=1000)

    scaled = fitted[0].transform(rows.features)
    features = fitted[1].transform(scaled)

    distances = np.square(scaled[:, None] - scaled[None]).sum(axis=2)
    np.testing.assert_allclose(
        features @ features.T, np.exp(-CHOSEN["gamma"] * distances), atol=1e-8
    )


def test_the_approximate_svm_weighs_classes_alike() -> None:
    rows = _blobs(["a", "b"], 20)
    rare = rows[(rows.target == "a") | (np.arange(len(rows)) % 20 == 1)]
    close = Rows(rare.features / 4, rare.target, rare.group)

    fitted = fit_svm(close, CHOSEN, n_landmarks=50)

    recall = [(fitted.predict(close.features) == close.target)[close.target == n] for n in "ab"]
    assert recall[1].mean() > 0.6
    assert abs(recall[0].mean() - recall[1].mean()) < 0.3


def test_the_same_seed_draws_the_same_landmarks() -> None:
    rows = _blobs(["a", "b"])

    def landmarks(seed: int) -> np.ndarray:
        return fit_svm(rows, CHOSEN, n_landmarks=20, seed=seed)[1].components_

    np.testing.assert_array_equal(landmarks(1), landmarks(1))
    assert not np.array_equal(landmarks(1), landmarks(2))


def test_rows_predicted_piece_by_piece_are_those_predicted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = _blobs(["a", "b", "c"])
    fitted = CalibratedSvm(fit_svm(rows, CHOSEN, n_landmarks=30), 1.0, len(rows), 1.0)
    at_once = fitted.predict_proba(rows.features)

    monkeypatch.setattr(svm, "_PREDICTED_ROWS", 7)

    np.testing.assert_allclose(fitted.predict_proba(rows.features), at_once, atol=1e-12)


@pytest.mark.parametrize("n_landmarks", [None, 30])
def test_a_row_far_from_all_fitted_ones_is_less_certain(n_landmarks: int | None) -> None:
    rows = _blobs(["a", "b"])
    fitted = fit_svm(rows, {"C": 3.0, "gamma": 1e-4}, n_landmarks)
    calibrated = _on_rows(fitted, _blobs(["a", "b"], seed=1))
    # Ever further along the line from one class to the other.
    direction = np.array([-6.0, 6.0, 0.0, 0.0])
    line = np.array([[0.0, 6.0, 0.0, 0.0]]) + np.linspace(0, 20, 11)[:, np.newaxis] * direction

    confidence = calibrated.predict_proba(line).max(axis=1)

    assert (calibrated.predict(line) == "b").all()
    assert (np.diff(confidence[2:]) < 0).all()
    assert confidence[-1] < 0.6
    assert confidence[0] > 0.9


def test_rows_without_features_have_no_probabilities() -> None:
    fitted = _calibrated(_blobs(["oak", "ash"]), _blobs(["oak", "ash"], seed=2))
    features = _blobs(["oak", "ash"], seed=1).features
    partly = features.copy()
    partly[::3] = np.nan

    found = fitted.predict_proba(partly)

    assert np.isnan(found[::3]).all()
    known = np.arange(len(features)) % 3 != 0
    np.testing.assert_allclose(found[known], fitted.predict_proba(features)[known])
    assert np.isnan(fitted.predict_proba(partly[::3])).all()
