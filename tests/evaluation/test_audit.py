"""What the audit says of tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.audit import (
    audit_controls,
    margins_over_best_control,
    verdict,
)

CLASSES = ["ash", "oak"]
N_ITEMS = 120


def _predictions(model: str, share: float, seed: int = 0) -> pd.DataFrame:
    """A model that is right on a share of the items, in 12 groups of both classes."""
    rng = np.random.default_rng(seed)
    target = np.array(CLASSES)[np.arange(N_ITEMS) % 2]
    right = rng.random(N_ITEMS) < share
    predicted = np.where(right, target, np.array(CLASSES)[(np.arange(N_ITEMS) + 1) % 2])
    table = pd.DataFrame(
        {
            "recording_id": [f"r{item}" for item in range(N_ITEMS)],
            "group": (np.arange(N_ITEMS) // 10).astype(str),
            "kind": "rir",
            "fold": np.where(np.arange(N_ITEMS) < 60, "0", "1"),
            "role": "test",
            "model": model,
            "target": target,
            "predicted": predicted,
        }
    )
    for name in CLASSES:
        table[f"p_{name}"] = (table["predicted"] == name).astype(float)
    return table


def _majority() -> pd.DataFrame:
    table = _predictions("majority", 1.0)
    return table.assign(predicted="ash", p_ash=1.0, p_oak=0.0)


def _audit(*tables: pd.DataFrame) -> dict:
    return audit_controls(
        pd.concat([_majority(), *tables], ignore_index=True),
        constant={"sample_rate": "the same for all items"},
        corpus="trees",
        simulated=False,
        protocol="by_place",
        target="tree",
    )


def test_exactly_the_planted_shortcut_is_named() -> None:
    found = _audit(_predictions("byte_size", 0.95), _predictions("duration", 0.5, seed=3))

    assert found["predicts"] == ["byte_size"]
    assert next(iter(found["controls"])) == "byte_size"
    assert found["chance"] == pytest.approx(0.5)
    assert (found["n_folds"], found["n_groups"]) == (2, 12)


def test_a_shortcut_of_small_effect_is_not_named() -> None:
    assert _audit(_predictions("byte_size", 0.55))["predicts"] == []


def test_words_say_what_the_figures_say() -> None:
    controls = pd.concat([_majority(), _predictions("byte_size", 0.9)], ignore_index=True)
    found = _audit(_predictions("byte_size", 0.9))
    margins = margins_over_best_control(_predictions("hybrid", 1.0), controls)
    leakage = {
        "shares": {"group": 0.0, "room": 0.25},
        "near_duplicates": {"n": 1, "share": 0.01, "first": [["a", "b"]]},
    }

    said = " ".join(verdict(found, margins, leakage))

    size = found["controls"]["byte_size"]["balanced_accuracy"]
    assert f"the size of the file in bytes ({size:.2f}" in said
    assert f"hybrid is {margins['models']['hybrid']['difference']:+.2f}" in said
    assert margins["models"]["hybrid"]["significant"]
    assert "significant (paired bootstrap over 12 groups" in said
    assert "25% of the test items have their room in training." in said
    assert "the first is a, like b" in said
    assert "simulated" not in said


def test_nothing_found_is_said_to_be_nothing() -> None:
    controls = pd.concat([_majority(), _predictions("duration", 0.5)], ignore_index=True)
    found = _audit(_predictions("duration", 0.5))
    margins = margins_over_best_control(_predictions("hybrid", 0.5, seed=5), controls)
    leakage = {
        "shares": {"group": 0.0},
        "near_duplicates": {"n": 0, "share": 0.0, "first": []},
    }

    said = verdict(found, margins, leakage)

    assert "No control tells the label" in said[1]
    assert "not significant" in " ".join(said)
    assert said[-1].startswith("No test item shares")
