"""Block DCI, SAP and MIG of codes whose scores follow from how they are made."""

import json

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.representation import block_scores as module
from disentangled_audio.evaluation.representation.block_scores import block_scores
from disentangled_audio.evaluation.representation.dci_sap_mig import (
    dci_scores,
    mutual_information_gap,
    sap_score,
)
from disentangled_audio.evaluation.representation.over_folds import summary_over_folds
from tests.evaluation.representation import constructed_codes as made

LN2, LN3 = np.log(2), np.log(3)


@pytest.fixture
def few_trees(monkeypatch):
    """For tests that do not ask how good the scores are."""
    monkeypatch.setattr(module, "N_TREES", 5)


@pytest.fixture(scope="module")
def factors() -> pd.DataFrame:
    return made.balanced_factors(n_takes=7)


@pytest.mark.parametrize(
    ("importance", "disentanglement", "completeness"),
    [
        (np.eye(3), 1.0, 1.0),
        (np.ones((3, 3)), 0.0, 0.0),
        # Two blocks share the first factor: each serves one factor; the factor lies in two.
        ([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]], 1.0, (1 - LN2 / LN3 + 1) / 2),
        # One block serves two factors, and the other nothing at all.
        ([[1.0, 1.0], [0.0, 0.0]], 0.0, 1.0),
        # Rows weigh by their sums: (3/4) * (1 - H(1/3)) + (1/4) * 1, with H to the base 2.
        ([[1.0, 2.0], [1.0, 0.0]], 0.75 * (1 - (LN3 - 2 / 3 * LN2) / LN2) + 0.25, 0.5),
    ],
)
def test_dci_of_importances(importance, disentanglement, completeness):
    found = dci_scores(np.array(importance))
    assert found["disentanglement"] == pytest.approx(disentanglement)
    assert found["completeness"] == pytest.approx(completeness)


@pytest.mark.parametrize("importance", [[[1.0], [1.0]], [[0.6, 0.4]], [[0.0, 0.0], [0.0, 0.0]]])
def test_dci_needs_two_factors_two_blocks_and_some_importance(importance):
    assert np.isnan(dci_scores(np.array(importance))["disentanglement"])


def test_sap_is_the_gap_between_the_best_two():
    assert sap_score(np.array([[0.9, 0.2], [0.4, 0.9], [0.3, 0.7]])) == pytest.approx(0.35)
    assert sap_score(np.full((3, 2), 0.8)) == 0.0
    assert np.isnan(sap_score(np.array([[0.9, 0.2]])))


def test_mig_of_one_dimension_a_factor_is_one():
    labels = np.stack(np.meshgrid(range(4), range(3)), axis=-1).reshape(-1, 2)
    assert mutual_information_gap(labels.astype(float), labels) == pytest.approx(1.0)


def test_mig_of_a_coarse_dimension_is_its_share_of_the_entropy():
    labels = np.arange(4)[:, np.newaxis]
    # One dimension tells 1 of 2 bits, the other none.
    code = np.stack([np.array([0.0, 0.0, 1.0, 1.0]), np.zeros(4)], axis=1)
    assert mutual_information_gap(code, labels) == pytest.approx(0.5)


def test_mig_of_a_factor_told_twice_is_zero():
    labels = np.arange(4)[:, np.newaxis]
    assert mutual_information_gap(np.hstack([labels, labels]).astype(float), labels) == 0.0


def test_perfect_codes(factors):
    found = block_scores(made.perfect(factors), factors)
    assert found["block_dci"] > 0.9
    assert found["completeness"] > 0.9
    assert found["informativeness"] > 0.97
    # The best block tells all, the others a third.
    assert found["sap"] == pytest.approx(2 / 3, abs=0.05)
    # Several dimensions share a factor.
    assert found["mig"] < 0.4
    importance = pd.DataFrame(found["importance"])
    assert importance.to_numpy().argmax(axis=1).tolist() == [0, 1, 2]


def test_entangled_codes(factors):
    found = block_scores(made.entangled(factors), factors)
    assert found["informativeness"] > 0.95
    assert found["block_dci"] < 0.05
    assert found["completeness"] < 0.05
    assert abs(found["sap"]) < 0.03


def test_a_duplicated_code_is_disentangled_and_not_complete(factors):
    codes = made.perfect(factors)
    again = made.perfect(factors, seed=1)["content"]
    found = block_scores(
        {"content": codes["content"], "again": again, "rhythm": codes["rhythm"]},
        factors[["content", "rhythm"]],
    )
    assert found["block_dci"] > 0.93
    # The first factor lies half in two blocks, the second in one.
    assert found["completeness"] == pytest.approx((1 - LN2 / LN3 + 1) / 2, abs=0.08)
    assert found["sap"] == pytest.approx((0.0 + 2 / 3) / 2, abs=0.05)


def test_noise(factors):
    found = block_scores(made.noise(factors), factors)
    for name in ("block_dci", "completeness", "informativeness", "sap", "mig"):
        assert abs(found[name]) < 0.1, name


def test_longer_noise_serves_no_factor_either(factors):
    codes = made.noise(factors)
    rng = np.random.default_rng(5)
    found = block_scores(codes | {"content": rng.standard_normal((len(factors), 16))}, factors)
    assert found["block_dci"] < 0.05
    assert abs(found["informativeness"]) < 0.1


@pytest.mark.usefixtures("few_trees")
def test_scores_are_repeatable_and_plain(factors):
    codes = made.noise(factors)
    few = factors[::3].reset_index(drop=True)
    first, second = (
        block_scores({name: code[::3] for name, code in codes.items()}, few, seed=3)
        for _ in range(2)
    )
    assert first == second
    controls = {"untrained": first, "raw_pca": block_scores({"log_mel": codes["content"]}, factors)}
    summary = {**first, "swap": {"moved": 0.9}, "controls": controls}
    assert {"block_dci", "sap", "mig", "swap", "controls"} <= set(summary)
    assert summary["controls"]["raw_pca"]["reason"].startswith("one code")
    json.dumps(summary, allow_nan=False)


@pytest.mark.usefixtures("few_trees")
def test_scores_of_a_single_block_are_undefined(factors):
    found = block_scores({"log_mel": made.entangled(factors)["content"]}, factors)
    assert found["sap"] is found["completeness"] is found["block_dci"] is None
    assert found["reason"].startswith("one code")
    assert found["informativeness"] > 0.9


@pytest.mark.usefixtures("few_trees")
def test_only_unseen_rows_are_scored(factors):
    unseen = np.arange(len(factors)) % 2 == 0
    blocks, noise = made.perfect(factors), made.noise(factors)
    learned_by_heart = {
        name: np.where(unseen[:, np.newaxis], noise[name], blocks[name]) for name in blocks
    }
    found = block_scores(learned_by_heart, factors, unseen=unseen)
    assert (found["rows"], found["n_items"]) == ("unseen", unseen.sum())
    assert abs(found["informativeness"]) < 0.15
    assert block_scores(learned_by_heart, factors)["informativeness"] > 0.3


@pytest.mark.usefixtures("few_trees")
def test_a_factor_of_one_class_among_unseen_rows_is_left_out(factors):
    # The unseen speaker is one, and its durations have thirds of their own.
    table = factors.assign(
        group=["a", "b", "c"] * (len(factors) // 3), duration=np.arange(len(factors)) / 100.0
    )
    unseen = table["group"].to_numpy() == "c"
    found = block_scores(made.perfect(factors), table, unseen=unseen)
    assert (found["rows"], found["left_out"]) == ("unseen", ["group"])
    assert set(found["importance"]["content"]) == {*made.FACTORS, "duration"}


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(
    "unseen",
    [
        # Two rows of a class; none of a class; one factor alone that has two classes.
        lambda table: (table["content"] != "content0") | (table.index < 2),
        lambda table: table["content"] != "content0",
        lambda table: (table["content"] == "content0") & (table["rhythm"] == "rhythm0"),
    ],
)
def test_with_too_few_unseen_rows_all_are_scored(factors, unseen):
    found = block_scores(made.noise(factors), factors, unseen=unseen(factors))
    assert (found["rows"], found["n_items"]) == ("all", len(factors))


@pytest.mark.usefixtures("few_trees")
def test_rows_of_a_unit_are_on_one_side_of_a_fold(factors):
    # Codes that name the file, and say nothing of what is in others.
    files = np.arange(len(factors) // 3)
    of_files = np.random.default_rng(2).standard_normal((len(files), 8))
    units = np.repeat(files, 3)
    table = factors.iloc[:: len(factors) // len(files)].iloc[: len(files)]
    table = table.sample(frac=1.0, random_state=0).iloc[units].reset_index(drop=True)
    codes = {"content": of_files[units][:, :4], "rhythm": of_files[units][:, 4:]}
    assert block_scores(codes, table)["informativeness"] > 0.5
    assert abs(block_scores(codes, table, unit=units)["informativeness"]) < 0.2


def test_a_constant_code_has_no_importance(factors):
    codes = made.perfect(factors) | {"pitch": np.zeros((len(factors), 3))}
    found = block_scores(codes, factors[["content", "rhythm"]])
    assert found["importance"]["pitch"] == {"content": 0.0, "rhythm": 0.0}
    assert found["sap"] == pytest.approx(2 / 3, abs=0.06)


@pytest.mark.usefixtures("few_trees")
def test_constant_factors_and_missing_values_are_left_out(factors):
    table = factors.assign(kind="rir", pitch=factors["pitch"].where(factors["pitch"] != "pitch2"))
    found = block_scores(made.perfect(factors), table.fillna({"kind": ""}))
    assert set(found["importance"]["content"]) == {"content", "rhythm", "pitch"}
    assert found["n_items"] == 2 * len(factors) // 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.assign(content="a", rhythm="b", pitch="c"), "no factor"),
        (lambda table: table.assign(content=["rare"] + ["a"] * (len(table) - 1)), "1 rows"),
        (
            lambda table: table.assign(
                content=table["content"].where(table["rhythm"] == "rhythm0")
            ),
            "one class",
        ),
    ],
)
def test_factors_that_cannot_be_scored_have_a_reason(factors, change, reason):
    found = block_scores(made.perfect(factors), change(factors))
    assert found["block_dci"] is None
    assert reason in found["reason"]
    json.dumps(found, allow_nan=False)


def test_a_code_with_nan_is_named(factors):
    codes = made.noise(factors)
    codes["rhythm"][3, 1] = np.nan
    with pytest.raises(ValueError, match="'rhythm' is not finite"):
        block_scores(codes, factors)


@pytest.mark.usefixtures("few_trees")
def test_rows_beyond_the_limit_are_drawn_by_the_seed(factors):
    codes = made.noise(factors)
    first, again, other = (block_scores(codes, factors, max_items=90, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first["n_items"] == 90
    assert first["sap"] != other["sap"]


def test_summaries_over_folds():
    def summary(dci, moved, reason=""):
        swap = {"moved": moved, "by_code": {"pitch": {"moved": moved}} if moved else {}}
        importance = {} if reason else {"pitch": {"f0": 1.0}}
        scores = {"block_dci": dci, "importance": importance, "reason": reason}
        return {**scores, "swap": swap, "controls": {"untrained": {"block_dci": dci}}}

    none = summary(None, None, "no factor has two classes")
    found = summary_over_folds({"0": summary(0.4, 0.6), "1": summary(0.8, 0.8), "2": none})
    mean = found["mean"]
    assert mean["block_dci"] == mean["controls"]["untrained"]["block_dci"] == pytest.approx(0.6)
    assert mean["swap"]["by_code"] == {"pitch": {"moved": pytest.approx(0.7)}}
    assert mean["importance"] == {"pitch": {"f0": 1.0}}
    assert mean["reason"] == "no factor has two classes"
    assert list(found["folds"]) == ["0", "1", "2"]
    assert summary_over_folds({"2": none})["mean"]["block_dci"] is None
    left_out = {"0": {"left_out": ["a"]}, "1": {"left_out": []}, "2": {"left_out": ["b", "a"]}}
    assert summary_over_folds(left_out)["mean"] == {"left_out": ["a", "b"]}
    assert summary_over_folds({}) == {"mean": {}, "folds": {}}
    json.dumps(found, allow_nan=False)
