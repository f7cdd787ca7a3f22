import numpy as np
import pytest
from sklearn.metrics import recall_score

from disentangled_audio.evaluation.scores.recall import balanced_accuracy, mean_recall


@pytest.mark.parametrize("n_classes", [2, 3, 40])
def test_balanced_accuracy_equals_macro_recall_of_scikit_learn(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    target = rng.integers(0, n_classes, 300)
    # Negative numbers are wrong, whatever the class; the last class may have no item.
    predicted = np.where(rng.random((4, 300)) < 0.5, target, rng.integers(-1, n_classes, (4, 300)))
    present = np.unique(target)
    expected = [recall_score(target, row, labels=present, average="macro") for row in predicted]
    assert balanced_accuracy(target, predicted).tolist() == expected
    assert balanced_accuracy(target, predicted[0]) == expected[0]


def test_classes_without_items_are_ignored() -> None:
    names = np.array(["a", "a", "b"], dtype=object)
    assert balanced_accuracy(names, ["a", "c", "b"]) == 0.75
    support, hits = np.array([[2, 0, 1], [1, 1, 2]]), np.array([[1, 0, 1], [1, 0, 1]])
    assert mean_recall(support, hits).tolist() == [0.75, 0.5]
