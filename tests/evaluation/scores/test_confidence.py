"""Calibration undone, reliability, risk against coverage, and rejection."""

import json
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from disentangled_audio.evaluation.scores.classification import expected_calibration_error
from disentangled_audio.evaluation.scores.rejection import (
    MAX_CURVE_ROWS,
    aurc,
    choose_threshold,
    reject_thresholds,
    rejection,
    risk_coverage_table,
    upper_error_bound,
)
from disentangled_audio.evaluation.scores.reliability import (
    ece_by_stage,
    reliability_table,
    uncalibrated,
)


def table(
    probabilities,
    target="a",
    *,
    model="svm",
    fold="f",
    role="test",
    temperature=1.0,
    weight=np.nan,
    classes="abc",
):
    """Rows of one model; what is not named is the same in all of them."""
    values = np.asarray(probabilities, dtype=float)
    names = np.array(list(classes[: values.shape[1]]), dtype=object)
    rows = pd.DataFrame(
        {
            "recording_id": [f"r{index}" for index in range(len(values))],
            "group": "g",
            "kind": "rir",
            "fold": fold,
            "role": role,
            "model": model,
            "target": list(target) if len(target) > 1 else target,
            "predicted": names[np.nan_to_num(values).argmax(axis=1)],
            "temperature": temperature,
            "weight": weight,
        }
    )
    return rows.assign(**{f"p_{name}": values[:, i] for i, name in enumerate(names)})


def graded(confidences, correct, **options):
    """Two classes; each row is predicted to be a, with the given confidence."""
    sure = np.asarray(confidences, dtype=float)
    target = ["a" if hit else "b" for hit in correct]
    rows = table(np.column_stack([sure, 1 - sure]), **options)
    return rows.assign(target=target, predicted="a")


def probabilities_of(rows):
    return rows.filter(regex="^p_").to_numpy(dtype=float)


def test_a_temperature_is_undone():
    logits = np.array([[2.0, 0.0, -1.0], [0.5, 0.4, 3.0]])
    before = uncalibrated(table(softmax(logits / 2.5, axis=1), temperature=2.5))
    assert probabilities_of(before) == pytest.approx(softmax(logits, axis=1))
    assert before["predicted"].tolist() == ["a", "c"]
    assert before["temperature"].tolist() == [1.0, 1.0]


@given(arrays(float, (4, 3), elements=st.floats(-6, 6)), st.floats(0.3, 10))
def test_uncalibrating_restores_the_logits_and_is_idempotent(logits, temperature):
    once = uncalibrated(table(softmax(logits / temperature, axis=1), temperature=temperature))
    assert probabilities_of(once) == pytest.approx(softmax(logits, axis=1), abs=1e-9)
    pd.testing.assert_frame_equal(uncalibrated(once), once)


@pytest.mark.filterwarnings("error")
def test_missing_and_zero_probabilities_stay():
    before = uncalibrated(table([[0.8, 0.2, np.nan], [1.0, 0.0, np.nan]], temperature=2.0))
    # 0.8² : 0.2² = 16 : 1.
    expected = [[16 / 17, 1 / 17, np.nan], [1.0, 0.0, np.nan]]
    assert probabilities_of(before) == pytest.approx(np.array(expected), nan_ok=True)


# Geometric mean of odds, weights 1/4 and 3/4.
POOLED = 1 / (1 + 1 / (16**0.25 * (2 / 3) ** 0.75))


def members_and_hybrid(weights=(0.25, 0.75), temperatures=(2.0, 1.0), fold="f"):
    calibrated = np.array([[0.8, 0.2]]), np.array([[0.4, 0.6]])
    fused = 0.25 * calibrated[0] + 0.75 * calibrated[1]
    options = {"target": "b", "fold": fold}
    rows = [
        table(p, model=name, temperature=t, weight=w, **options)
        for name, p, t, w in zip(("svm", "cnn"), calibrated, temperatures, weights, strict=True)
    ]
    rows.append(table(fused, model="hybrid", temperature=np.nan, **options))
    return pd.concat(rows, ignore_index=True)


def test_the_hybrid_before_calibration_is_the_mean_of_its_members_before():
    # The odds of a against b before: 16 to 1 and 2 to 3.
    before = uncalibrated(members_and_hybrid()).query("model == 'hybrid'")
    assert before["p_a"].item() == pytest.approx(POOLED)
    assert before["predicted"].item() == "a"
    assert np.isnan(before["temperature"].item())


def test_each_hybrid_has_its_own_members_and_weights():
    rows = members_and_hybrid(weights=(1.0, np.nan)).assign(weight_pretrained=[0.25, 0.75, np.nan])
    second = rows[rows["model"] == "hybrid"].assign(model="hybrid_pretrained")
    before = uncalibrated(pd.concat([rows, second])).set_index("model")["p_a"]
    assert before["hybrid"] == pytest.approx(before["svm"])
    assert before["hybrid_pretrained"] == pytest.approx(POOLED)


def test_each_fold_has_its_own_weights_whatever_the_order_of_rows():
    other = members_and_hybrid(weights=(1.0, 0.0), fold="other")
    both = pd.concat([members_and_hybrid(), other]).sample(frac=1, random_state=3)
    before = uncalibrated(both).query("model == 'hybrid'").set_index("fold")["p_a"]
    assert before["f"] == pytest.approx(POOLED)
    assert before["other"] == pytest.approx(16 / 17)
    assert uncalibrated(both).index.equals(both.index)


def test_unknown_uncalibrated_probabilities_are_missing():
    unknown = uncalibrated(members_and_hybrid(temperatures=(np.nan, 1.0)))
    assert unknown.groupby("model")["p_a"].count().to_dict() == {"cnn": 1, "hybrid": 0, "svm": 0}
    assert unknown["predicted"].notna().all()
    # A member without weight has no say.
    idle = uncalibrated(members_and_hybrid(weights=(0.0, 1.0), temperatures=(np.nan, 1.0)))
    assert idle.query("model == 'hybrid'")["p_a"].item() == pytest.approx(0.4)
    no_weights = uncalibrated(members_and_hybrid(weights=(np.nan, np.nan)))
    assert no_weights.query("model == 'hybrid'")["p_a"].isna().all()


def test_repeated_members_are_refused():
    rows = members_and_hybrid()
    with pytest.raises(ValueError, match="svm has several rows of r0 in fold f"):
        uncalibrated(pd.concat([rows, rows.query("model == 'svm'")], ignore_index=True))


def test_reliability_by_hand():
    rows = graded([0.9, 0.8, 0.8, 0.3], [True, True, False, False], temperature=2.0)
    after = reliability_table(rows, n_bins=2).query("stage == 'after'")
    assert after["bin_low"].tolist() == [0.0, 0.5]
    assert after["bin_high"].tolist() == [0.5, 1.0]
    assert after["n"].tolist() == [1, 3]
    assert after["confidence"].tolist() == pytest.approx([0.3, 2.5 / 3])
    assert after["accuracy"].tolist() == pytest.approx([0.0, 2 / 3])
    before = reliability_table(rows, n_bins=2).query("stage == 'before'")
    odds = np.array([9.0, 4.0, 4.0]) ** 2
    assert before["confidence"].iloc[1] == pytest.approx(np.mean(odds / (1 + odds)))


def test_calibration_error_before_and_after():
    # Accuracy 3/4 and confidence 3/4 after; before 9 : 1.
    rows = graded([0.75] * 4, [True, True, True, False], temperature=2.0)
    assert ece_by_stage(rows) == {"svm": pytest.approx({"before": 0.15, "after": 0.0})}
    unknown = ece_by_stage(rows.assign(temperature=np.nan))
    assert unknown["svm"]["before"] is None
    assert unknown["svm"]["after"] == pytest.approx(0.0)


CONFIDENCES = st.lists(
    st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.6, 0.61, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=30,
)


@given(CONFIDENCES, st.integers(1, 20))
def test_the_bins_make_up_the_calibration_error(items, n_bins):
    confidence, correct = map(np.array, zip(*items, strict=True))
    bins = reliability_table(graded(confidence, correct), n_bins).query("stage == 'after'")
    gaps = (bins["accuracy"] - bins["confidence"]).abs() * bins["n"]
    expected = expected_calibration_error(confidence, correct, n_bins)
    assert gaps.sum() / len(confidence) == pytest.approx(expected)
    assert bins["n"].sum() == len(confidence)
    assert len(bins) == n_bins


def test_only_test_rows_make_the_curves():
    elsewhere = pd.concat(
        [graded([0.9, 0.9], [False, False], role=role) for role in ("train", "validation")]
    )
    rows = pd.concat([graded([0.9, 0.6], [True, True]), elsewhere], ignore_index=True)
    assert reliability_table(rows)["n"].sum() == 2 * 2
    assert risk_coverage_table(rows)["risk"].tolist() == [0.0, 0.0]
    assert aurc(rows) == {"svm": 0.0}
    assert ece_by_stage(rows)["svm"]["after"] == pytest.approx(0.25)
    for function in (reliability_table, ece_by_stage, risk_coverage_table, aurc):
        with pytest.raises(ValueError, match="no test rows"):
            function(elsewhere)


def test_risk_and_coverage_by_hand():
    curve = risk_coverage_table(graded([0.9, 0.7, 0.7, 0.6], [True, True, False, False]))
    assert curve["threshold"].tolist() == [0.9, 0.7, 0.6]
    assert curve["coverage"].tolist() == [0.25, 0.75, 1.0]
    assert curve["risk"].tolist() == pytest.approx([0.0, 1 / 3, 0.5])
    # Class b, always wrong, enters with the second threshold.
    assert curve["balanced_risk"].tolist() == [0.0, 0.5, 0.5]
    assert curve["n_classes"].tolist() == [1, 2, 2]


def test_area_by_hand():
    # Risks 0, then one error spread over two equal items, then one more.
    rows = graded([0.9, 0.7, 0.7, 0.6], [True, True, False, False])
    expected = np.mean([0.0, 0.5 / 2, 1 / 3, 2 / 4])
    assert aurc(rows)["svm"] == pytest.approx(expected)
    assert aurc(rows.iloc[[3, 2, 1, 0]])["svm"] == pytest.approx(expected)


@given(CONFIDENCES)
def test_the_curve_ends_at_the_error_rate_and_the_area_lies_between(items):
    confidence, correct = map(np.array, zip(*items, strict=True))
    rows = graded(confidence, correct)
    curve = risk_coverage_table(rows)
    assert curve["coverage"].is_monotonic_increasing
    assert curve["coverage"].iloc[-1] == 1.0
    assert curve["risk"].iloc[-1] == pytest.approx(1 - np.mean(correct))
    for _, row in curve.iterrows():
        kept = confidence >= row["threshold"]
        assert row["risk"] == pytest.approx(1 - correct[kept].mean())
        assert row["coverage"] == pytest.approx(kept.mean())
    n_items, n_errors = len(correct), int((~correct).sum())
    n_first = np.arange(1, n_items + 1)
    best = np.mean(np.maximum(n_first - (n_items - n_errors), 0) / n_first)
    worst = np.mean(np.minimum(n_first, n_errors) / n_first)
    assert best - 1e-9 <= aurc(rows)["svm"] <= worst + 1e-9


def test_a_long_curve_is_thinned_but_keeps_its_ends():
    confidence = np.linspace(0.5, 1.0, 1000)
    curve = risk_coverage_table(graded(confidence, confidence > 0.6))
    assert len(curve) == MAX_CURVE_ROWS
    assert curve["coverage"].iloc[[0, -1]].tolist() == [0.001, 1.0]
    assert curve["threshold"].iloc[[0, -1]].tolist() == [1.0, 0.5]


def test_items_and_models_without_probabilities_are_left_out():
    silent = graded([np.nan, np.nan], [True, True], model="cnn").assign(predicted=None)
    partly = graded([0.9, np.nan], [True, False])
    rows = pd.concat([partly, silent], ignore_index=True)
    assert set(reliability_table(rows)["model"]) == {"svm"}
    assert risk_coverage_table(rows)["coverage"].tolist() == [1.0]
    assert list(aurc(rows)) == ["svm"]
    assert ece_by_stage(rows)["cnn"] == {"before": None, "after": None}
    assert reliability_table(silent).empty
    assert risk_coverage_table(silent).empty


@pytest.mark.parametrize(("n_errors", "n_items"), [(0, 10), (1, 10), (9, 10), (3, 60)])
def test_the_bound_is_the_rate_that_makes_so_few_errors_unlikely(n_errors, n_items):
    rate = upper_error_bound([n_errors], [n_items], 0.05).item()
    at_most = sum(
        comb(n_items, k) * rate**k * (1 - rate) ** (n_items - k) for k in range(n_errors + 1)
    )
    assert at_most == pytest.approx(0.05)


def test_the_bound_of_errors_alone_is_one():
    assert upper_error_bound([4], [4], 0.05).tolist() == [1.0]


def validation(n_right, n_wrong, **options):
    """The wrong ones below 0.6, the right ones above 0.7."""
    confidence = np.append(np.linspace(0.5, 0.59, n_wrong), np.linspace(0.71, 0.99, n_right))
    correct = np.arange(n_wrong + n_right) >= n_wrong
    return graded(confidence, correct, role="validation", **options)


def test_the_threshold_keeps_what_is_shown_to_be_right():
    rows = validation(180, 20)
    threshold = choose_threshold(rows, 0.05)
    # 90 % of the rows are right, and 180 without an error bound the rate by 1 − (0.05/20)^(1/180).
    assert 1 - (0.05 / 20) ** (1 / 180) < 0.05
    assert threshold == pytest.approx(0.71)
    assert choose_threshold(rows, 0.5) == pytest.approx(0.5)
    assert choose_threshold(rows, 0.01) is None


def test_few_rows_cannot_meet_a_strict_bound():
    assert choose_threshold(validation(20, 0), 0.05) is None
    assert choose_threshold(validation(20, 0), 0.3) is not None


@given(CONFIDENCES, st.floats(0.02, 0.9))
def test_a_chosen_threshold_meets_the_bound_on_validation_rows(items, max_risk):
    confidence, correct = map(np.array, zip(*items, strict=True))
    threshold = choose_threshold(graded(confidence, correct, role="validation"), max_risk)
    if threshold is None:
        return
    kept = confidence >= threshold
    assert kept.any()
    assert upper_error_bound([(~correct[kept]).sum()], [kept.sum()], 0.05).item() <= max_risk


def test_the_bound_holds_with_its_confidence_level():
    # The label is right with the probability that is its confidence; risk above t is (1 − t)/2.
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(200):
        confidence = rng.uniform(0.5, 1.0, 300)
        rows = graded(confidence, rng.uniform(size=300) < confidence, role="validation")
        threshold = choose_threshold(rows, 0.15)
        broken += threshold is not None and (1 - threshold) / 2 > 0.15
    assert broken <= 200 * 0.05


def test_each_fold_chooses_on_its_own_validation_rows():
    folds = [validation(180, 20), validation(20, 180, fold="g")]
    # Test rows, all right, would let every threshold through.
    tests = [graded([0.5] * 500, [True] * 500, fold=fold) for fold in "fg"]
    rows = pd.concat(folds + tests, ignore_index=True)
    chosen = reject_thresholds(rows, reject_below=None, max_risk=0.05)
    assert chosen == {"f": pytest.approx(0.71), "g": None}
    assert reject_thresholds(rows, reject_below=0.6, max_risk=None) == {"f": 0.6, "g": 0.6}
    with pytest.raises(ValueError, match="no validation rows"):
        reject_thresholds(tests[0], reject_below=None, max_risk=0.05)


def test_rejection_by_hand():
    rows = table(
        [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.7, 0.3, 0.0], [0.1, 0.4, 0.5]],
        target="aabbc",
    )
    result = rejection(rows, {"f": 0.7})
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result == {
        "threshold": {"f": 0.7},
        "n": 5,
        "n_rejected": 2,
        "coverage": pytest.approx(0.6),
        "accuracy": pytest.approx(2 / 3),
        "balanced_accuracy": pytest.approx(0.75),
        "accuracy_of_all": pytest.approx(0.8),
        "balanced_accuracy_of_all": pytest.approx(2.5 / 3),
        "rejected_by_class": {"a": 1, "b": 0, "c": 1},
        "absent_classes": ["c"],
    }


def test_without_a_threshold_everything_is_rejected():
    result = rejection(graded([0.9, 0.8], [True, False]), {"f": None})
    assert (result["coverage"], result["n_rejected"]) == (0.0, 2)
    assert result["accuracy"] is result["balanced_accuracy"] is None
    assert result["accuracy_of_all"] == 0.5


def test_each_fold_is_rejected_by_its_own_threshold():
    folds = [graded([0.9, 0.6], [True, False], fold=fold) for fold in "fgh"]
    rows = pd.concat([*folds, validation(5, 5)], ignore_index=True)
    result = rejection(rows, {"f": 0.7, "g": 0.5, "h": None})
    assert result["threshold"] == {"f": 0.7, "g": 0.5, "h": None}
    assert result["n"] == 6
    assert result["coverage"] == pytest.approx(3 / 6)
    assert result["accuracy"] == pytest.approx(2 / 3)
    with pytest.raises(KeyError, match="h"):
        rejection(rows, {"f": 0.7, "g": 0.5})
