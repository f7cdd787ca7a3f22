"""What dropping a member costs, with a fusion that is easy to follow."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.scores.ablation import COLUMNS, ablation_table

SURE, UNSURE = 0.9, 0.6
ROLES = ["validation"] * 4 + ["test"] * 4
TARGET = list("abab") * 2


def mean_of_members(validation, target, group, classes, error_rates, test):
    return np.mean(list(test.values()), axis=0)


def member(name, right, weight=0.5, fold="f", confidence=SURE, error_rate=np.nan):
    """Eight rows, four of validation; `right` says which test rows are named rightly."""
    hits = np.append([True] * 4, right)
    is_a = (np.array(TARGET) == "a") == hits
    p_a = np.where(is_a, confidence, 1 - confidence)
    return pd.DataFrame(
        {
            "recording_id": [f"r{index}" for index in range(8)],
            "group": list("ghghijij"),
            "fold": fold,
            "role": ROLES,
            "model": name,
            "target": TARGET,
            "predicted": np.where(is_a, "a", "b"),
            "weight": weight,
            "error_rate": error_rate,
            "p_b": 1 - p_a,
            "p_a": p_a,
        }
    )


ALL, NONE, FIRST_WRONG = [True] * 4, [False] * 4, [False, True, True, True]


def test_costs_by_hand():
    # The sure member decides: a of two a is missed. Without it the unsure one is always right.
    rows = pd.concat(
        [member("svm", FIRST_WRONG, 0.75), member("cnn", ALL, 0.25, confidence=UNSURE)]
    )
    table = ablation_table(rows, mean_of_members).set_index("member")
    assert table["weight"].to_dict() == {"svm": 0.75, "cnn": 0.25}
    assert table["full"].tolist() == [0.75, 0.75]
    assert table["without"].to_dict() == {"svm": 1.0, "cnn": 0.75}
    assert table["cost"].to_dict() == {"svm": -0.25, "cnn": 0.0}


def test_each_fold_has_its_rows():
    rows = pd.concat(
        [
            member("svm", ALL, fold="f"),
            member("cnn", NONE, fold="f", confidence=UNSURE),
            member("svm", NONE, fold="g"),
            member("cnn", ALL, fold="g", confidence=UNSURE),
        ]
    )
    table = ablation_table(rows, mean_of_members)
    assert list(table) == COLUMNS
    assert table["fold"].tolist() == ["f", "f", "g", "g"]
    assert table["cost"].tolist() == [1.0, 0.0, -1.0, 0.0]


def test_the_fusion_is_fitted_on_validation_rows_alone():
    calls = []

    def refit(validation, target, group, classes, error_rates, test):
        calls.append(list(validation))
        # Every member is right on the validation rows and wrong on the test rows.
        for member_seen, member_unseen in zip(validation.values(), test.values(), strict=True):
            assert [classes[i] for i in member_seen.argmax(axis=1)] == target.tolist()
            assert [classes[i] for i in member_unseen.argmin(axis=1)] == list("abab")
        assert group.tolist() == list("ghgh")
        return mean_of_members(validation, target, group, classes, error_rates, test)

    rows = pd.concat([member("svm", NONE), member("cnn", NONE)])
    table = ablation_table(rows, refit)
    assert calls == [["svm", "cnn"], ["cnn"], ["svm"]]
    assert table["full"].tolist() == [0.0, 0.0]


def test_the_fusion_is_told_what_is_known_of_the_members_that_are_left():
    told = []

    def refit(validation, target, group, classes, error_rates, test):
        told.append(error_rates)
        return mean_of_members(validation, target, group, classes, error_rates, test)

    ablation_table(pd.concat([member("svm", ALL, error_rate=0.2), member("cnn", ALL)]), refit)
    assert told == [{"svm": 0.2}, {}, {"svm": 0.2}]


def test_rows_of_members_are_matched_by_recording():
    shuffled = member("cnn", ALL).sample(frac=1, random_state=2)
    table = ablation_table(pd.concat([member("svm", ALL), shuffled]), mean_of_members)
    assert table["full"].tolist() == [1.0, 1.0]


def test_models_that_are_not_members_have_no_row():
    silent = member("mfcc", ALL).assign(p_a=np.nan, p_b=np.nan, predicted=None)
    rows = pd.concat(
        [
            member("svm", ALL),
            member("cnn", ALL),
            member("alone", NONE, weight=np.nan),
            silent,
            member("hybrid", NONE),
        ]
    )
    table = ablation_table(rows, mean_of_members)
    assert table["member"].tolist() == ["svm", "cnn"]
    assert table["cost"].tolist() == [0.0, 0.0]


def test_the_hybrid_with_pretrained_weights_has_rows_of_its_own():
    rows = pd.concat(
        [
            member("svm", FIRST_WRONG, 1.0).assign(weight_pretrained=0.75),
            member("cnn", ALL, 0.0, confidence=UNSURE).assign(weight_pretrained=0.0),
            member("embedding_svm", ALL, np.nan, confidence=UNSURE).assign(weight_pretrained=0.25),
        ]
    )
    table = ablation_table(rows, mean_of_members)
    weights = table.groupby("hybrid", sort=False)[["member", "weight"]].agg(list)
    assert weights.loc["hybrid"].tolist() == [["svm", "cnn"], [1.0, 0.0]]
    members, shares = weights.loc["hybrid_pretrained"]
    assert members == ["svm", "cnn", "embedding_svm"]
    assert shares == [0.75, 0.0, 0.25]


def test_one_member_has_no_ablation():
    table = ablation_table(member("svm", ALL), mean_of_members)
    assert table.empty
    assert list(table) == COLUMNS


def test_a_class_that_the_fold_lacks_is_not_fused():
    rows = pd.concat([member("svm", ALL), member("cnn", ALL)]).assign(p_c=np.nan)

    def refit(validation, target, group, classes, error_rates, test):
        assert classes == ["b", "a"]
        return mean_of_members(validation, target, group, classes, error_rates, test)

    assert ablation_table(rows, refit)["full"].tolist() == [1.0, 1.0]


def test_broken_tables_are_refused_by_name():
    svm, cnn = member("svm", ALL), member("cnn", ALL)
    with pytest.raises(ValueError, match="Fold f has no validation rows"):
        ablation_table(pd.concat([svm, cnn]).query("role == 'test'"), mean_of_members)
    partly = cnn.copy()
    partly.loc[5, ["p_a", "p_b"]] = np.nan
    with pytest.raises(ValueError, match=r"cnn has no probabilities for 1 of 8 .* fold f.* r5"):
        ablation_table(pd.concat([svm, partly]), mean_of_members)
    with pytest.raises(ValueError, match="cnn and svm have different rows in fold f"):
        ablation_table(pd.concat([svm, cnn.iloc[1:]]), mean_of_members)
    with pytest.raises(ValueError, match="cnn has several rows of one recording in fold f"):
        ablation_table(pd.concat([svm, cnn, cnn]), mean_of_members)
