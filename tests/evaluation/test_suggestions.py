"""Choice of rows to label: doubtful, unlike the known ones, and unlike each other."""

import numpy as np
import pytest

from disentangled_audio.evaluation.suggestions import CANDIDATES, doubt, rows_to_label


def test_doubt_is_one_minus_the_margin_and_one_for_unlike_rows() -> None:
    probabilities = np.array([[0.7, 0.1, 0.2], [0.4, 0.2, 0.4], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    found = doubt(probabilities, np.array([False, False, False, True]))
    assert found == pytest.approx([0.5, 1.0, 0.0, 1.0])


def test_of_equally_distant_rows_the_doubtful_come_first() -> None:
    doubts = np.array([0.1, 0.9, 0.5, 0.7])
    found = rows_to_label(doubts, np.ones(4), [10 * np.eye(4)], 3)
    assert found.tolist() == [1, 3, 2]


def test_of_equally_doubtful_rows_the_furthest_comes_first_and_no_second_one_beside_it() -> None:
    # Two far rows lie together; one lies nearer to the known rows, which are around 0.
    places = np.array([[5.0], [5.1], [3.0], [0.1]])
    found = rows_to_label(np.full(4, 0.5), places[:, 0], [places], 2)
    assert found.tolist() == [1, 2]


def test_a_copy_of_a_chosen_row_comes_last() -> None:
    places = np.array([[2.0], [2.0], [1.0]])
    found = rows_to_label(np.array([0.9, 0.9, 0.2]), places[:, 0], [places], 3)
    assert found.tolist() == [0, 2, 1]


def test_the_space_with_the_largest_distance_counts() -> None:
    alike = np.zeros((3, 1))
    apart = np.array([[4.0], [-4.0], [3.5]])
    found = rows_to_label(np.ones(3), np.array([4.0, 3.0, 3.9]), [alike, apart], 2)
    assert found.tolist() == [0, 1]


def test_confident_rows_are_no_candidates_however_far() -> None:
    n_doubtful = CANDIDATES
    doubts = np.append(np.full(n_doubtful, 0.5), 0.01)
    distance = np.append(np.ones(n_doubtful), 1000.0)
    found = rows_to_label(doubts, distance, [distance[:, np.newaxis]], 1)
    assert found[0] < n_doubtful


@pytest.mark.parametrize(("n_all", "n_rows"), [(0, 3), (2, 5), (40, 7)])
def test_rows_are_chosen_once_and_no_more_than_there_are(n_all: int, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    found = rows_to_label(rng.random(n_all), rng.random(n_all), [rng.random((n_all, 2))], n_rows)
    assert len(set(found.tolist())) == len(found) == min(n_all, n_rows)
