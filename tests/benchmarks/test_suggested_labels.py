"""Benchmark of suggested labels: who is labelled, and what the interval says."""

import sys

import numpy as np
import pytest

from disentangled_audio.models.svm import Rows
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

from suggest import N_FIRST, N_SPEAKERS, N_TEST, TASKS, row


@pytest.mark.parametrize("task", TASKS)
def test_parts_are_disjoint_and_each_digit_has_as_many_first_labels(task: str) -> None:
    numbers = np.arange(3000)
    digit, speaker = (numbers % 10).astype(object), (numbers // 10 % 6).astype(object)
    start = TASKS[task][1](Rows(numbers[:, np.newaxis], digit, speaker), np.random.default_rng(0))
    parts = (start.labelled, start.pool, start.test)
    assert len(set(np.concatenate(parts))) == sum(map(len, parts)) == 3000
    assert len(start.test) == N_TEST
    assert np.bincount(digit[start.labelled].astype(int)).tolist() == [N_FIRST] * 10
    n_known = len(set(speaker[start.labelled]))
    expected = {"same_speakers": 6, "few_speakers_labelled": N_SPEAKERS, "other_speakers": 4}
    assert n_known == expected[task]
    assert (task == "other_speakers") == set(speaker[start.test]).isdisjoint(speaker[start.pool])


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    random = np.array([0.1, 0.5, 0.9])
    found = row("300", random + [0.01, 0.02, 0.03], random)
    # Mean 0.02, standard error 0.01 / sqrt(3), and 4.303 of them with two degrees of freedom.
    assert (found["lead"], found["low"], found["high"]) == (0.02, -0.005, 0.045)
