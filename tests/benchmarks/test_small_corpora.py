"""Small corpora: which recordings are drawn, and what is said of the answers, without training."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import small_corpora
from small_corpora import CORPORA, described, drawn, row


def _found() -> pd.DataFrame:
    """Two classes by six speakers, five takes each."""
    return pd.DataFrame(
        [
            {"path": Path(f"{label}_{speaker}_{take}.wav"), "label": label, "group": speaker}
            for label in ("one", "two")
            for speaker in "abcdef"
            for take in range(5)
        ]
    )


@pytest.mark.parametrize("size", [3, 4, 12])
def test_as_many_as_asked_are_drawn_and_tested_on_other_speakers(size: int) -> None:
    table = drawn(_found(), size, CORPORA["fsdd_2"], np.random.default_rng(7))

    training, test = (table[table["part"] == part] for part in ("training", "test"))
    assert training["label"].value_counts().to_dict() == {"one": size, "two": size}
    assert test["label"].value_counts().to_dict() == {"one": 10, "two": 10}
    assert test["group"].nunique() == 2
    assert not set(training["group"]) & set(test["group"])
    # Speakers take turns, and are the same for both classes.
    assert training["group"].nunique() == min(size, 4)


def test_a_corpus_file_tells_the_class_in_the_table_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(small_corpora, "REPOSITORY", tmp_path)

    file = described("tones", 3, seed=7)

    table = pd.read_csv(file.with_name("table.csv"))
    names = {path.name for path in file.with_name("recordings").iterdir()}
    assert set(table["file"]) == names
    assert not [name for name in names if "high" in name or "low" in name]
    assert (table["part"] == "training").sum() == 6
    (corpus,) = yaml.safe_load(file.read_text())["corpora"].values()
    assert corpus["simulated"]


def _answers(sure: dict[str, float], n_wrong: dict[str, int]) -> pd.DataFrame:
    """Four test rows of each model, of which some are wrong, with one confidence."""
    truth = np.array(["one", "two", "one", "two"])
    tables = []
    for model, confidence in sure.items():
        is_right = np.arange(4) >= n_wrong[model]
        says_one = (truth == "one") == is_right
        table = pd.DataFrame({"model": model, "target": truth})
        table["predicted"] = np.where(says_one, "one", "two")
        table["p_one"] = np.where(says_one, confidence, 1 - confidence)
        tables.append(table.assign(p_two=1 - table["p_one"]))
    return pd.concat(tables, ignore_index=True)


def test_a_row_has_the_surest_of_the_wrong_answers_and_the_lead() -> None:
    sure = {"hybrid": 0.9, "svm": 0.99, "cnn": 0.8}
    runs = [_answers(sure, {"hybrid": 0, "svm": 0, "cnn": of_cnn}) for of_cnn in (2, 4)]

    found = row(3, runs)

    assert (found["hybrid"], found["best member"], found["lead"]) == (1.0, "svm", 0.0)
    assert (found["hybrid sure"], found["member sure"], found["which"]) == (0.0, 0.8, "cnn")
    assert found["cannot tell"] == "no"


def test_nearly_equal_probabilities_cannot_tell() -> None:
    sure = {"hybrid": 0.55, "svm": 0.6}
    found = row(3, [_answers(sure, {"hybrid": 2, "svm": 1})])

    assert (found["cannot tell"], found["lead"]) == ("yes", -0.25)
