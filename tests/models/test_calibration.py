"""Temperatures against logits whose temperature is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.models.calibration import (
    doubt_after,
    fit_temperature,
    scaled_probabilities,
)


def _calibrated(n_rows: int = 6000, n_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn from exactly their probabilities."""
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1.5, (n_rows, n_classes))
    gumbel = rng.gumbel(size=logits.shape)
    return logits, (logits + gumbel).argmax(axis=1)


def _loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean over classes of the class's log loss."""
    row_loss = -np.log(probabilities[np.arange(len(truth)), truth])
    return float(np.mean([row_loss[truth == number].mean() for number in np.unique(truth)]))


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_temperature_undoes_a_scaling_of_calibrated_logits(scale: float) -> None:
    logits, truth = _calibrated()

    assert fit_temperature(scale * logits, truth, 20.0) == pytest.approx(scale, rel=0.05)


def test_a_constant_per_row_changes_nothing() -> None:
    logits, truth = _calibrated(500)
    shifted = logits + np.random.default_rng(1).normal(0, 5, (500, 1))

    assert fit_temperature(shifted, truth, 20.0) == pytest.approx(
        fit_temperature(logits, truth, 20.0), rel=1e-4
    )


@pytest.mark.parametrize("temperature", [0.5, 0.8, 1.25, 2.0])
def test_no_other_temperature_has_a_lower_loss(temperature: float) -> None:
    logits, truth = _calibrated(800)
    found = fit_temperature(logits, truth, 20.0)

    assert _loss(scaled_probabilities(logits, found), truth) < _loss(
        scaled_probabilities(logits, found * temperature), truth
    )


def test_each_class_weighs_alike() -> None:
    logits, truth = _calibrated(900)
    overconfident = np.where((truth == 0)[:, None], 5 * logits, logits)
    once = fit_temperature(overconfident, truth, 20.0)

    repeated = np.concatenate([np.arange(900), *[np.flatnonzero(truth == 0)] * 9])

    assert fit_temperature(overconfident[repeated], truth[repeated], 20.0) == pytest.approx(
        once, rel=0.01
    )


def test_the_limit_is_kept_at_either_end() -> None:
    always_right = np.eye(2)[[0, 1, 0, 1]]
    truth = np.array([0, 1, 0, 1])

    assert fit_temperature(always_right / 100, truth, 8.0) == pytest.approx(1 / 8, rel=1e-3)
    assert fit_temperature(-always_right, truth, 8.0) == pytest.approx(8.0, rel=1e-3)


@pytest.mark.parametrize("n_rows", [4, 12, 100, 1000])
@pytest.mark.parametrize("margin", [0.1, 5.0])
def test_confidence_after_right_answers_alone_is_limited_by_their_number(
    n_rows: int, margin: float
) -> None:
    truth = np.arange(n_rows) % 4
    logits = margin * np.eye(4)[truth]

    temperature = fit_temperature(logits, truth, 1000.0)

    confidence = scaled_probabilities(logits, temperature).max(axis=1)
    np.testing.assert_allclose(confidence, 1 - doubt_after(n_rows), rtol=1e-3)
    # A clearer recording gets no more than the others support.
    clearer = scaled_probabilities(100 * logits, temperature, doubt_after(n_rows))
    assert clearer.max() <= 1 - doubt_after(n_rows) + 1e-12


def test_doubt_is_the_mean_of_jeffreys_posterior() -> None:
    assert doubt_after(0) == 0.5
    assert doubt_after(4) == pytest.approx(0.1)


def test_a_class_without_a_held_out_row_does_no_harm() -> None:
    logits, truth = _calibrated()
    some = truth != 1

    found = fit_temperature(logits[some], truth[some], 20.0)

    assert 0.05 < found < 20.0


@given(
    st.lists(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), min_size=1, max_size=6),
    st.floats(0.05, 20.0),
    st.floats(0.0, 0.5),
)
def test_probabilities_sum_to_one_and_keep_the_order(
    rows: list[list[float]], temperature: float, doubt: float
) -> None:
    logits = np.array(rows)

    probabilities = scaled_probabilities(logits, temperature, doubt)

    assert (probabilities >= doubt / 2).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-9)
    chosen = probabilities[np.arange(len(rows)), logits.argmax(axis=1)]
    np.testing.assert_array_equal(chosen, probabilities.max(axis=1))


def test_a_high_temperature_flattens_and_a_low_one_sharpens() -> None:
    logits = np.array([[1.0, 0.0, -1.0]])
    flat, plain, sharp = (scaled_probabilities(logits, t)[0, 0] for t in (10.0, 1.0, 0.1))

    assert 1 / 3 < flat < plain < sharp < 1
    assert plain == pytest.approx(np.e / (np.e + 1 + 1 / np.e))
