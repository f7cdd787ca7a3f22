"""The audit names what was planted, and nothing where nothing was."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.corpora.generators.twin_table import twin_files
from disentangled_audio.corpora.reading.ingest import ingest
from disentangled_audio.evaluation.shortcuts.audit import audit_controls
from disentangled_audio.evaluation.shortcuts.controls import constant_controls, control_items
from disentangled_audio.parameters import (
    AuditParameters,
    Corpus,
    CrossValidationParameters,
    ParallelParameters,
    Protocol,
)
from disentangled_audio.pipelines.audit.nodes import measure_shortcuts, predict_from_controls
from disentangled_audio.pipelines.ingestion.nodes import split_recordings
from tests.conftest import load_catalog

ONE_JOB = ParallelParameters(n_jobs=1)
RANDOM = {"strategy": "random", "n_folds": 5}
# What `corpora/simulate.py` says it plants, by the control that sees it.
PLANTED = {
    "channels": "1: channel count",
    "duration": "1: length",
    "byte_size": "1 and 2: channels, length and header",
    "first_arrival": "3: trimmed, or with a system delay",
    "bandwidth": "4: high cut",
    "direct_sound": "4: colouration",
    "long_term_spectrum": "4: colouration",
    "noise_floor": "5: noise floor",
    "quiet_parts": "5: noise floor",
    "stored_bits": "5 and 6: the weaker the floor, the more samples are zero",
    "tail_level": "5 and 6: level of the floor",
    "peak": "6: level",
    "level": "6: level",
    "kind": "7: 90 of 92 noises are of one database",
    "name_length": "names are those of the real files",
    "all_metadata": "all of them",
}
# Too weak for the 70 files of the tiny twin; with all 417, they are found as well.
WEAK = {"tail_level", "kind", "name_length", "quiet_parts"}


def audited(
    recordings: pd.DataFrame, shortcuts: pd.DataFrame, protocol: dict[str, Any]
) -> dict[str, Any]:
    asked = Protocol.model_validate(protocol)
    splits = split_recordings(recordings, asked, 7)
    return audit_controls(
        predict_from_controls(recordings, shortcuts, splits, asked, CrossValidationParameters(), 7),
        constant=constant_controls(control_items(recordings, shortcuts, splits, asked.target)),
        corpus="c",
        simulated=True,
        protocol="p",
        target=asked.target,
    )


def found(audit: dict[str, Any]) -> set[str]:
    return {*audit["shortcuts"], *audit["baselines"]}


@pytest.fixture(scope="module")
def tiny(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    catalog = load_catalog(tiny_run)
    return catalog.load("recordings"), catalog.load("shortcut_features")


def test_every_planted_shortcut_of_the_twin_is_named(tiny: tuple[Any, Any]) -> None:
    audit = audited(*tiny, {"target": "database", "split": RANDOM})
    assert set(PLANTED) - WEAK <= found(audit) <= set(PLANTED)
    assert set(audit["not_applicable"]) == {"sample_rate"}


def test_a_label_that_nothing_was_planted_for_is_not_told(tiny: tuple[Any, Any]) -> None:
    """The source's angle is `a` or `b` in every room of RVB2014, drawn alike."""
    of_angles = {"database": ["RVB2014"], "kind": ["rir"]}
    audit = audited(
        *tiny, {"target": "angle", "where": of_angles, "split": {**RANDOM, "n_folds": 3}}
    )
    assert found(audit) == set()


def test_all_files_of_the_twin_by_their_headers_alone() -> None:
    """Names, channels and lengths of all 417, beside numbers that know nothing."""
    groups = twin_files()
    rng = np.random.default_rng(0)
    recordings = pd.DataFrame(
        {
            "recording_id": list(groups),
            "path": list(groups),
            "database": [group.database for group in groups.values()],
            "kind": [group.kind for group in groups.values()],
            "sample_rate_hz": 16_000,
            "n_channels": [group.n_channels for group in groups.values()],
            "duration_s": [group.n_frames / 16_000 for group in groups.values()],
            "n_bytes": [
                (80 if group.n_channels > 2 else 44) + 2 * group.n_channels * group.n_frames
                for group in groups.values()
            ],
            "peak": rng.random(len(groups)),
            "noise_floor_db": rng.normal(-80, 5, len(groups)),
        }
    )
    shortcuts = pd.DataFrame(rng.standard_normal((len(groups), 8)))
    shortcuts = shortcuts.add_prefix("direct_").assign(recording_id=recordings["recording_id"])
    audit = audited(recordings, shortcuts, {"target": "database", "split": RANDOM})
    planted = {"channels", "duration", "byte_size", "kind", "name_length"}
    assert found(audit) == planted | {"all_metadata"}
    assert audit["controls"]["byte_size"]["balanced_accuracy"] > 0.98
    # A noise is RVB2014's; a response may be anyone's.
    assert audit["controls"]["kind"]["gives_away"] == ["RVB2014"]


@pytest.fixture(scope="module")
def factors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = tmp_path_factory.mktemp("factors")
    pattern = r"(?P<content>[a-z]+)_(?P<rhythm>[a-z]+)_(?P<pitch>\d+hz)_(?P<take>\d+)\.wav"
    corpus = Corpus.model_validate(
        {
            "sources": [{"generator": "factors", "takes": 3}],
            "name_patterns": [pattern],
            "kind": "tone",
            "analysis": {"sample_rate_hz": 16_000, "duration_s": 1.0},
        }
    )
    made = ingest(corpus, [folder], folder / "clips", ONE_JOB)
    table = measure_shortcuts(
        made.waveforms, made.recordings, corpus, AuditParameters(), folder / "chunks", ONE_JOB
    )
    return made.recordings, table


@pytest.mark.parametrize(
    ("target", "in_the_spectrum"), [("content", True), ("pitch", True), ("rhythm", False)]
)
def test_factors_have_no_shortcut(
    factors: tuple[Any, Any], target: str, in_the_spectrum: bool
) -> None:
    """A vowel and a pitch are in the spectrum by their nature: no shortcuts, but the answer."""
    protocol = {
        "target": target,
        "group_by": ["content", "rhythm", "pitch"],
        "split": {"strategy": "combinations", "n_folds": 5},
    }
    audit = audited(*factors, protocol)
    assert audit["shortcuts"] == []
    assert ("long_term_spectrum" in audit["baselines"]) is in_the_spectrum
    assert {"channels", "kind", "sample_rate", "name_length"} <= set(audit["not_applicable"])


def test_other_folds_that_cannot_be_made_are_told(
    tiny: tuple[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    recordings, shortcuts = tiny
    # Two of three groups lack a class, so that only one fold can be tested.
    label = np.where(np.arange(len(recordings)) % 3 == 0, "x", "y")
    place = np.where(np.arange(len(recordings)) % 5 < 2, "near", "far")
    label = np.where((place == "far") & (np.arange(len(recordings)) % 2 == 0), "z", label)
    table = recordings.assign(label=label, place=place)
    protocol = {
        "target": "label",
        "split": {
            "strategy": "column",
            "column": "place",
            "fold": "near",
            "validation_folds": 2,
            "allow_missing_classes": True,
        },
    }
    audit = audited(table, shortcuts, protocol)
    assert audit["n_folds"] == 1
    assert "the audit covers only the fold of this run" in caplog.text


def test_the_saved_audit_has_figures_and_words(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    audit, metrics = catalog.load("audit"), catalog.load("metrics")
    assert set(audit["margins"]) == {"shortcut", "simple baseline"}
    assert set(audit["margins"]["shortcut"]["models"]) == set(metrics["models"])
    assert audit["leakage"]["shares"] == {"group": 0.0, "file": 0.0, "room": 0.0}
    assert audit["verdict"][0].startswith("These recordings are simulated.")
    controls = catalog.load("control_predictions")
    assert controls["fold"].nunique() == audit["n_folds"] == 4
    assert {*audit["controls"], *audit["not_applicable"]} == {*PLANTED, "majority", "sample_rate"}
    assert set(metrics["controls"]) == set(audit["controls"])
    report = catalog.load("report")
    assert "Shortcut audit" in report
    assert "Channels: this shortcut alone recognises the right database" in report
