"""Nodes of the audit."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.models.arrays import computed
from disentangled_audio.models.shortcut_values import shortcut_values
from disentangled_audio.parameters import (
    AuditParameters,
    Corpus,
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
) -> tuple[pd.DataFrame, Any]:
    """Compute spectra that a shortcut could use, and fingerprints, each from a single clip."""
    check_same(waveforms, recordings)
    rate_hz = corpus.analysis.clip_rate_hz
    work = partial(shortcut_values, sample_rate_hz=rate_hz, audit=audit)
    made = computed("shortcuts", waveforms, work, [rate_hz, audit.model_dump()], chunks, parallel)
    fingerprints = made.pop("fingerprints")
    spectra = [
        pd.DataFrame(values[:], columns=[f"{name}_{k:02d}" for k in range(values.shape[1])])
        for name, values in made.items()
    ]
    table = pd.concat(spectra, axis=1)
    table.insert(0, "recording_id", recordings["recording_id"].to_numpy())
    return stamp(table, waveforms, recordings), stamp(fingerprints, waveforms)


def predict_from_controls(
    recordings: pd.DataFrame,
    shortcut_features: pd.DataFrame,
    splits: pd.DataFrame,
    protocol: Protocol,
    seed: int,
) -> pd.DataFrame:
    """Predict the test rows of every fold from each control."""
    from disentangled_audio.evaluation.scores.summary import ROLES
    from disentangled_audio.evaluation.shortcuts.controls import control_items, control_predictions

    check_same(recordings, shortcut_features, splits)
    items = control_items(recordings, shortcut_features)
    tables = [
        control_predictions(items, recordings, of_fold[of_fold["role"].isin(ROLES)])
        for of_fold in _all_splits(recordings, splits, protocol, seed)
    ]
    return stamp(pd.concat(tables, ignore_index=True), recordings, splits)


def _all_splits(
    recordings: pd.DataFrame, splits: pd.DataFrame, protocol: Protocol, seed: int
) -> list[pd.DataFrame]:
    """Make the splits of every fold, or use only this run's if others cannot be made."""
    from disentangled_audio.evaluation.splits import fold_protocols

    try:
        folds = fold_protocols(recordings, protocol, seed)
    except UserError as error:
        logger.warning("the audit covers only the fold of this run: %s", error)
        return [splits]
    own = str(splits["fold"].iloc[0])
    return [
        splits if name == own else stamped_splits(recordings, one, seed)
        for name, one in folds.items()
    ]


def audit_shortcuts(  # noqa: PLR0913, PLR0917
    control_predictions: pd.DataFrame,
    predictions: pd.DataFrame,
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    shortcut_features: pd.DataFrame,
    fingerprints: Any,
    waveforms: Any,
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

    sources = (control_predictions, predictions, recordings, splits, fingerprints, waveforms)
    hashes = check_same(*sources, shortcut_features)
    resampling = {"n_resamples": evaluation.n_resamples, "seed": seed}
    found = audit.audit_controls(
        control_predictions,
        constant=constant_controls(control_items(recordings, shortcut_features)),
        corpus=corpus_name,
        simulated=corpus.simulated,
        protocol=protocol_name,
        target=protocol.target,
        **resampling,
    )
    margins = audit.margins_over_controls(predictions, control_predictions, **resampling)
    named = [*protocol.group_by, *protocol.factors]
    columns = leaks.shared_columns(recordings, named, protocol.target)
    duplicates = leaks.near_duplicates(
        fingerprints[:], splits["role"].to_numpy(), partial(_correlation, waveforms)
    )
    names = recordings["recording_id"]
    duplicates["first"] = [[names[a], names[b]] for a, b in duplicates["first"]]
    leakage = {
        "shares": leaks.shares_in_training(recordings, splits, columns),
        "near_duplicates": duplicates,
    }
    return {
        **found,
        "fold": str(splits["fold"].iloc[0]),
        "margins": margins,
        "leakage": leakage,
        "verdict": verdict(found, margins, leakage),
        **hashes,
    }


def _correlation(waveforms: Any, first: Any, second: Any) -> Any:
    import numpy as np

    from disentangled_audio.signal.fingerprint import best_correlation

    # Each row is read once, in order.
    rows, index = np.unique(np.concatenate([first, second]), return_inverse=True)
    clips = waveforms.oindex[rows]
    parts = np.split(index, 2)
    return best_correlation(clips[parts[0]], clips[parts[1]])


def plot_audit(audit: dict[str, Any]) -> Any:
    """Draw how well each control predicts the label."""
    from disentangled_audio.report.figures import of_audit

    return of_audit(audit)
