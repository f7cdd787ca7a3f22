"""Labels are dealt out anew in units that belong together, and p says how often that fits."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.scores.permutation import permutation_test

CLASSES = ["a", "b"]


def items_of(groups, targets, fold="0", n_each=5):
    return pd.DataFrame(
        {"fold": fold, "group": np.repeat(groups, n_each), "target": np.repeat(targets, n_each)}
    )


def p_of(predicted, items, classes=CLASSES, n_permutations=999, seed=0):
    numbers = pd.Index(classes).get_indexer(predicted)[np.newaxis]
    rng = np.random.default_rng(seed)
    p, smallest = permutation_test(numbers, items, classes, rng=rng, n_permutations=n_permutations)
    return p[0], smallest


def test_p_is_the_share_of_arrangements_that_fit_as_well():
    targets = np.array(list("aaabbb"))
    guesses = np.array(list("aababb"))
    items = items_of(list("uvwxyz"), targets)
    p, smallest = p_of(np.repeat(guesses, 5), items, n_permutations=4000)
    fits = [(np.array(dealt) == guesses).sum() for dealt in set(permutations(targets))]
    assert smallest == pytest.approx(1 / 20)
    assert p == pytest.approx(np.mean(np.array(fits) >= 4), abs=0.03)


def test_items_of_a_group_count_once():
    """A hundred items of four groups allow no more arrangements than four items."""
    items = items_of(list("wxyz"), list("aabb"), n_each=100)
    p, smallest = p_of(items["target"], items)
    assert smallest == pytest.approx(1 / 6)
    assert p >= 1 / 6


def test_many_groups_can_be_significant():
    names = [f"g{k}" for k in range(20)]
    items = items_of(names, list("ab" * 10))
    assert p_of(items["target"], items) == (pytest.approx(0.001), pytest.approx(0.001))


def test_groups_with_all_classes_exchange_labels_within_themselves():
    """What tells groups apart, and not classes, is nothing."""
    items = items_of(np.repeat(list("uvwxyz"), 2), list("ab" * 6))
    right, _ = p_of(items["target"], items)
    assert right == pytest.approx(1 / 64, abs=0.01)
    by_group, _ = p_of(np.where(items["group"] < "x", "a", "b"), items)
    assert by_group == 1


def test_labels_stay_in_their_fold():
    """A guess by fold is as good as chance where each fold has its own class shares."""
    first = items_of(list("klmn"), list("aaab"), fold="0")
    second = items_of(list("opqr"), list("bbba"), fold="1")
    items = pd.concat([first, second], ignore_index=True)
    p, smallest = p_of(np.where(items["fold"] == "0", "a", "b"), items)
    assert p == 1
    assert smallest == pytest.approx(1 / 16)


def test_folds_of_one_group_exchange_labels_among_each_other():
    names = [f"g{k}" for k in range(12)]
    items = items_of(names, list("ab" * 6), fold=np.repeat(names, 5))
    p, smallest = p_of(items["target"], items)
    assert p == pytest.approx(1 / 924, abs=0.001)
    assert smallest < 0.002


def test_worse_than_chance_is_not_significant():
    items = items_of([f"g{k}" for k in range(20)], list("ab" * 10))
    p, _ = p_of(np.where(items["target"] == "a", "b", "a"), items)
    assert p == 1


def test_random_guesses_are_significant_as_often_as_p_says():
    rng = np.random.default_rng(5)
    below = 0
    for seed in range(120):
        items = items_of([f"g{k}" for k in range(16)], rng.permutation(list("ab" * 8)))
        guesses = np.repeat(rng.choice(CLASSES, 16), 5)
        below += p_of(guesses, items, n_permutations=99, seed=seed)[0] <= 0.1
    assert 3 <= below <= 22


def test_labels_that_are_no_class_are_an_error():
    with pytest.raises(ValueError, match="c"):
        p_of(["a"] * 10, items_of(["x", "y"], ["a", "c"]))
