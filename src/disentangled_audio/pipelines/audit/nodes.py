"""Nodes of the audit."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.models.arrays import computed
from disentangled_audio.models.quiet_values import quiet_values, recorded_part
from disentangled_audio.models.shortcut_values import shortcut_values
from disentangled_audio.parameters import (
    AuditParameters,
    Corpus,
    CrossValidationParameters,
    EvaluationParameters,
    ParallelParameters,
    Protocol,
)
from disentangled_audio.runs.provenance import check_same, stamp, stamped_splits

logger = logging.getLogger(__name__)


def measure_shortcuts(
    waveforms: Any,
    recordings: pd.DataFrame,
    corpus: Corpus,
    audit: AuditParameters,
    chunks: Path,
    parallel: ParallelParameters,
) -> pd.DataFrame:
    """Compute spectra that a control sees, each from a single clip."""
    check_same(waveforms, recordings)
    rate_hz = corpus.analysis.clip_rate_hz
    work = partial(shortcut_values, sample_rate_hz=rate_hz, audit=audit)
    made = computed(
        "shortcuts",
        waveforms,
        work,
        [rate_hz, audit.model_dump()],
        chunks,
        parallel,
        stage="audit",
    )
    made |= computed(
        "quiet",
        waveforms,
        partial(quiet_values, sample_rate_hz=rate_hz, audit=audit),
        [rate_hz, audit.model_dump()],
        chunks,
        parallel,
        row_values=recorded_part(recordings, corpus.analysis, waveforms.shape[1]),
        stage="audit",
    )
    spectra = [
        pd.DataFrame(values[:], columns=[f"{name}_{k:02d}" for k in range(values.shape[1])])
        for name, values in made.items()
    ]
    table = pd.concat(spectra, axis=1)
    table.insert(0, "recording_id", recordings["recording_id"].to_numpy())
    return stamp(table, waveforms, recordings)


def predict_from_controls(
    recordings: pd.DataFrame,
    shortcut_features: pd.DataFrame,
    splits: pd.DataFrame,
    protocol: Protocol,
    cross_validation: CrossValidationParameters,
    seed: int,
) -> pd.DataFrame:
    """Predict the test rows of every fold from each control."""
    from disentangled_audio.evaluation.scores.summary import ROLES
    from disentangled_audio.evaluation.shortcuts.controls import control_items, control_predictions

    check_same(recordings, shortcut_features, splits)
    items = control_items(recordings, shortcut_features, splits, protocol.target)
    tables = [
        control_predictions(items, recordings, of_fold[of_fold["role"].isin(ROLES)])
        for of_fold in _all_splits(
            recordings, splits, protocol, cross_validation.seeds or [seed], seed
        )
    ]
    return stamp(pd.concat(tables, ignore_index=True), recordings, splits)


def _all_splits(
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    protocol: Protocol,
    seeds: list[int],
    seed: int,
) -> list[pd.DataFrame]:
    """Make the splits of every fold, or use only this run's if others cannot be made."""
    from disentangled_audio.evaluation.splits import seeded_folds

    try:
        folds = seeded_folds(recordings, protocol, seeds)
    except UserError as error:
        logger.warning("the audit covers only the fold of this run: %s", error)
        return [splits]
    own = str(splits["fold"].iloc[0]), seed
    return [
        (
            splits
            if (one.fold, one.seed) == own
            else stamped_splits(recordings, one.protocol, one.seed)
        ).assign(fold=one.name)
        for one in folds
    ]


def audit_shortcuts(  # noqa: PLR0913, PLR0917
    control_predictions: pd.DataFrame,
    predictions: pd.DataFrame,
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    shortcut_features: pd.DataFrame,
    shared_sound: pd.DataFrame,
    corpus: Corpus,
    protocol: Protocol,
    evaluation: EvaluationParameters,
    corpus_name: str,
    protocol_name: str,
    seed: int,
) -> dict[str, Any]:
    """Measure how well controls predict the label, the models' margins, and leaks."""
    from disentangled_audio.evaluation.shortcuts import audit, leaks
    from disentangled_audio.evaluation.shortcuts.controls import constant_controls, control_items
    from disentangled_audio.report.verdict import verdict

    sources = (control_predictions, predictions, recordings, splits, shared_sound)
    hashes = check_same(*sources, shortcut_features)
    items = control_items(recordings, shortcut_features, splits, protocol.target)
    resampling = {"n_resamples": evaluation.n_resamples, "seed": seed}
    found = audit.audit_controls(
        control_predictions,
        constant=constant_controls(items),
        corpus=corpus_name,
        simulated=corpus.simulated,
        protocol=protocol_name,
        target=protocol.target,
        **resampling,
    )
    found["guessed"] = audit.guessed_items(control_predictions, items)
    margins = audit.margins_over_controls(predictions, control_predictions, **resampling)
    named = [*protocol.group_by, *protocol.factors]
    columns = leaks.shared_columns(recordings, named, protocol.target)
    leakage = {
        "shares": leaks.shares_in_training(recordings, splits, columns),
        "shared_sound": leaks.sound_in_parts(recordings, splits, shared_sound),
    }
    return {
        **found,
        "fold": str(splits["fold"].iloc[0]),
        "margins": margins,
        "leakage": leakage,
        "verdict": verdict(found, margins, leakage),
        **hashes,
    }


def plot_audit(audit: dict[str, Any]) -> Any:
    """Draw how well each control predicts the label."""
    from disentangled_audio.report.figures import of_audit

    return of_audit(audit)
