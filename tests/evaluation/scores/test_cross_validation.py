"""Scores over folds, against a table that is counted by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.scores.cross_validation import summarise_folds

# Fold x tests six items, fold y four; class c cannot be trained on in y, nor is it tested there.
TARGETS = {"x": "aabbcc", "y": "aaab"}
PREDICTED = {
    # Recalls in x: a 1/2, b 1, c 1/2; in y: a 2/3, b 1.
    "svm": {"x": "abbbca", "y": "aabb"},
    # It could not be fitted in y.
    "cnn": {"x": "bbaaaa"},
    # x: 1, 1, 1/2; y: 1/3, 1.
    "hybrid": {"x": "aabbca", "y": "abbb"},
}
CONTROLS = {"duration": {"x": "aaaaaa", "y": "aaaa"}, "byte_size": {"x": "bbbbbb", "y": "aaab"}}
NAMED = {"corpus": "twin", "simulated": True, "protocol": "rooms", "target": "database"}


def rows_of(model, fold, predicted, role="test"):
    targets = list(TARGETS[fold])
    table = pd.DataFrame(
        {
            "recording_id": [f"{fold}{number}" for number in range(len(targets))],
            "group": [f"{fold}-{number % 2}" for number in range(len(targets))],
            "kind": "rir",
            "fold": fold,
            "role": role,
            "model": model,
            "target": targets,
            "predicted": list(predicted),
        }
    )
    for name in "ab" if fold == "y" else "abc":
        table[f"p_{name}"] = (table["predicted"] == name).astype(np.float32)
    return table


def fold_rows(model, fold, predicted):
    """Test rows, and the other fold's items to train (three right ones) and to validate on."""
    other = rows_of(model, {"x": "y", "y": "x"}[fold], TARGETS[{"x": "y", "y": "x"}[fold]], "train")
    other.loc[3:, "role"] = "validation"
    other = other.assign(fold=fold)
    return pd.concat([other.drop(columns="p_c", errors="ignore"), rows_of(model, fold, predicted)])


def predictions():
    return pd.concat(
        [
            fold_rows(model, fold, predicted)
            for fold in ("y", "x")
            for model, of_folds in PREDICTED.items()
            if (predicted := of_folds.get(fold))
        ],
        ignore_index=True,
    )


def controls():
    tables = [
        rows_of(name, fold, text) for name, of in CONTROLS.items() for fold, text in of.items()
    ]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def metrics():
    return summarise_folds(predictions(), controls(), n_resamples=200, seconds={"x": 3}, **NAMED)


def test_it_is_plain_json_with_the_schema_of_metrics(metrics):
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert {key: metrics[key] for key in NAMED} == NAMED
    assert metrics["seconds"] == {"x": 3.0}
    # The first fold lacks the CNN.
    assert list(metrics["models"]) == ["svm", "hybrid", "cnn"]
    assert list(metrics["folds"]) == ["y", "x"]


def test_classes_are_in_order_whatever_that_of_the_columns():
    swapped = predictions()[[*predictions().columns[::-1]]]

    assert summarise_folds(swapped, controls(), n_resamples=100, **NAMED)["classes"] == [*"abc"]


def test_items_are_counted_in_each_fold(metrics):
    counts = {
        name: [fold[f"n_{role}"] for role in ("train", "validation", "test")]
        for name, fold in metrics["folds"].items()
    }
    assert counts == {"x": [3, 1, 6], "y": [3, 3, 4]}
    assert [metrics[f"n_{role}"] for role in ("train", "validation", "test")] == [6, 4, 10]
    assert metrics["n_test_groups"] == 4
    assert metrics["folds"]["x"]["groups"] == ["x-0", "x-1"]
    assert metrics["folds"]["x"]["absent_classes"] == []
    assert metrics["folds"]["y"]["absent_classes"] == ["c"]


def test_scores_of_each_fold(metrics):
    x, y = metrics["folds"]["x"], metrics["folds"]["y"]
    assert x["models"]["svm"] == pytest.approx({"accuracy": 4 / 6, "balanced_accuracy": 2 / 3})
    assert y["models"]["svm"] == pytest.approx({"accuracy": 3 / 4, "balanced_accuracy": 5 / 6})
    assert x["models"]["hybrid"]["balanced_accuracy"] == pytest.approx(5 / 6)
    assert y["models"]["hybrid"]["balanced_accuracy"] == pytest.approx(2 / 3)
    assert x["models"]["cnn"]["balanced_accuracy"] == 0
    assert "cnn" not in y["models"]
    assert x["controls"]["byte_size"] == pytest.approx(
        {"accuracy": 2 / 6, "balanced_accuracy": 1 / 3}
    )
    assert y["controls"]["byte_size"]["balanced_accuracy"] == 1


def test_the_gap_is_to_the_best_other_model_of_the_fold(metrics):
    assert metrics["folds"]["x"]["hybrid_gap"] == pytest.approx(1 / 6)
    assert metrics["folds"]["y"]["hybrid_gap"] == pytest.approx(-1 / 6)


def test_scores_over_folds_are_means_of_folds(metrics):
    svm, hybrid, cnn = metrics["models"].values()
    assert svm["mean_balanced_accuracy"] == pytest.approx(3 / 4)
    assert svm["mean_accuracy"] == pytest.approx((4 / 6 + 3 / 4) / 2)
    assert svm["sd_balanced_accuracy"] == pytest.approx(1 / 6 / np.sqrt(2))
    assert svm["worst_fold"] == {"fold": "x", "balanced_accuracy": pytest.approx(2 / 3)}
    assert hybrid["worst_fold"] == {"fold": "y", "balanced_accuracy": pytest.approx(2 / 3)}
    assert svm["n_folds"] == 2
    # One fold has no spread.
    assert (cnn["n_folds"], cnn["sd_balanced_accuracy"]) == (1, None)
    assert metrics["controls"]["byte_size"]["mean_balanced_accuracy"] == pytest.approx(2 / 3)


def test_scores_of_the_pool_are_those_of_all_test_rows(metrics):
    svm = metrics["models"]["svm"]
    assert svm["accuracy"] == pytest.approx(7 / 10)
    # a 3 of 5, b 3 of 3, c 1 of 2.
    assert svm["balanced_accuracy"] == pytest.approx((3 / 5 + 1 + 1 / 2) / 3)
    assert svm["per_class"]["c"]["support"] == 2
    low, high = svm["balanced_accuracy_ci95"]
    assert low <= svm["balanced_accuracy"] <= high
    # The missing probability of class c in fold y is zero: both scores exist.
    assert svm["log_loss"] > 0
    assert svm["ece"] == pytest.approx(3 / 10)


def test_pretrained_weights_do_not_count_as_the_best_other_model(metrics):
    elsewhere = [
        fold_rows(model, fold, TARGETS[fold]).assign(weight_pretrained=weight)
        for fold in "yx"
        for model, weight in {"embedding_svm": 1.0, "hybrid_pretrained": np.nan}.items()
    ]
    own = predictions().assign(weight=0.5, weight_pretrained=0.0)
    found = summarise_folds(
        pd.concat([own, *elsewhere]), controls(), n_resamples=200, seconds={"x": 3}, **NAMED
    )
    for fold in "xy":
        gap = found["folds"][fold]["hybrid_gap"]
        assert gap == metrics["folds"][fold]["hybrid_gap"] <= 0.5
        assert found["folds"][fold]["models"]["hybrid_pretrained"]["balanced_accuracy"] == 1.0
    pairs = [(c["a"], c["b"]) for c in found["comparisons"]]
    assert ("hybrid_pretrained", "hybrid") in pairs
    assert ("hybrid_pretrained", "embedding_svm") in pairs


def test_controls_come_best_first(metrics):
    assert list(metrics["controls"]) == ["byte_size", "duration"]
    assert metrics["best_controls"] == {"shortcut": "byte_size"}


def test_the_hybrid_is_compared_with_the_others_and_all_with_the_best_control(metrics):
    pairs = [(c["a"], c["b"]) for c in metrics["comparisons"]]
    best = "control: byte_size"
    assert pairs == [
        ("hybrid", "svm"),
        ("hybrid", "cnn"),
        ("svm", best),
        ("hybrid", best),
        ("cnn", best),
    ]
    by_pair = {(c["a"], c["b"]): c for c in metrics["comparisons"]}
    to_svm, to_cnn = by_pair["hybrid", "svm"], by_pair["hybrid", "cnn"]
    # Hybrid alone is right on one item of x, the SVM alone on one of y.
    assert to_svm["mcnemar"] == {"only_a": 1, "only_b": 1, "p": 1.0}
    assert to_svm["difference"] == pytest.approx(0, abs=1e-9)
    assert (to_svm["n_items"], to_svm["n_left_out"]) == (10, 0)
    assert (to_cnn["n_items"], to_cnn["n_left_out"]) == (6, 4)
    assert to_cnn["difference"] == pytest.approx(5 / 6)
    # byte_size: a 3 of 5, b 3 of 3, c none.
    assert by_pair["svm", best]["difference"] == pytest.approx(0.5 / 3)


def test_only_test_rows_are_scored(metrics):
    changed = predictions()
    changed.loc[changed["role"] != "test", "predicted"] = "b"

    again = summarise_folds(changed, controls(), n_resamples=200, seconds={"x": 3}, **NAMED)

    assert again == metrics


def test_a_model_without_probabilities_has_labels_to_score():
    unknown = predictions()
    unknown.loc[unknown["model"] == "svm", ["p_a", "p_b", "p_c"]] = np.nan

    svm = summarise_folds(unknown, controls(), n_resamples=100, **NAMED)["models"]["svm"]

    assert (svm["log_loss"], svm["accuracy"]) == (None, 0.7)


def test_one_fold_with_a_number_for_its_name_and_one_model():
    one = predictions().query("fold == 'x' and model == 'svm'").assign(fold=0)
    numbered = controls()
    numbered["fold"] = numbered["fold"].map({"x": "0", "y": "1"})

    metrics = summarise_folds(one, numbered, n_resamples=100, **NAMED)

    assert list(metrics["folds"]) == ["0"]
    assert metrics["folds"]["0"]["hybrid_gap"] is None
    # Controls of folds that were not run do not count.
    assert metrics["controls"]["byte_size"]["n_folds"] == 1
    assert metrics["controls"]["byte_size"]["balanced_accuracy"] == pytest.approx(1 / 3)
    assert [(c["a"], c["b"]) for c in metrics["comparisons"]] == [("svm", "control: duration")]
    assert metrics["models"]["svm"]["mean_balanced_accuracy"] == pytest.approx(2 / 3)


def test_a_fold_without_test_rows_is_named():
    without = predictions().query("fold == 'x' or role != 'test'")

    with pytest.raises(ValueError, match="Fold y has no test rows"):
        summarise_folds(without, controls(), n_resamples=100, **NAMED)


def test_the_spread_over_seeds_is_that_of_their_means_over_folds():
    models = predictions()
    again = models.assign(fold=models["fold"] + ", seed 8")
    # With seed 8, the hybrid recognises everything.
    again["predicted"] = again["predicted"].mask(again["model"] == "hybrid", again["target"])
    table = pd.concat([models, again], ignore_index=True)
    seeds = {"x": 7, "y": 7, "x, seed 8": 8, "y, seed 8": 8}

    metrics = summarise_folds(table, controls_of(table), **NAMED, seeds=seeds)

    hybrid = metrics["models"]["hybrid"]
    with_seed_7 = np.mean([5 / 6, 2 / 3])
    assert metrics["seeds"] == [7, 8]
    assert hybrid["mean_balanced_accuracy"] == pytest.approx((with_seed_7 + 1) / 2)
    assert hybrid["sd_over_seeds"] == pytest.approx((1 - with_seed_7) / np.sqrt(2))
    assert metrics["models"]["svm"]["sd_over_seeds"] == pytest.approx(0)
    assert hybrid["worst_fold"]["fold"] == "y"
    assert metrics["n_test_groups"] == 4


def controls_of(table):
    return pd.concat(
        [
            rows_of("majority", fold[0], "a" * len(TARGETS[fold[0]])).assign(fold=fold)
            for fold in table["fold"].unique()
        ],
        ignore_index=True,
    )
