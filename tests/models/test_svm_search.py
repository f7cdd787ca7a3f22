"""Settings and temperatures of SVMs, chosen on groups that no fit had seen."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from disentangled_audio.models import svm_search
from disentangled_audio.models.svm import Rows, fit_svm
from disentangled_audio.models.svm_search import (
    Copies,
    fit_calibrated,
    grouped_folds,
    search_svm,
)
from disentangled_audio.parameters import SvmParameters


def _parameters(**changes: Any) -> SvmParameters:
    return SvmParameters(**{"C": [1.0, 10.0], "gamma_scale": [0.3, 1.0], "n_jobs": 1, **changes})


def _blobs(n_rows: int = 240, n_groups: int = 6, spread: float = 1.0, seed: int = 0) -> Rows:
    """Three classes, whose blobs every group has."""
    centres = 4.0 * np.eye(3, 4)
    features, number = make_blobs(n_rows, centers=centres, cluster_std=spread, random_state=seed)
    target = np.array(["ash", "oak", "yew"], dtype=object)[number]
    group = np.array([f"g{row % n_groups}" for row in range(n_rows)], dtype=object)
    return Rows(features, target, group)


def _is_training(rows: Rows) -> np.ndarray:
    return rows.group != "g0"


def test_the_search_finds_the_scale_of_the_structure() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (300, 2))
    # A chequerboard: a kernel wider than a square sees nothing.
    board = np.floor(4 * features).sum(axis=1) % 2
    rows = Rows(
        features,
        np.where(board == 1, "black", "white").astype(object),
        np.array([f"g{number % 10}" for number in range(300)], dtype=object),
    )

    folds = grouped_folds(rows, 4, seed=0)
    chosen = search_svm(rows, folds, _parameters(C=[100.0], gamma_scale=[0.001, 20.0]))

    assert chosen == {"C": 100.0, "gamma": 10.0}


def test_the_search_agrees_with_libsvms_own_kernel() -> None:
    rows = _blobs(spread=3.0)
    weights, gammas = [0.01, 1.0, 30.0], [0.02, 0.3, 4.0]
    fit, held_out = grouped_folds(rows, 3, seed=0)[0]

    hits = svm_search._fold_hits(rows, fit, held_out, weights, gammas)

    for row, weight in enumerate(weights):
        for column, gamma in enumerate(gammas):
            fitted = fit_svm(rows[fit], {"C": weight, "gamma": gamma})
            right = fitted.predict(rows.features[held_out]) == rows.target[held_out]
            np.testing.assert_array_equal(hits[:, row, column], right)


def test_parts_of_the_score_add_up_to_balanced_accuracy() -> None:
    rows = _blobs(n_rows=90)
    rows = rows[(rows.target != "yew") | (np.arange(90) % 4 == 0)]
    hits = np.random.default_rng(0).random((len(rows), 2, 3)) < 0.7

    scores = svm_search._scores_by_group(hits, rows)

    recalls = [hits[rows.target == name].mean(axis=0) for name in ("ash", "oak", "yew")]
    np.testing.assert_allclose(scores.sum(axis=0), np.mean(recalls, axis=0))


def test_of_candidates_as_good_the_smoothest_is_chosen() -> None:
    # Two groups; rows are values of C, columns are values of gamma.
    best = np.array([[0.3, 0.4, 0.5], [0.3, 0.5, 0.5]])
    assert svm_search._smoothest_of_best(np.stack([best, best])) == (1, 1)


def test_a_candidate_within_one_standard_error_is_as_good() -> None:
    best, near, far = np.full(16, 0.05), np.full(16, 0.05), np.full(16, 0.05)
    # Loses in one part of sixteen what it wins in none, or in six.
    near[0] -= 0.01
    far[:6] -= 0.01
    chosen = [
        svm_search._smoothest_of_best(np.stack([other, best], axis=1)[:, np.newaxis])
        for other in (near, far)
    ]
    assert chosen == [(0, 0), (0, 1)]


def test_folds_hold_whole_groups_out_and_fit_every_class() -> None:
    rows = _blobs()

    folds = grouped_folds(rows, 3, seed=0)

    assert len(folds) == 3
    for fit, held_out in folds:
        assert not set(rows.group[fit]) & set(rows.group[held_out])
        assert set(rows.target[fit]) == {"ash", "oak", "yew"}
    np.testing.assert_array_equal(np.sort(np.concatenate([out for _, out in folds])), range(240))


def test_classes_of_one_group_leave_no_folds() -> None:
    rows = _blobs()
    assert grouped_folds(Rows(rows.features, rows.target, rows.target), 4, seed=0) == []


def _spied(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Rows of every fit, as (rows that were fitted, landmarks)."""
    fits = []

    def spy(rows: Rows, chosen: Any, n_landmarks: int | None = None, seed: int = 0) -> Any:
        fits.append((rows, n_landmarks))
        return fit_svm(rows, chosen, n_landmarks, seed)

    monkeypatch.setattr(svm_search, "fit_svm", spy)
    return fits


def test_settings_depend_on_no_fit_to_validation_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _blobs()
    searched = []
    hits = svm_search._fold_hits

    def spy(rows: Rows, fit: Any, held_out: Any, *grid: Any) -> Any:
        searched.append((set(rows.group[fit]), set(rows.group[held_out])))
        return hits(rows, fit, held_out, *grid)

    monkeypatch.setattr(svm_search, "_fold_hits", spy)
    fit_calibrated(rows, _is_training(rows), _parameters(inner_folds=2), 0)

    assert all("g0" not in fit and not fit & held_out for fit, held_out in searched)
    assert {"g0"} in [held_out for _, held_out in searched]
    assert len(searched) == 3


def test_learned_features_are_judged_on_validation_rows_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = _blobs()
    is_training = _is_training(rows)
    fits = _spied(monkeypatch)
    learned = Rows(rows.features + 100.0, rows.target, rows.group)

    judge, final, _ = fit_calibrated(rows, is_training, _parameters(), 0, learned=learned)

    assert [len(fitted) for fitted, _ in fits] == [is_training.sum(), len(rows)]
    assert judge.n_calibrated == final.n_calibrated == (~is_training).sum()
    assert np.mean(judge.predict(rows.features) == rows.target) > 0.9
    assert np.mean(final.predict(learned.features) == rows.target) > 0.9


def test_training_groups_count_in_the_error_rate() -> None:
    rows = _blobs(spread=0.3)
    # One training group in which every answer is wrong, of six.
    shifted = {"ash": "oak", "oak": "yew", "yew": "ash"}
    target = [shifted[t] if g == "g3" else t for t, g in zip(rows.target, rows.group, strict=True)]
    odd = Rows(rows.features, np.array(target, dtype=object), rows.group)

    *_, error = fit_calibrated(odd, _is_training(odd), _parameters(), 0)
    *_, alone = fit_calibrated(odd, _is_training(odd), _parameters(), 0, learned=odd)

    assert error == pytest.approx((3 + 1) / (18 + 2), abs=0.02)
    assert alone == pytest.approx(1 / (3 + 2))


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_confidence_matches_accuracy_on_groups_that_no_fit_had_seen(spread: float) -> None:
    rows, unseen = _blobs(spread=spread), _blobs(n_rows=900, spread=spread, seed=5)

    _, final, _ = fit_calibrated(rows, _is_training(rows), _parameters(), 0)

    probabilities = final.predict_proba(unseen.features)
    accuracy = np.mean(final.predict(unseen.features) == unseen.target)
    assert probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.06)


def test_augmented_rows_are_learned_from_where_their_origin_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = _blobs()
    fits = _spied(monkeypatch)
    elsewhere = np.full((240, 4), -8.0) + np.random.default_rng(0).normal(size=(240, 4))
    yews = Rows(elsewhere, np.full(240, "yew", object), rows.group)
    of_yews = Copies(yews, np.arange(240))

    _, final, _ = fit_calibrated(rows, _is_training(rows), _parameters(), 0, copies=of_yews)

    assert (final.predict(elsewhere) == "yew").all()
    for fitted, _ in fits:
        is_copy = fitted.features[:, 0] < -4
        assert set(fitted.group[is_copy]) == set(fitted.group[~is_copy])


@pytest.mark.parametrize(("max_exact_rows", "n_landmarks"), [(240, None), (239, 30)])
def test_landmarks_are_used_above_a_number_of_rows(
    monkeypatch: pytest.MonkeyPatch, max_exact_rows: int, n_landmarks: int | None
) -> None:
    rows = _blobs()
    fits = _spied(monkeypatch)
    parameters = _parameters(max_exact_rows=max_exact_rows, n_landmarks=30)

    fit_calibrated(rows, _is_training(rows), parameters, 0)

    assert {n for _, n in fits} == {n_landmarks}


def test_of_many_rows_a_part_is_searched_and_validation_rows_calibrate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = _blobs()
    searched: list[int] = []
    hits = svm_search._fold_hits

    def spy(rows: Rows, fit: Any, held_out: Any, *grid: Any) -> Any:
        searched.append(len(fit) + len(held_out))
        return hits(rows, fit, held_out, *grid)

    monkeypatch.setattr(svm_search, "_fold_hits", spy)
    _, final, _ = fit_calibrated(rows, _is_training(rows), _parameters(max_search_rows=60), 0)

    assert max(searched) == 60 + 40
    assert final.n_calibrated == 40


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_few_rows_of_a_class_are_enough(n_rows: int) -> None:
    rows = _blobs()
    few = np.concatenate([np.flatnonzero(rows.target == "yew")[:n_rows]])
    kept = np.sort(np.concatenate([np.flatnonzero(rows.target != "yew"), few]))
    rows = rows[kept]
    is_training = _is_training(rows) | (rows.target == "yew")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, final, _ = fit_calibrated(rows, is_training, _parameters(), 0)

    assert np.mean(final.predict(rows.features) == rows.target) > 0.95


@pytest.mark.parametrize("n_rows", [3, 4, 6, 8, 12])
@pytest.mark.parametrize("is_uneven", [False, True])
def test_no_small_corpus_makes_an_svm_sure_and_wrong(n_rows: int, is_uneven: bool) -> None:
    rng = np.random.default_rng(n_rows)
    target = np.repeat(["high", "low"], n_rows).astype(object)
    features = rng.normal(size=(2 * n_rows, 30)) + (target == "low")[:, np.newaxis]
    group = np.arange(2 * n_rows).astype(str).astype(object)
    rows = Rows(features, target, group)[np.arange(2 * n_rows - is_uneven)]
    is_training = np.arange(len(rows)) % n_rows > 0
    truth = np.repeat(["high", "low"], 200)
    unseen = rng.normal(size=(400, 30)) + (truth == "low")[:, np.newaxis]

    _, final, _ = fit_calibrated(rows, is_training, SvmParameters(n_jobs=1), 0)

    probabilities, predicted = final.predict_proba(unseen), final.predict(unseen)
    assert np.mean(predicted == truth) > 0.9
    wrong = probabilities[predicted != truth].max(axis=1, initial=0.0)
    assert wrong.max(initial=0.0) < 0.99
    assert probabilities.max() <= 1 - 0.5 / (len(rows) + 1)
