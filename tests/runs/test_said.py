"""A warning of many folds is given once."""

import logging

import pytest

from disentangled_audio.runs import said

_logger = logging.getLogger("disentangled_audio.test")


def test_folds_give_one_warning_about_each_thing(caplog: pytest.LogCaptureFixture) -> None:
    with said.once():
        for fold in range(3):
            said.warn(_logger, "mel_svm", f"is left out in fold {fold}")
            said.warn(_logger, "timbre_svm", "is left out")
    assert caplog.messages == ["mel_svm is left out in fold 0", "timbre_svm is left out"]


def test_the_next_run_warns_again_and_so_does_a_run_without_folds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(2):
        with said.once():
            said.warn(_logger, "mel_svm", "is left out")
    said.warn(_logger, "mel_svm", "is left out")
    said.warn(_logger, "mel_svm", "is left out")
    assert len(caplog.messages) == 4
