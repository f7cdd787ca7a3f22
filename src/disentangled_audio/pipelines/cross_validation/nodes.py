"""Adapters of cross-validation."""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    AugmentationParameters,
    Corpus,
    CrossValidationParameters,
    DisentanglerParameters,
    EvaluationParameters,
    FourierParameters,
    HybridParameters,
    Protocol,
    SvmParameters,
)
from disentangled_audio.pipelines.ingestion.nodes import split_recordings
from disentangled_audio.pipelines.stamps import check_same, stamp

logger = logging.getLogger(__name__)


def train_folds(  # noqa: PLR0913
    *,
    recordings: pd.DataFrame,
    corpus: Corpus,
    protocol: Protocol,
    fourier: FourierParameters,
    augmentation: AugmentationParameters,
    disentangler: DisentanglerParameters,
    svm: SvmParameters,
    hybrid: HybridParameters,
    cross_validation: CrossValidationParameters,
    seed: int,
    fold_results: Path,
    **data: Any,
) -> pd.DataFrame:
    """Train and predict fold by fold; a fold that was done before is not done again."""
    from disentangled_audio.evaluation.splits import fold_protocols
    from disentangled_audio.pipelines.cross_validation.folds import run_fold

    check_same(recordings, *data.values())
    folds = fold_protocols(recordings, protocol, seed)
    splits = {
        name: split_recordings(recordings, folds[name], seed)
        for name in _chosen(list(folds), cross_validation.folds)
    }
    _check_components(splits, fourier)
    parameters = {
        "params:corpus": corpus,
        "params:protocol": protocol,
        "params:fourier": fourier,
        "params:augmentation": augmentation,
        "params:disentangler": disentangler,
        "params:svm": svm,
        "params:hybrid": hybrid,
    }
    plain = {name: value.model_dump(mode="json") for name, value in parameters.items()}
    inputs = {"recordings": recordings, **data, **parameters, "params:seed": seed}
    rows = []
    for number, (name, of_fold) in enumerate(splits.items(), start=1):
        logger.info("fold %s (%d of %d)", name, number, len(splits))
        own = run_fold(of_fold, inputs, [plain, seed], fold_results)
        rows.append(_facts(name, of_fold, own))
    runs = pd.DataFrame(rows)
    runs.attrs["n_folds"] = len(folds)
    return stamp(runs, recordings)


def gather_folds(
    fold_runs: pd.DataFrame, fold_results: Path, recordings: pd.DataFrame
) -> pd.DataFrame:
    """Predictions of all folds that were run, in one table."""
    from disentangled_audio.pipelines.cross_validation.folds import PREDICTIONS

    check_same(fold_runs, recordings)
    tables = []
    for folder in fold_runs["folder"]:
        file = fold_results / folder / PREDICTIONS
        if not file.is_file():
            raise UserError(
                f"{file} is gone since the fold was run; run kedro run "
                "--pipelines=cross_validation again, with the same --env and --params"
            )
        tables.append(pd.read_parquet(file))
    # Their split hashes differ; the corpus is the same.
    for table in tables:
        table.attrs.clear()
    # A class that a fold cannot train on has no column there.
    return stamp(pd.concat(tables, ignore_index=True), recordings)


def score_folds(  # noqa: PLR0913
    cv_predictions: pd.DataFrame,
    control_predictions: pd.DataFrame,
    fold_runs: pd.DataFrame,
    corpus: Corpus,
    protocol: Protocol,
    evaluation: EvaluationParameters,
    corpus_name: str,
    protocol_name: str,
    seed: int,
) -> dict[str, Any]:
    """Score models and controls over all folds, and compare them in pairs."""
    from disentangled_audio.evaluation.cross_validation import summarise_folds

    hashes = check_same(cv_predictions, control_predictions, fold_runs)
    run = fold_runs["fold"].astype(str)
    metrics = summarise_folds(
        cv_predictions,
        control_predictions[control_predictions["fold"].isin(run)],
        corpus=corpus_name,
        simulated=corpus.simulated,
        protocol=protocol_name,
        target=protocol.target,
        n_resamples=evaluation.n_resamples,
        seed=seed,
        seconds=dict(zip(run, fold_runs["seconds"].astype(float), strict=True)),
    )
    return {**metrics, "n_folds": fold_runs.attrs["n_folds"], **hashes}


def plot_folds(cv_metrics: dict[str, Any]) -> Any:
    """Models against controls, fold by fold."""
    from disentangled_audio.plots.cross_validation import fold_comparison_figure

    return fold_comparison_figure(cv_metrics)


def _chosen(names: list[str], wanted: list[str] | None) -> list[str]:
    if wanted is None:
        return names
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise UserError(
            f"cross_validation.folds: no fold '{unknown[0]}'; this protocol has {', '.join(names)}"
        )
    return [name for name in names if name in wanted]


def _check_components(splits: dict[str, pd.DataFrame], fourier: FourierParameters) -> None:
    n_training = {name: int((of["role"] == "train").sum()) for name, of in splits.items()}
    fold = min(n_training, key=n_training.__getitem__)
    if fourier.n_components > n_training[fold]:
        raise UserError(
            f"fourier.n_components={fourier.n_components} is more than the {n_training[fold]} "
            f"training rows of fold '{fold}'; lower it to {n_training[fold]} or less"
        )


def _facts(name: str, splits: pd.DataFrame, folder: Path) -> dict[str, Any]:
    from disentangled_audio.pipelines.cross_validation.folds import FACTS

    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    n = splits["role"].value_counts()
    return {
        "fold": name,
        "folder": folder.name,
        **{f"n_{role}": int(n.get(role, 0)) for role in ("train", "validation", "test")},
        "seconds": round(sum(facts["seconds"].values()), 3),
    }
