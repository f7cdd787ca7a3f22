"""How unlike training a row is: right on rows of which that is known."""

import numpy as np
import pytest
from scipy.stats import kstest

from disentangled_audio.evaluation.representation.novelty import Novelty, Space, fit_space


def _rows(n_rows: int, seed: int, shift: float = 0.0, n_features: int = 4) -> np.ndarray:
    return shift + np.random.default_rng(seed).standard_normal((n_rows, n_features))


def _space(training: np.ndarray, validation: np.ndarray, seed: int = 0) -> Space:
    """Of rows that are a group each."""
    values = np.concatenate([training, validation])
    is_training = np.arange(len(values)) < len(training)
    return fit_space(values, is_training, ~is_training, np.arange(len(values)), seed)


def _in_distribution(space: Space, rows: np.ndarray) -> np.ndarray:
    return Novelty([space]).compare([rows])[1]


def test_rows_like_the_training_rows_have_uniform_p_values() -> None:
    values = _in_distribution(_space(_rows(400, 0), _rows(1000, 1)), _rows(1000, 2))
    # Uniform but for the 1,000 validation rows they are compared with.
    assert kstest(values, "uniform").statistic < 0.08
    assert (values <= 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_values_are_conformal_on_average_over_validation_rows() -> None:
    shares = []
    for seed in range(60):
        space = _space(_rows(60, 3 * seed), _rows(19, 3 * seed + 1))
        shares.append(_in_distribution(space, _rows(50, 3 * seed + 2)) <= 0.1)
    # 2 of 20 ranks: exactly a tenth.
    assert np.mean(shares) == pytest.approx(0.1, abs=0.025)


def _rooms(n_rooms: int, seed: int, rows_each: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Rows that lie close together in each room, and rooms far apart."""
    rng = np.random.default_rng(seed)
    room = np.repeat(np.arange(n_rooms), rows_each)
    return rng.standard_normal((n_rooms, 3))[room] + 0.05 * rng.standard_normal(
        (len(room), 3)
    ), room


def test_p_values_of_new_groups_are_calibrated() -> None:
    shares = []
    for seed in range(120):
        values, room = _rooms(41, seed)
        known = room < 40
        space = fit_space(values, known, known, room, seed=0)
        shares.append((_in_distribution(space, values[~known]) <= 0.05).mean())
    assert np.mean(shares) == pytest.approx(0.05, abs=0.04)


def test_without_groups_every_new_group_looks_novel() -> None:
    values, room = _rooms(41, 0)
    known = room < 40
    space = fit_space(values, known, known, np.arange(len(room)), seed=0)
    assert (_in_distribution(space, values[~known]) <= 0.05).all()


def test_known_rows_are_not_novel() -> None:
    values, room = _rooms(20, 1)
    known = np.ones(len(room), dtype=bool)
    space = fit_space(values, known, known, room, seed=0)
    assert (_in_distribution(space, values) > 0.05).all()


def test_one_group_alone_is_compared_with_itself() -> None:
    values = _rows(50, 0)
    known = np.ones(50, dtype=bool)
    space = fit_space(values, known, known, np.zeros(50), seed=0)
    assert np.isfinite(space.usual).all()
    assert len(space.usual) == 50


def test_shifted_rows_get_the_lowest_value() -> None:
    space = _space(_rows(200, 0), _rows(99, 1))
    strange = _rows(50, 2, shift=8.0)
    assert (Novelty([space]).compare([strange])[0] > 5).all()
    assert _in_distribution(space, strange) == pytest.approx(1 / 100)


def test_one_novel_space_is_enough_and_spaces_are_corrected_for() -> None:
    spaces = [
        _space(_rows(200, 0), _rows(99, 2)),
        _space(_rows(200, 1, n_features=2), _rows(99, 3, n_features=2)),
    ]
    strange = [_rows(20, 4), _rows(20, 5, shift=8.0, n_features=2)]
    assert Novelty(spaces).compare(strange)[1] == pytest.approx(2 / 100)
    usual = [np.zeros((1, 4)), np.zeros((1, 2))]
    assert Novelty(spaces).compare(usual)[1] == pytest.approx(1.0)


def test_distance_is_to_the_fifth_neighbour_in_units_of_what_is_usual() -> None:
    training = np.arange(11.0)[:, None]
    # Of 0 to 10 the fifth nearest is 4 away from either end, and 8 from 14 and from -4.
    space = _space(training, np.array([[0.0], [10.0]]))
    novelty = Novelty([space])
    assert novelty.compare([np.array([[0.0], [14.0], [-4.0]])])[0] == pytest.approx([1, 2, 2])
    assert space.usual == pytest.approx([4 / training.std()] * 2)
    asked = np.array([0.5, 1.0, 1.01]) * space.usual[0]
    assert space.p_value(asked) == pytest.approx([1, 1, 1 / 3])


def test_units_and_features_that_never_vary_do_not_matter() -> None:
    training, validation, new = _rows(100, 0), _rows(50, 1), _rows(20, 2, shift=1.0)
    plain = Novelty([_space(training, validation)]).compare([new])[0]

    def changed(rows: np.ndarray) -> np.ndarray:
        return np.hstack([1e6 * rows + 3, np.full((len(rows), 1), 7.0)])

    space = _space(changed(training), changed(validation))
    np.testing.assert_allclose(Novelty([space]).compare([changed(new)])[0], plain, rtol=1e-9)


def test_of_many_training_rows_a_seeded_part_is_kept() -> None:
    training, validation = _rows(6000, 0, n_features=2), _rows(20, 1, n_features=2)
    first, again, other = (_space(training, validation, seed=s) for s in (1, 1, 2))
    assert len(first.training) == 5000
    np.testing.assert_array_equal(first.training, again.training)
    assert not np.array_equal(first.training, other.training)


@pytest.mark.parametrize("n_known", [4, 20])
def test_with_few_known_rows_the_least_value_is_told_and_what_lies_far_off_is_seen(
    n_known: int,
) -> None:
    spaces = [_space(_rows(12, seed), _rows(n_known, seed + 1)) for seed in (0, 2)]
    novelty = Novelty(spaces)
    assert novelty.least == pytest.approx(2 / (1 + n_known))
    usual = novelty.compare([_rows(50, 4), _rows(50, 5)])
    strange = novelty.compare([_rows(50, 6), _rows(50, 7, shift=20.0)])
    assert strange.in_distribution == pytest.approx(novelty.least)
    assert strange.is_far.all()
    assert usual.is_far.mean() < 0.05
    # A value that even the furthest known row can have warns of nothing.
    assert novelty.least > 0.05


def test_the_least_value_is_at_most_one() -> None:
    assert Novelty([_space(_rows(9, 0), _rows(1, 1))] * 3).least == 1.0
