"""Folds repeated with several seeds, planned without training."""

import pandas as pd
import pytest
from pydantic import ValidationError

from disentangled_audio.evaluation.splits import fold_protocols, seeded_folds
from disentangled_audio.parameters import CrossValidationParameters, Protocol


def _recordings() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "recording_id": [f"r{number}" for number in range(48)],
            "path": [f"{number}.wav" for number in range(48)],
            "word": [f"w{number % 2}" for number in range(48)],
            "speaker": [f"s{number // 4}" for number in range(48)],
        }
    )


def _protocol(strategy: str, **split: object) -> Protocol:
    return Protocol.model_validate(
        {"target": "word", "group_by": ["speaker"], "split": {"strategy": strategy, **split}}
    )


def test_one_seed_keeps_the_names_of_the_folds() -> None:
    protocol = _protocol("grouped", n_folds=3, fold=0)
    folds = seeded_folds(_recordings(), protocol, [7])
    assert {one.name: one.protocol for one in folds} == fold_protocols(_recordings(), protocol, 7)


def test_every_fold_has_every_seed_and_a_name_of_its_own() -> None:
    folds = seeded_folds(_recordings(), _protocol("leave_one_group_out", fold="s0"), [7, 8])
    assert len(folds) == len({one.name for one in folds}) == 24
    assert folds[0].name == "s0, seed 7"
    assert {(one.fold, one.seed) for one in folds} == {
        (f"s{number}", seed) for number in range(12) for seed in (7, 8)
    }


@pytest.mark.parametrize(
    ("seeds", "message"), [([], "at least 1"), ([7, 7], "twice"), (["x"], "integer")]
)
def test_seeds_are_different_whole_numbers(seeds: list[object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CrossValidationParameters.model_validate({"seeds": seeds})
