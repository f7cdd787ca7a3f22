"""Dependence within cells: known answers, and a loss that can be trained on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from disentangled_audio.models.independence import (
    centred_within,
    conditional_dependence,
    gaussian_kernel,
    share_within,
)

RNG = np.random.default_rng(0)
N = 240


def _one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(labels.max() + 1, dtype=np.float32)[labels]


def _dependence(code: np.ndarray, factor: np.ndarray, cells: np.ndarray) -> float:
    parts = (np.asarray(part, dtype=np.float32) for part in (code, factor, cells))
    return float(conditional_dependence(*map(ops.convert_to_tensor, parts)))


def test_a_copy_is_fully_dependent_and_noise_hardly():
    factor = RNG.normal(size=(N, 1))
    one_cell = np.ones((N, 1))
    assert _dependence(factor, factor, one_cell) == pytest.approx(1.0, abs=1e-4)
    assert _dependence(RNG.normal(size=(N, 4)), factor, one_cell) < 0.1


def test_dependence_explained_by_the_cells_does_not_count():
    # Code and factor follow the cell, and beside it have nothing in common.
    cell = RNG.integers(0, 4, N)
    code = cell[:, None] + 0.1 * RNG.normal(size=(N, 1))
    factor = cell[:, None] + 0.1 * RNG.normal(size=(N, 1))
    assert _dependence(code, factor, np.ones((N, 1))) > 0.9
    assert _dependence(code, factor, _one_hot(cell)) < 0.15


def test_dependence_within_cells_is_found_though_it_cancels_over_all():
    # In one cell the code rises with the factor, in the other it falls.
    cell = np.arange(N) % 2
    factor = RNG.normal(size=(N, 1))
    code = np.where(cell[:, None] == 0, factor, -factor)
    assert _dependence(code, factor, _one_hot(cell)) > 5 * _dependence(
        RNG.normal(size=(N, 1)), factor, _one_hot(cell)
    )


def test_a_dependence_that_is_not_linear_is_found():
    factor = RNG.normal(size=(N, 1))
    assert _dependence(np.abs(factor), factor, np.ones((N, 1))) > 0.2


def test_rows_in_no_cell_are_left_out():
    factor = RNG.normal(size=(N, 1))
    code = factor + 0.2 * RNG.normal(size=(N, 1))
    cells = np.ones((N, 1))
    cells[::2] = 0.0
    # Whatever the rows without a value say of each other, only the width of the kernel knows them.
    centred = centred_within(gaussian_kernel(ops.convert_to_tensor(code)), cells)
    assert np.abs(np.asarray(centred)[::2]).max() == 0.0
    assert _dependence(code, factor, cells) > 0.5


def test_without_any_known_row_there_is_no_dependence():
    code = RNG.normal(size=(N, 2))
    assert _dependence(code, np.zeros((N, 1)), np.zeros((N, 3))) == 0.0


@settings(deadline=None, max_examples=30)
@given(
    st.integers(2, 20),
    st.integers(1, 5),
    st.integers(1, 4),
    st.floats(1e-3, 1e3),
    st.integers(0, 2**31),
)
def test_dependence_lies_between_0_and_1_and_ignores_the_scale(
    n_rows, n_dims, n_cells, scale, seed
):
    rng = np.random.default_rng(seed)
    code = scale * rng.normal(size=(n_rows, n_dims))
    factor = rng.normal(size=(n_rows, 1))
    cells = _one_hot(np.append(rng.integers(0, n_cells, n_rows - 1), n_cells - 1))
    found = _dependence(code, factor, cells)
    assert -1e-3 <= found <= 1.0 + 1e-3
    assert found == pytest.approx(_dependence(3.0 * code, factor, cells), abs=5e-3)


def test_minimising_dependence_removes_the_factor_from_a_code():
    factor = RNG.normal(size=(N, 1)).astype(np.float32)
    own = RNG.normal(size=(N, 2)).astype(np.float32)
    code = keras.Variable(np.hstack([own, factor + 0.3 * own[:, :1]]))
    one_cell = ops.ones((N, 1))
    optimiser = keras.optimizers.Adam(0.05)
    before = float(conditional_dependence(code, factor, one_cell))
    for _ in range(60):
        with tf.GradientTape() as tape:
            loss = conditional_dependence(code.value, factor, one_cell)
        optimiser.apply(tape.gradient(loss, [code.value]), [code])
    after = float(conditional_dependence(code, factor, one_cell))
    assert before > 0.2
    assert after < before / 4


def test_a_constant_code_passes_finite_gradients():
    code = keras.Variable(np.zeros((8, 2), dtype=np.float32))
    with tf.GradientTape() as tape:
        loss = conditional_dependence(code.value, ops.ones((8, 1)), ops.ones((8, 1)))
    assert np.isfinite(tape.gradient(loss, code.value)).all()


def _share(code: np.ndarray, cells: np.ndarray) -> float:
    parts = (np.asarray(part, dtype=np.float32) for part in (code, cells))
    return float(share_within(*map(ops.convert_to_tensor, parts)))


def test_share_of_variance_within_cells_has_known_values():
    cells = _one_hot(np.array([0, 0, 1, 1]))
    assert _share(np.array([[1.0], [1.0], [5.0], [5.0]]), cells) == pytest.approx(0.0, abs=1e-6)
    assert _share(np.array([[1.0], [5.0], [1.0], [5.0]]), cells) == pytest.approx(1.0)
    # Cells lie 2 from the mean, rows 1 from their cell: 1 of 5 parts.
    assert _share(np.array([[1.0], [3.0], [5.0], [7.0]]), cells) == pytest.approx(0.2)


def test_rows_of_no_cell_and_the_scale_of_the_code_change_no_share():
    code = RNG.normal(size=(N, 3))
    cells = _one_hot(RNG.integers(0, 3, N))
    share = _share(code, cells)
    assert _share(10.0 * code + 3.0, cells) == pytest.approx(share, rel=1e-3)
    strange = np.vstack([code, 100.0 * np.ones((5, 3))])
    assert _share(strange, np.vstack([cells, np.zeros((5, 3))])) == pytest.approx(share, rel=1e-3)
