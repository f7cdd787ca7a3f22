"""The SVM on blobs whose classes are known, and on groups that must not leak."""

import warnings
from typing import Any

import numpy as np
import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.models import svm
from disentangled_audio.models.svm import (
    CalibratedSvm,
    Rows,
    calibrated_temperature,
    fit_svm,
    n_landmarks_for,
    search_svm,
)
from disentangled_audio.parameters import SvmParameters

CHOSEN = {"C": 3.0, "gamma": 0.25}


def _parameters(**changes: Any) -> SvmParameters:
    return SvmParameters(**{"C": [1.0, 10.0], "gamma_scale": [0.3, 1.0], "n_jobs": 1, **changes})


def _calibrated(rows: Rows, seen: Rows, chosen: dict[str, float] = CHOSEN) -> CalibratedSvm:
    fitted = fit_svm(rows, chosen)
    return CalibratedSvm(fitted, calibrated_temperature(fitted, seen))


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

    chosen = search_svm(rows, _parameters(C=[100.0], gamma_scale=[0.001, 20.0]), seed=0)

    assert chosen == {"C": 100.0, "gamma": 10.0}


def test_the_search_agrees_with_libsvms_own_kernel() -> None:
    rows = _blobs(["a", "b", "c"], n_groups=6)
    rows = Rows(rows.features / 4, rows.target, rows.group)
    weights, gammas = [0.01, 1.0, 30.0], [0.02, 0.3, 4.0]

    for train, held_out in svm._inner_folds(rows, 3, seed=0):
        scores = svm._fold_scores(rows, train, held_out, weights, gammas)
        for row, weight in enumerate(weights):
            for column, gamma in enumerate(gammas):
                fitted = fit_svm(rows[train], {"C": weight, "gamma": gamma})
                right = fitted.predict(rows.features[held_out]) == rows.target[held_out]
                recalls = [right[rows.target[held_out] == name].mean() for name in "abc"]
                assert scores[row, column] == pytest.approx(np.mean(recalls))


def test_the_same_seed_gives_the_same_svm() -> None:
    rows = _blobs(["a", "b", "c"])
    one, same = (_calibrated(rows, _blobs(["a", "b", "c"], seed=1)) for _ in range(2))

    np.testing.assert_array_equal(
        one.predict_proba(rows.features), same.predict_proba(rows.features)
    )


def test_the_search_uses_a_part_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    folds = svm._inner_folds

    def spy(rows: Rows, *others: Any) -> Any:
        seen.append(rows)
        return folds(rows, *others)

    monkeypatch.setattr(svm, "_inner_folds", spy)
    rows = _blobs(["a", "b"])

    search_svm(rows, _parameters(max_search_rows=60), seed=0)

    known = {tuple(row): name for row, name in zip(rows.features, rows.target, strict=True)}
    assert len(seen[0]) == 60
    assert [known[tuple(row)] for row in seen[0].features] == list(seen[0].target)


def test_inner_folds_hold_whole_groups_out_and_train_on_every_class() -> None:
    rows = _blobs(["a", "b", "c"], n_groups=6)

    folds = svm._inner_folds(rows, 3, seed=0)

    assert len(folds) == 3
    for train, held_out in folds:
        assert not set(rows.group[train]) & set(rows.group[held_out])
        assert set(rows.target[train]) == {"a", "b", "c"}
    np.testing.assert_array_equal(np.sort(np.concatenate([out for _, out in folds])), range(144))


@pytest.mark.parametrize("shuffled", [0.0, 0.4])
def test_confidence_is_set_by_rows_that_were_not_fitted(shuffled: float) -> None:
    rows, held_out = _blobs(["a", "b"]), _blobs(["a", "b"], seed=1)
    wrong = np.random.default_rng(0).random(len(held_out)) < shuffled
    other = np.where(held_out.target == "a", "b", "a")
    held_out = Rows(held_out.features, np.where(wrong, other, held_out.target), held_out.group)

    fitted = _calibrated(rows, held_out)

    confidence = fitted.predict_proba(held_out.features).max(axis=1).mean()
    assert confidence == pytest.approx(1 - wrong.mean(), abs=0.05)


def test_augmented_rows_are_learned_from() -> None:
    rows = _blobs(["a", "b"])
    elsewhere = np.full((40, 4), -8.0) + np.random.default_rng(0).normal(size=(40, 4))
    extra = Rows(elsewhere, np.full(40, "b", object), np.full(40, "g0", object))

    with_extra = fit_svm(rows, CHOSEN, augmented=extra)

    assert (with_extra.predict(elsewhere) == "b").all()
    assert with_extra[-1].support_.max() >= len(rows), "no added row became a support vector"


def test_landmarks_are_used_above_a_number_of_rows() -> None:
    parameters = _parameters(max_exact_rows=100, n_landmarks=30)

    assert n_landmarks_for(100, parameters) is None
    assert n_landmarks_for(101, parameters) == 30


@pytest.mark.parametrize("names", [["b", "a"], ["oak", "ash", "yew", "elm"]])
def test_the_approximate_svm_agrees_with_the_exact_one(names: list[str]) -> None:
    rows, held_out = _blobs(names, 10), _blobs(names, seed=2)
    unseen = _blobs(names, seed=1)
    exact = _calibrated(rows, held_out)
    fitted = fit_svm(rows, CHOSEN, n_landmarks=60)
    approximate = CalibratedSvm(fitted, calibrated_temperature(fitted, held_out))

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
    fitted = CalibratedSvm(fit_svm(rows, CHOSEN, n_landmarks=30), 1.0)
    at_once = fitted.predict_proba(rows.features)

    monkeypatch.setattr(svm, "_PREDICTED_ROWS", 7)

    np.testing.assert_allclose(fitted.predict_proba(rows.features), at_once, atol=1e-12)


@pytest.mark.parametrize("single_groups", [["c"], ["a", "b", "c"]])
def test_a_class_with_one_group_can_be_learned(single_groups: list[str]) -> None:
    rows = _blobs(["a", "b", "c"])
    group = np.array(
        [
            f"only {name}" if name in single_groups else place
            for name, place in zip(rows.target, rows.group, strict=True)
        ],
        dtype=object,
    )
    rows = Rows(rows.features, rows.target, group)

    chosen = search_svm(rows, _parameters(), seed=0)
    fitted = fit_svm(rows, chosen)

    assert np.mean(fitted.predict(rows.features) == rows.target) > 0.98


@pytest.mark.parametrize("own_groups", [True, False])
def test_a_class_with_one_row_does_not_stop_the_others(own_groups: bool) -> None:
    rows = _blobs(["a", "b", "c"])
    rows = rows[(rows.target != "c") | (np.cumsum(rows.target == "c") == 1)]
    if not own_groups:
        rows = Rows(rows.features, rows.target, rows.target)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = search_svm(rows, _parameters(), seed=0)
        fitted = fit_svm(rows, chosen)

    assert np.mean(fitted.predict(rows.features) == rows.target) > 0.95


def test_two_classes_with_one_row_each_are_named() -> None:
    rows = _blobs(["a", "b", "c"])
    first = [np.flatnonzero(rows.target == name)[0] for name in ("b", "c")]
    rows = rows[np.concatenate([np.flatnonzero(rows.target == "a"), first])]
    rows = Rows(rows.features, rows.target, rows.target)

    with pytest.raises(UserError, match="class b, c has a single training row"):
        search_svm(rows, _parameters(), seed=0)


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


@pytest.mark.parametrize("n_rows", [2, 3])
def test_few_rows_of_each_class_make_fewer_folds(n_rows: int) -> None:
    target = np.repeat(["a", "b"], n_rows)
    noise = np.random.default_rng(0).standard_normal((len(target), 3))
    features = noise + 9.0 * (target == "b")[:, np.newaxis]
    rows = Rows(features, target, np.arange(len(target)).astype(str))
    assert len(svm._inner_folds(rows, 4, seed=0)) == n_rows
    fitted = fit_svm(rows, search_svm(rows, _parameters(), seed=0))
    assert (fitted.predict(features) == target).all()


def test_single_rows_alone_are_named() -> None:
    rows = Rows(np.eye(2), np.array(["a", "b"]), np.array(["x", "y"]))
    with pytest.raises(UserError, match="class a, b has a single training row"):
        svm._inner_folds(rows, 4, seed=0)
