"""How unlike training a row is: right on rows of which that is known."""

import numpy as np
import pytest
from scipy.stats import kstest

from disentangled_audio.evaluation.novelty import fit_novelty


def _rows(n_rows: int, seed: int, shift: float = 0.0, n_features: int = 4) -> np.ndarray:
    return shift + np.random.default_rng(seed).standard_normal((n_rows, n_features))


def test_rows_as_those_of_training_have_uniform_values() -> None:
    novelty = fit_novelty([_rows(400, 0)], [_rows(1000, 1)], seed=0)
    values = novelty.in_distribution(novelty.distance([_rows(1000, 2)]))
    # Uniform but for the 1,000 validation rows they are compared with.
    assert kstest(values, "uniform").statistic < 0.08
    assert (values <= 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_values_are_conformal_on_average_over_validation_rows() -> None:
    shares = []
    for seed in range(60):
        novelty = fit_novelty([_rows(60, 3 * seed)], [_rows(19, 3 * seed + 1)], seed=0)
        shares.append(novelty.in_distribution(novelty.distance([_rows(50, 3 * seed + 2)])) <= 0.1)
    # 2 of 20 ranks: exactly a tenth.
    assert np.mean(shares) == pytest.approx(0.1, abs=0.025)


def test_shifted_rows_get_the_lowest_value() -> None:
    novelty = fit_novelty([_rows(200, 0)], [_rows(99, 1)], seed=0)
    distance = novelty.distance([_rows(50, 2, shift=8.0)])
    assert (distance > 5).all()
    assert novelty.in_distribution(distance) == pytest.approx(1 / 100)


def test_one_strange_space_is_enough() -> None:
    spaces = [_rows(200, 0), _rows(200, 1, n_features=2)]
    novelty = fit_novelty(spaces, [_rows(99, 2), _rows(99, 3, n_features=2)], seed=0)
    strange = novelty.distance([_rows(20, 4), _rows(20, 5, shift=8.0, n_features=2)])
    assert novelty.in_distribution(strange) == pytest.approx(1 / 100)


def test_distance_is_to_the_fifth_neighbour_in_units_of_a_typical_validation_row() -> None:
    training = np.arange(11.0)[:, None]
    # Of 0 to 10 the fifth nearest is 4 away from either end, and 8 from 14 and from -4.
    novelty = fit_novelty([training], [np.array([[0.0], [10.0]])], seed=0)
    assert novelty.distance([np.array([[0.0], [14.0], [-4.0]])]) == pytest.approx([1, 2, 2])
    assert novelty.validation == pytest.approx([1, 1])
    assert novelty.in_distribution(np.array([0.5, 1.0, 1.01])) == pytest.approx([1, 1, 1 / 3])


def test_units_and_features_that_never_vary_do_not_matter() -> None:
    training, validation, new = _rows(100, 0), _rows(50, 1), _rows(20, 2, shift=1.0)
    plain = fit_novelty([training], [validation], seed=0).distance([new])

    def changed(rows: np.ndarray) -> np.ndarray:
        return np.hstack([1e6 * rows + 3, np.full((len(rows), 1), len(rows))])

    novelty = fit_novelty([changed(training)], [changed(validation)], seed=0)
    np.testing.assert_allclose(novelty.distance([changed(new)]), plain, rtol=1e-9)


def test_of_many_training_rows_a_seeded_part_is_kept() -> None:
    training, validation = [_rows(6000, 0, n_features=2)], [_rows(20, 1, n_features=2)]
    first, again, other = (fit_novelty(training, validation, seed=s) for s in (1, 1, 2))
    assert len(first.training[0]) == 5000
    np.testing.assert_array_equal(first.training[0], again.training[0])
    assert not np.array_equal(first.training[0], other.training[0])
