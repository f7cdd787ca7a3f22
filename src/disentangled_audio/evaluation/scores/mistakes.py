"""Single test items to look at: where a model was sure and wrong, or right and unsure."""

import pandas as pd

from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX, class_names

COLUMNS = ("recording_id", "group", "kind", "target", "predicted", "confidence")


def confident_mistakes(predictions: pd.DataFrame, model: str, most: int) -> pd.DataFrame:
    """Test items that a model named wrongly, those it was surest of first.

    Parameters
    ----------
    predictions : DataFrame
        The `predictions` schema.
    most : int
        Rows to return at most.

    Returns
    -------
    DataFrame
        ``recording_id, group, kind, target, predicted`` and ``confidence``, the probability of the
        predicted class (0 to 1).
    """
    rows = _with_confidence(predictions, model)
    wrong = rows[rows["target"] != rows["predicted"]]
    return _first(wrong.sort_values("confidence", ascending=False, kind="stable"), most)


def doubtful_hits(predictions: pd.DataFrame, model: str, most: int) -> pd.DataFrame:
    """Test items that a model named rightly, those it was least sure of first.

    Parameters and result are those of `confident_mistakes`.
    """
    rows = _with_confidence(predictions, model)
    right = rows[rows["target"] == rows["predicted"]]
    return _first(right.sort_values("confidence", kind="stable"), most)


def _with_confidence(predictions: pd.DataFrame, model: str) -> pd.DataFrame:
    rows = predictions[(predictions["model"] == model) & (predictions["role"] == "test")]
    labels = {"target": rows["target"].astype(str), "predicted": rows["predicted"].astype(str)}
    names = class_names(predictions)
    place = pd.Index(names).get_indexer(labels["predicted"])
    probabilities = rows[[f"{PROBABILITY_PREFIX}{name}" for name in names]].to_numpy(dtype=float)
    return rows.assign(**labels, confidence=probabilities[range(len(rows)), place])


def _first(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    return rows[list(COLUMNS)].head(most).reset_index(drop=True)
