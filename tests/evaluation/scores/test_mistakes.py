"""Which single items are looked at."""

import pandas as pd
import pytest

from disentangled_audio.evaluation.scores.mistakes import confident_mistakes, doubtful_hits

TABLE = pd.DataFrame(
    [
        ("a1", "test", "hybrid", "a", "b", 0.1, 0.9),
        ("a2", "test", "hybrid", "a", "b", 0.4, 0.6),
        ("b1", "test", "hybrid", "b", "b", 0.3, 0.7),
        ("b2", "test", "hybrid", "b", "b", 0.45, 0.55),
        ("b3", "test", "hybrid", "b", "a", 0.8, 0.2),
        ("c1", "train", "hybrid", "a", "b", 0.0, 1.0),
        ("c2", "test", "svm", "a", "b", 0.0, 1.0),
    ],
    columns=["recording_id", "role", "model", "target", "predicted", "p_a", "p_b"],
).assign(group="g", kind="rir")


def test_surest_mistakes_of_the_model_on_test_items_come_first() -> None:
    found = confident_mistakes(TABLE, "hybrid", 2)
    assert list(found["recording_id"]) == ["a1", "b3"]
    assert list(found["confidence"]) == pytest.approx([0.9, 0.8])


def test_least_sure_hits_come_first() -> None:
    found = doubtful_hits(TABLE, "hybrid", 5)
    assert list(found["recording_id"]) == ["b2", "b1"]


def test_a_model_without_mistakes_has_none() -> None:
    right = TABLE[TABLE["target"] == TABLE["predicted"]]
    assert confident_mistakes(right, "hybrid", 3).empty
