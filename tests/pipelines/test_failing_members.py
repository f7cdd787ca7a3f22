"""A member that cannot be fitted is named, and the hybrid goes on without it."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.models.bank import FROM_SCRATCH
from disentangled_audio.models.tables import feature_table, probability_table
from disentangled_audio.parameters import HybridParameters, SvmParameters
from disentangled_audio.pipelines.svm_classification import nodes

N_ITEMS = 60
SVM = SvmParameters(C=[1.0], gamma_scale=[1.0], inner_folds=2, n_jobs=1)
CLASSES = ["ash", "oak"]


def _splits() -> pd.DataFrame:
    item = np.arange(N_ITEMS)
    roles = np.array(["train", "train", "train", "validation", "test", "test"])
    return pd.DataFrame(
        {
            "recording_id": [f"r{number}" for number in item],
            "target": pd.Series(np.array(CLASSES)[item % 2], dtype="string"),
            "group": (item // 10).astype(str),
            "fold": "0",
            "role": roles[item // 10],
        }
    )


def _features(splits: pd.DataFrame, known: np.ndarray) -> pd.DataFrame:
    values = np.random.default_rng(0).standard_normal((N_ITEMS, 3))
    values[:, 0] += 3.0 * (splits["target"] == "ash").to_numpy(dtype=float)
    values[~known] = np.nan
    return feature_table(splits["recording_id"], values, "f")


def _train(name: str, features: pd.DataFrame, splits: pd.DataFrame) -> tuple[Any, pd.DataFrame]:
    return nodes.train_member(features, splits, SVM, HybridParameters(), 1, name=name)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (
            lambda splits: (splits["target"] == "ash").to_numpy(dtype=bool),
            "no training row of class oak",
        ),
        (lambda splits: (splits["role"] != "validation").to_numpy(), "no validation row"),
    ],
)
def test_a_member_without_features_is_left_out(
    known, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    splits = _splits()
    with caplog.at_level(logging.WARNING):
        member, table = _train("mel_svm", _features(splits, known(splits)), splits)

    assert f"mel_svm is left out of the hybrid: {message}" in caplog.text
    assert message in member.reason
    assert table[["p_ash", "p_oak"]].isna().all(axis=None)


def test_a_member_that_no_recording_has_features_for_is_left_out_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    splits = _splits()
    with caplog.at_level(logging.WARNING):
        member, table = _train("mel_svm", _features(splits, np.zeros(N_ITEMS, dtype=bool)), splits)

    assert not caplog.text
    assert "no recording has the features" in member.reason
    assert table[["p_ash", "p_oak"]].isna().all(axis=None)


def test_constant_features_are_named(caplog: pytest.LogCaptureFixture) -> None:
    splits = _splits()
    constant = feature_table(splits["recording_id"], np.ones((N_ITEMS, 3)), "f")

    with caplog.at_level(logging.WARNING):
        _, table = _train("timbre_svm", constant, splits)

    assert "timbre_svm is left out of the hybrid: its features are the same" in caplog.text
    assert table[["p_ash", "p_oak"]].isna().all(axis=None)


def test_the_hybrid_goes_on_with_the_others() -> None:
    splits = _splits()
    whole = _features(splits, np.ones(N_ITEMS, dtype=bool))
    _, given = _train("mel_svm", whole, splits)
    nothing = probability_table(splits["recording_id"], np.full((N_ITEMS, 2), np.nan), CLASSES)
    tables = [given if name == "mel_svm" else nothing for name in FROM_SCRATCH]

    hybrid, fused = nodes.train_hybrid(splits, HybridParameters(), *tables)

    assert hybrid.members_ == ["mel_svm"]
    np.testing.assert_allclose(fused[["p_ash", "p_oak"]].sum(axis=1), 1.0)


def test_rows_without_features_are_not_judged_and_the_others_are() -> None:
    splits = _splits()
    known = np.arange(N_ITEMS) % 5 != 0

    _, table = _train("mel_svm", _features(splits, known), splits)

    assert (table["p_ash"].isna().to_numpy() == ~known).all()
