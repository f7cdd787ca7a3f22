"""The summary has the schema that everything downstream reads."""

import json

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.scores.summary import (
    classification_report_table,
    confusion_table,
    summarise,
)

MODELS = ["svm", "code_svm", "cnn", "hybrid"]
N_ROWS = {"train": 12, "validation": 4, "test": 8}


def long_table(models, predicted_by_model=None):
    """Targets alternate a, b; test rows lie in four groups; float32, as models give them."""
    roles = np.repeat(list(N_ROWS), list(N_ROWS.values()))
    target = np.where(np.arange(len(roles)) % 2 == 0, "a", "b")
    tables = []
    for model in models:
        predicted = (predicted_by_model or {}).get(model, target)
        tables.append(
            pd.DataFrame(
                {
                    "recording_id": [f"r{index}" for index in range(len(roles))],
                    "group": [f"g{index // 2}" for index in range(len(roles))],
                    "kind": np.where(np.arange(len(roles)) % 4 < 3, "rir", "noise"),
                    "fold": "f",
                    "role": roles,
                    "model": model,
                    "target": target,
                    "predicted": predicted,
                    "p_b": (predicted == "b").astype(np.float32),
                    "p_a": (predicted == "a").astype(np.float32),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def summary(predictions, controls=None, **options):
    controls = long_table(["majority", "duration", "byte_size"]) if controls is None else controls
    named = {"corpus": "twin", "simulated": True, "protocol": "rooms", "target": "database"}
    return summarise(predictions, controls, **named, n_resamples=200, **options)


def test_schema():
    metrics = summary(long_table(MODELS), seconds={"train": np.float32(1.5)})
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert [metrics[f"n_{role}"] for role in N_ROWS] == [12, 4, 8]
    assert metrics["n_test_groups"] == 4
    assert metrics["resampled"] == "group"
    assert metrics["seconds"] == {"train": 1.5}
    assert list(metrics["models"]) == MODELS
    assert list(metrics["controls"]) == ["majority", "duration", "byte_size"]
    expected = "accuracy balanced_accuracy macro_f1 accuracy_ci95 balanced_accuracy_ci95 log_loss"
    assert {*expected.split(), "ece", "per_class", "per_kind"} <= set(metrics["models"]["cnn"])
    assert {"accuracy", "balanced_accuracy"} <= set(metrics["controls"]["majority"])


def test_only_test_rows_are_scored():
    # Wrong everywhere but in the test rows.
    predictions = long_table(["svm"])
    elsewhere = predictions["role"] != "test"
    predictions.loc[elsewhere, "predicted"] = "a"
    metrics = summary(predictions)
    assert metrics["models"]["svm"]["accuracy"] == 1.0
    assert metrics["models"]["svm"]["balanced_accuracy_ci95"] == [1.0, 1.0]
    assert confusion_table(predictions)["count"].sum() == N_ROWS["test"]


def test_scores_by_kind():
    n_rows = sum(N_ROWS.values())
    constant = {"svm": np.full(n_rows, "a")}
    by_kind = summary(long_table(["svm"], constant))["models"]["svm"]["per_kind"]
    # Every fourth row is noise and a b; of the others two thirds are a.
    assert by_kind["noise"] == {"accuracy": 0.0, "balanced_accuracy": 0.0, "n": 2}
    assert by_kind["rir"] == {"accuracy": 2 / 3, "balanced_accuracy": 0.5, "n": 6}


def test_same_seed_same_numbers():
    predicted = {"svm": np.random.default_rng(0).choice(["a", "b"], sum(N_ROWS.values()))}
    table = long_table(["svm"], predicted)
    assert summary(table, seed=1) == summary(table, seed=1)


def test_class_order_follows_the_table():
    table = long_table(["svm", "cnn"])
    report = classification_report_table(table)
    assert list(report) == ["model", "class", "precision", "recall", "f1", "support"]
    assert report["class"].tolist() == ["b", "a", "b", "a"]
    assert report["support"].tolist() == [4, 4, 4, 4]


def test_confusion_has_every_pair():
    predicted = {"svm": np.full(sum(N_ROWS.values()), "a")}
    confusion = confusion_table(long_table(["svm"], predicted))
    assert list(confusion) == ["model", "target", "predicted", "count"]
    assert confusion.to_numpy().tolist() == [
        ["svm", "b", "b", 0],
        ["svm", "b", "a", 4],
        ["svm", "a", "b", 0],
        ["svm", "a", "a", 4],
    ]


def test_undefined_precision_is_missing_in_the_table():
    predicted = {"svm": np.full(sum(N_ROWS.values()), "a")}
    report = classification_report_table(long_table(["svm"], predicted)).set_index("class")
    assert np.isnan(report.loc["b", "precision"])
    assert report.loc["a", "precision"] == 0.5


def test_tables_without_test_rows_or_probabilities_are_errors():
    table = long_table(["svm"])
    with pytest.raises(ValueError, match="no test rows"):
        summary(table[table["role"] != "test"])
    with pytest.raises(ValueError, match="p_<class>"):
        summary(table.drop(columns=["p_a", "p_b"]))
