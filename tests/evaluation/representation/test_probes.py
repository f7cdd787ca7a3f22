"""Folds and choice of probes, and the regression probe, against what is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from disentangled_audio.evaluation.representation.probes import (
    KERNEL_RIDGE,
    _least_squares,
    better_by_other_folds,
    lookup_decisions,
    probe_features,
    probe_folds,
)
from disentangled_audio.evaluation.representation.ridge import (
    RIDGE_ALPHAS,
    r2_by_group,
    ridge_predictions,
)


def ridge_by_group(code, values, groups):
    """Predictions of each group by a probe of the others."""
    predicted = np.empty(len(values))
    for group in np.unique(groups):
        out = groups == group
        predicted[out] = ridge_predictions(code[~out], values[~out], code[out], groups[~out])
    return predicted


def folds_of(labels, groups, **options):
    options = {"by_group": True, "n_folds": 5, "seed": 0} | options
    return probe_folds(np.asarray(labels), np.asarray(groups), np.arange(len(labels)), **options)


@given(st.integers(2, 40), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_no_group_is_in_two_folds(n_groups, seed):
    groups = np.repeat(np.arange(n_groups), 4)
    labels = np.tile([0, 1, 0, 1], n_groups)
    folds, together = folds_of(labels, groups, seed=seed)
    assert together == "group"
    assert all(len(set(folds[groups == group])) == 1 for group in range(n_groups))
    assert len(set(folds)) == (n_groups if n_groups <= 10 else 5)


def test_a_class_with_one_group_is_folded_by_row():
    labels = np.repeat([0, 1, 2], 10)
    folds, together = folds_of(labels, labels)
    assert together == "unit"
    assert np.bincount(folds).tolist() == [6] * 5


def test_unseen_groups_are_one_fold():
    groups = np.repeat(np.arange(8), 4)
    labels = np.tile([0, 1, 0, 1], 8)
    unseen = groups >= 5
    folds, _ = folds_of(labels, groups, apart=unseen)
    assert len(set(folds[unseen])) == 1
    assert len(set(folds[~unseen])) == 5
    assert not set(folds[unseen]) & set(folds[~unseen])


@pytest.mark.parametrize("why", ["a group on both sides", "a class on one side only"])
def test_unseen_rows_that_share_groups_or_classes_are_not_one_fold(why):
    groups = np.repeat(np.arange(8), 4)
    labels = np.tile([0, 1, 0, 1], 8)
    unseen = groups >= 5
    if why == "a group on both sides":
        unseen[0] = True
    else:
        labels[unseen] = 2
    folds, _ = folds_of(labels, groups, apart=unseen)
    assert len(set(folds[unseen])) > 1


def test_the_probe_is_chosen_by_the_other_folds():
    labels = np.tile([0, 1], 9)
    folds = np.repeat([0, 1, 2], 6)
    always_right, wrong = labels, 1 - labels
    # The second is right in fold 0 alone: there the others speak against it, elsewhere one of
    # two speaks for it, but the first is better still.
    second = np.where(folds == 0, labels, wrong)
    np.testing.assert_array_equal(
        better_by_other_folds([second, always_right], labels, folds), labels
    )
    first = np.where(folds == 0, wrong, labels)
    chosen = better_by_other_folds([first, second], labels, folds)
    np.testing.assert_array_equal(chosen[folds == 0], wrong[folds == 0])


def test_a_lookup_falls_back_to_the_coarser_table():
    labels = np.array([0, 0, 1, 1, 1, 0])
    coarse = np.array([0, 0, 1, 1, 1, 0])
    fine = np.array([0, 0, 1, 1, 2, 3])
    folds = np.array([0, 1, 0, 1, 0, 1])
    decisions = lookup_decisions([coarse, fine], labels, folds)
    np.testing.assert_array_equal(decisions.argmax(axis=1), labels)
    # Never seen in any table: no class is likelier.
    nowhere = lookup_decisions([np.arange(6)], labels, folds)
    assert (nowhere == 0.0).all()


def test_a_constant_dimension_is_left_out():
    code = np.stack([np.arange(20.0), np.full(20, 1e6)], axis=1)
    assert probe_features(code[:, :1], seed=0).linear.shape == (20, 1)
    assert probe_features(np.full((20, 2), 7.0), seed=0) is None
    assert probe_features(np.full((20, 2), 0.1) + 1e-12 * code[:, :1], seed=0) is None


def made_rooms(noise, n_rooms=9, seed=0):
    """Log T20 of rooms, and a code that tells it up to noise."""
    rng = np.random.default_rng(seed)
    rooms = np.repeat(np.arange(n_rooms), 30)
    log_t20 = np.log(np.linspace(0.2, 1.2, n_rooms))[rooms] + 0.02 * rng.standard_normal(len(rooms))
    told = log_t20 + noise * log_t20.std() * rng.standard_normal(len(rooms))
    mixed = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    code = np.hstack([told[:, np.newaxis], 0.3 * rng.standard_normal((len(rooms), 3))]) @ mixed
    return code, log_t20, rooms


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_r2_of_a_linear_code_is_what_its_noise_leaves(noise):
    code, log_t20, rooms = made_rooms(noise)
    predicted = ridge_by_group(code, log_t20, rooms)
    found = r2_by_group(log_t20, predicted, rooms, rng=np.random.default_rng(0))
    # The best linear estimate from value + noise explains 1 / (1 + noise²) of the variance.
    assert found["r2"] == pytest.approx(1 / (1 + noise**2), abs=0.06)
    assert found["low"] < found["r2"] < found["high"]
    assert (found["n_groups"], found["n_items"], found["reason"]) == (9, 270, "")


def test_r2_of_noise_is_not_above_zero():
    _, log_t20, rooms = made_rooms(0.0)
    code = np.random.default_rng(1).standard_normal((270, 4))
    predicted = ridge_by_group(code, log_t20, rooms)
    assert r2_by_group(log_t20, predicted, rooms, rng=np.random.default_rng(0))["r2"] < 0.05


def test_a_code_of_room_names_does_not_predict_new_rooms():
    _, log_t20, rooms = made_rooms(0.0)
    predicted = ridge_by_group(np.eye(9)[rooms], log_t20, rooms)
    assert r2_by_group(log_t20, predicted, rooms, rng=np.random.default_rng(0))["r2"] < 0.05


def test_rooms_are_drawn_and_not_rows():
    code, log_t20, rooms = made_rooms(0.5)
    predicted = ridge_by_group(code, log_t20, rooms)
    once, again = (
        r2_by_group(
            np.tile(log_t20, n),
            np.tile(predicted, n),
            np.tile(rooms, n),
            rng=np.random.default_rng(0),
        )
        for n in (1, 20)
    )
    for name in ("r2", "low", "high"):
        assert once[name] == pytest.approx(again[name])
    errors = np.sum((log_t20 - predicted) ** 2)
    assert once["r2"] == pytest.approx(1 - errors / np.sum((log_t20 - log_t20.mean()) ** 2))


@pytest.mark.parametrize(
    ("values", "groups", "reason"),
    [
        (np.full(4, np.nan), "abcd", "no value"),
        (np.array([1.0, 2.0, np.nan, np.nan]), "aabb", "1 group with values"),
        (np.ones(4), "abcd", "constant"),
    ],
)
def test_r2_that_is_not_defined_says_why(values, groups, reason):
    found = r2_by_group(values, np.zeros(4), np.array(list(groups)), rng=np.random.default_rng(0))
    assert found["r2"] is None
    assert found["reason"] == reason


def test_rows_without_a_value_are_not_fitted():
    code, log_t20, rooms = made_rooms(0.0)
    known = rooms % 2 == 0
    with_gaps = np.where(known, log_t20, np.nan)
    found = ridge_predictions(code, with_gaps, code, rooms)
    of_known = code[known], log_t20[known]
    np.testing.assert_allclose(found, ridge_predictions(*of_known, code, rooms[known]))


def test_the_penalty_is_chosen_by_groups():
    # Many dimensions name the room, and one weakly tells its number: by rows, names are best.
    rng = np.random.default_rng(0)
    rooms = np.repeat(np.arange(16), 20)
    number = rng.standard_normal(16)
    names = rng.standard_normal((16, 14))[rooms] + 0.05 * rng.standard_normal((320, 14))
    code = np.hstack([(number + 0.5 * rng.standard_normal(16))[rooms][:, np.newaxis], names])
    errors = {}
    for how, groups in (("rooms", rooms), ("rows", np.arange(320)), ("one group", np.zeros(320))):
        told = [
            np.mean(
                ridge_predictions(
                    code[rooms != room],
                    number[rooms][rooms != room],
                    code[rooms == room],
                    groups[rooms != room],
                )
            )
            for room in range(16)
        ]
        errors[how] = np.mean((np.array(told) - number) ** 2)
    assert errors["rooms"] < 0.8 * errors["rows"]
    assert errors["one group"] > errors["rooms"]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_kernel_probe_is_a_balanced_ridge_classifier(n_classes: int) -> None:
    rng = np.random.default_rng(4)
    values, unseen = rng.standard_normal((80, 12)), rng.standard_normal((30, 12))
    # Few of the last class: its rows must weigh as much.
    labels = np.minimum(rng.integers(0, 3 * n_classes, 80), n_classes - 1)
    reference = RidgeClassifier(alpha=KERNEL_RIDGE, class_weight="balanced").fit(values, labels)
    expected = reference.decision_function(unseen)

    found = _least_squares(values, labels, unseen)

    if n_classes == 2:
        expected = np.column_stack([-expected, expected])
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_penalty_is_that_of_a_search_over_groups() -> None:
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(8), 10)
    values = rng.standard_normal(8)[groups]
    code = np.column_stack([values + rng.standard_normal(80), rng.standard_normal((80, 5))])
    search = RidgeCV(
        alphas=RIDGE_ALPHAS,
        cv=list(GroupKFold(8).split(code, groups=groups)),
        scoring="neg_mean_squared_error",
    )
    reference = make_pipeline(StandardScaler(), search).fit(code, values)

    found = ridge_predictions(code, values, code, groups)

    assert RIDGE_ALPHAS[0] < reference[-1].alpha_ < RIDGE_ALPHAS[-1]
    np.testing.assert_allclose(found, reference.predict(code), atol=1e-9)
