"""What an untrained encoder tells as well was not learned."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.representation.learned import compare_with_controls

pytestmark = pytest.mark.filterwarnings("error")


def cell(code, factor, score, control=None, half=0.05, condition="marginal", reason=None):
    return {
        **{"code": code, "factor": factor, "condition": condition, "control": control},
        **{"score": score, "low": score - half, "high": score + half, "chance": 0.2},
        **{"reason": reason},
    }


@pytest.fixture
def table() -> pd.DataFrame:
    matrix = pd.DataFrame(
        [
            cell("content", "target", 0.9),
            cell("content", "duration", 0.22),
            cell("rhythm", "duration", 0.8),
            cell("rhythm", "duration", 0.5, condition="within target"),
            cell("pitch", "median_f0", np.nan, reason="no voiced frame"),
            cell("content", "target", 0.6, "untrained"),
            cell("content", "duration", 0.5, "untrained"),
            cell("rhythm", "duration", 0.76, "untrained"),
            cell("rhythm", "duration", 0.2, "untrained", condition="within target"),
            cell("pitch", "median_f0", 0.5, "untrained"),
            cell("log_mel", "target", 0.7, "raw"),
            cell("other", "target", 0.8, "raw"),
            cell("target", "target", 1.0, "one_hot"),
        ]
    )
    carried_by = {"target": "content", "duration": "rhythm", "median_f0": "pitch"}
    return compare_with_controls(matrix, carried_by).set_index(["code", "factor", "condition"])


def test_cells_have_their_own_controls(table):
    assert len(table) == 5
    first = table.loc[("content", "target", "marginal")]
    assert (first["untrained"], first["raw"]) == (0.6, 0.8)
    assert np.isnan(table.loc[("rhythm", "duration", "marginal"), "raw"])
    assert table.loc[("rhythm", "duration", "within target"), "untrained"] == 0.2


@pytest.mark.parametrize(
    ("cell", "wanted", "above_chance", "explained_by_view"),
    [
        (("content", "target", "marginal"), True, True, False),
        # Chance is inside its interval: there is nothing to claim, whatever others tell.
        (("content", "duration", "marginal"), False, False, False),
        # 76 % are less than 80, and inside the interval.
        (("rhythm", "duration", "marginal"), True, True, True),
        (("rhythm", "duration", "within target"), True, True, False),
        (("pitch", "median_f0", "marginal"), True, False, False),
    ],
)
def test_scores_above_chance_and_explained_by_the_view(
    table, cell, wanted, above_chance, explained_by_view
):
    row = table.loc[cell]
    assert (row["wanted"], row["above_chance"], row["explained_by_view"]) == (
        wanted,
        above_chance,
        explained_by_view,
    )


def test_without_controls_no_score_is_explained_by_the_view():
    table = compare_with_controls(pd.DataFrame([cell("content", "target", 0.9)]), {})
    assert not table["explained_by_view"].any()
    assert not table["wanted"].any()
