"""Constant factors, groups and codes have no score, but a reason."""

import json

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.representation.block_scores import block_scores
from disentangled_audio.evaluation.representation.leakage import leakage_matrix
from tests.evaluation.representation import constructed_codes as made


@pytest.fixture(scope="module")
def factors() -> pd.DataFrame:
    return made.balanced_factors(n_takes=4)


@pytest.mark.parametrize(
    ("columns", "codes", "reason", "undefined"),
    [
        (["content"], made.FACTORS, "one factor varies", {"block_dci"}),
        (list(made.FACTORS), ["content"], "one code", {"block_dci", "completeness", "sap"}),
        (list(made.FACTORS), made.FACTORS, "", set()),
    ],
)
def test_a_block_score_without_a_value_says_why(
    factors: pd.DataFrame, columns: list[str], codes: list[str], reason: str, undefined: set[str]
) -> None:
    perfect = made.perfect(factors)

    found = block_scores({name: perfect[name] for name in codes}, factors[columns])

    assert {name for name, value in found.items() if value is None} == undefined
    assert found["reason"].startswith(reason)
    assert bool(found["reason"]) == bool(reason)
    json.dumps(found, allow_nan=False)


def test_constant_codes_have_no_block_scores_and_say_so(factors: pd.DataFrame) -> None:
    codes = {name: np.zeros((len(factors), 3)) for name in made.FACTORS}

    found = block_scores(codes, factors)

    assert found["block_dci"] is None
    assert found["reason"] == "the codes are constant"
    assert found["informativeness"] == pytest.approx(0.0, abs=0.05)


def test_a_single_group_is_not_scored_and_the_other_factors_are(factors: pd.DataFrame) -> None:
    asked = factors.assign(group="all")

    matrix = leakage_matrix(
        made.perfect(factors), asked, target=factors["content"], group=asked["group"]
    )

    of_group = matrix[matrix["factor"] == "group"]
    assert of_group["score"].isna().all()
    assert set(of_group["reason"]) == {"one class", "one class in every cell"}
    own = matrix[(matrix["code"] == "pitch") & (matrix["factor"] == "pitch")]
    assert (own["score"] > 0.9).all()
