"""Factors as targets of losses; only training rows decide scales, thirds and classes."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.models.factor_targets import factor_target

TRAINING = np.array([True] * 6 + [False] * 3)


def test_a_positive_number_is_taken_by_its_logarithm_and_standardised_by_training_rows():
    values = pd.Series([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 0.5, 4.0])
    target = factor_target(values, TRAINING)
    octaves = np.log2(values.to_numpy())
    expected = (octaves - octaves[:6].mean()) / octaves[:6].std()
    assert target.values[:, 0] == pytest.approx(expected, abs=1e-5)
    assert target.is_number
    assert target.known.tolist() == [1.0] * 9
    assert target.cells.argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2, 2, 0, 1]


def test_a_number_that_may_be_negative_is_not_transformed():
    values = pd.Series([-30.0, -20.0, -10.0, -30.0, -20.0, -10.0, -20.0, 5.0, -40.0])
    target = factor_target(values, TRAINING)
    assert target.values[6, 0] == pytest.approx(0.0, abs=1e-6)
    assert target.values[2, 0] == pytest.approx(np.sqrt(1.5))


@pytest.mark.parametrize("missing", [np.nan, -1.0, np.inf])
def test_rows_without_a_value_are_zero_and_unknown(missing):
    values = pd.Series([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, missing, 2.0, 2.0])
    target = factor_target(values, TRAINING)
    assert target.known[6] == 0.0
    assert not target.values[6].any()
    assert not target.cells[6].any()


def test_classes_are_those_of_training_rows():
    values = pd.Series(["b", "a", "b", "a", None, "b", "c", "a", None], dtype="string")
    target = factor_target(values, TRAINING)
    assert not target.is_number
    assert target.values.shape == (9, 2)
    assert target.values.argmax(axis=1)[[0, 1, 7]].tolist() == [1, 0, 0]
    assert target.known.tolist() == [1, 1, 1, 1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([3.0] * 6 + [1.0, 2.0, 9.0]),
        pd.Series([np.nan] * 6 + [1.0, 2.0, 9.0]),
        pd.Series(["a"] * 6 + ["b", "c", "d"], dtype="string"),
        pd.Series([None] * 6 + ["b", "c", "d"], dtype="string"),
    ],
)
def test_a_factor_that_is_constant_in_training_rows_is_left_out(values):
    assert factor_target(values, TRAINING) is None


def test_other_rows_do_not_change_training_rows():
    values = pd.Series([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 0.5, 4.0])
    changed = values.where(TRAINING, 1000.0 * values)
    for name in ("values", "known", "cells"):
        first, second = (getattr(factor_target(of, TRAINING), name) for of in (values, changed))
        assert np.array_equal(first[TRAINING], second[TRAINING])


def test_classes_of_further_rows_follow_those_of_training_rows() -> None:
    values = pd.Series(["b", "c", "a", "c"], dtype="string")
    training = np.array([True, True, False, False])
    target = factor_target(values, training, np.array([True, True, True, False]))
    np.testing.assert_array_equal(target.values, np.eye(3)[[0, 1, 2, 1]])
    assert factor_target(values, training).values.shape == (4, 2)
