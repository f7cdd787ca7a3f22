"""Test items worth a closer look: confident mistakes and doubtful hits."""

import pandas as pd

from disentangled_audio.evaluation.scores.confidence import confidence_of
from disentangled_audio.evaluation.scores.summary import class_names

COLUMNS = ("recording_id", "group", "kind", "target", "predicted", "confidence")


def confident_mistakes(predictions: pd.DataFrame, model: str, most: int) -> pd.DataFrame:
    """Test items that a model got wrong, the most confident first; at most `most` rows."""
    rows = _with_confidence(predictions, model)
    wrong = rows[rows["target"] != rows["predicted"]]
    return _first(wrong.sort_values("confidence", ascending=False, kind="stable"), most)


def doubtful_hits(predictions: pd.DataFrame, model: str, most: int) -> pd.DataFrame:
    """Test items that a model got right, the least confident first; at most `most` rows."""
    rows = _with_confidence(predictions, model)
    right = rows[rows["target"] == rows["predicted"]]
    return _first(right.sort_values("confidence", kind="stable"), most)


def _with_confidence(predictions: pd.DataFrame, model: str) -> pd.DataFrame:
    rows = predictions[(predictions["model"] == model) & (predictions["role"] == "test")]
    rows = rows.assign(confidence=confidence_of(rows, class_names(predictions)))
    return rows.astype({"target": str, "predicted": str})


def _first(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    return rows[list(COLUMNS)].head(most).reset_index(drop=True)
