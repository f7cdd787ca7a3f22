"""Linear probes of numbers: exact on a code that is the number, useless on noise."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.representation.regression import (
    predicted_numbers,
    regression_scores,
)

N = 200
RNG = np.random.default_rng(0)
T20 = np.exp2(RNG.uniform(-2.0, 1.0, N))
GROUP = pd.Series([f"room{number}" for number in np.arange(N) % 8])
FITTED = np.arange(N) % 8 < 6
SCORED = ~FITTED


def _predicted(factors: pd.DataFrame, **blocks) -> pd.DataFrame:
    return predicted_numbers({"": blocks}, factors, GROUP, FITTED, SCORED)


def test_a_code_that_is_the_number_explains_all_of_it_and_noise_nothing():
    octaves = np.log2(T20)[:, None]
    found = _predicted(pd.DataFrame({"t20": T20}), told=octaves, noise=RNG.normal(size=(N, 3)))
    scores = regression_scores(found, 0).set_index("code")
    assert scores.loc["told", "r2"] == pytest.approx(1.0, abs=1e-3)
    assert scores.loc["noise", "r2"] < 0.1
    assert (scores["low"] <= scores["r2"]).all()
    assert (scores["r2"] <= scores["high"]).all()
    assert scores["n_groups"].tolist() == [2, 2]
    # The scale is octaves: a factor of two is one.
    told = found[found["code"] == "told"]
    np.testing.assert_allclose(told["value"], np.log2(T20[SCORED]))


def test_scored_rows_do_not_affect_the_probe():
    factors = pd.DataFrame({"t20": T20})
    code = RNG.normal(size=(N, 3))
    changed = factors.copy()
    changed.loc[SCORED, "t20"] *= 7.0
    first, second = (_predicted(of, code=code) for of in (factors, changed))
    np.testing.assert_array_equal(first["predicted"], second["predicted"])


def test_classes_constants_and_missing_numbers_are_left_out():
    level = RNG.normal(size=N)
    level[SCORED] = np.nan
    level[-1] = -3.0
    factors = pd.DataFrame(
        {
            "room": GROUP.astype("string"),
            "constant": np.ones(N),
            "nowhere": np.full(N, np.nan),
            "level": level,
        }
    )
    found = _predicted(factors, code=RNG.normal(size=(N, 2)))
    assert found["factor"].tolist() == ["level"]
    score = regression_scores(found, 0).iloc[0]
    assert score["r2"] is None or np.isnan(score["r2"])
    assert "1 group" in score["reason"]


def test_nothing_to_predict_gives_empty_tables():
    found = _predicted(pd.DataFrame({"room": GROUP}), code=RNG.normal(size=(N, 2)))
    assert found.empty
    assert regression_scores(found, 0).empty
    assert "r2" in regression_scores(found, 0)
