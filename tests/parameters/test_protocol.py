"""Protocols: splits that can be made, and single texts for lists."""

from typing import Any

import pytest

from disentangled_audio import parameters as p
from tests.parameters.refusal import refused


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strategy", "leave_one_out"),
        ("n_folds", 1),
        ("validation_folds", 1),
        ("repeats", 0),
        ("repeats", 1001),
        ("repeat", -1),
    ],
)
def test_a_wrong_value_of_a_split_is_refused_by_its_key(key: str, value: Any) -> None:
    assert set(refused(p.Split, {"strategy": "random", key: value})) == {key}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "strategy 'column' needs column"),
        ({"test": ["0"]}, "strategy 'column' needs column"),
        ({"column": ""}, "strategy 'column' needs column"),
        ({"column": "take", "train": ["0"]}, "train needs test"),
        ({"column": "take", "train": ["0"], "test": []}, "train needs test"),
        ({"column": "take", "train": ["1", "2"], "test": ["2"]}, "share the values ['2']"),
        ({"column": "take", "repeats": 3}, "those of 'column' are given"),
        ({"strategy": "leave_one_group_out", "repeats": 3}, "'leave_one_group_out' are given"),
        (
            {"strategy": "grouped", "repeats": 3, "repeat": 3},
            "repeat 3 must be below repeats (3)",
        ),
    ],
)
def test_impossible_splits_are_refused(values: dict[str, Any], message: str) -> None:
    (told,) = refused(p.Split, {"strategy": "column", **values}).values()

    assert message in told


@pytest.mark.parametrize(
    "values",
    [
        {"strategy": "column", "column": "take"},
        {"strategy": "column", "column": "take", "test": []},
        {"strategy": "random", "repeats": 3, "repeat": 2},
        {"strategy": "grouped", "repeats": 3, "repeat": 2},
    ],
)
def test_a_column_may_give_the_folds_and_drawn_folds_may_be_drawn_again(
    values: dict[str, Any],
) -> None:
    p.Split.model_validate(values)


@pytest.mark.parametrize("fold", [2, "jackson", None])
def test_a_fold_is_a_number_or_a_name(fold: Any) -> None:
    assert p.Split.model_validate({"strategy": "grouped", "fold": fold}).fold == fold


def test_a_single_text_stands_for_a_list_of_columns_and_of_values() -> None:
    protocol = p.Protocol.model_validate(
        {
            "target": "label",
            "split": {"strategy": "random"},
            "group_by": "room",
            "factors": 7,
            "where": {"kind": "rir"},
        }
    )

    assert (protocol.group_by, protocol.factors) == (["room"], ["7"])
    assert protocol.where == {"kind": ["rir"]}
    assert "where" in refused(p.Protocol, {**protocol.model_dump(), "where": ["rir"]})
