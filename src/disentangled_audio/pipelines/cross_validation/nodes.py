"""Adapters of cross-validation."""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    AcousticParameters,
    AugmentationParameters,
    CepstraParameters,
    Corpus,
    CrossValidationParameters,
    DisentanglementParameters,
    DisentanglerParameters,
    EvaluationParameters,
    FourierParameters,
    HybridParameters,
    Protocol,
    SvmParameters,
    ViewParameters,
)
from disentangled_audio.runs.provenance import STAMPS, check_same, stamp, stamp_of, stamped_splits

logger = logging.getLogger(__name__)

NOT_MEASURED = "not measured: cross_validation.disentanglement is false"


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
    views: ViewParameters,
    cepstra: CepstraParameters,
    acoustic: AcousticParameters,
    disentanglement: DisentanglementParameters,
    cross_validation: CrossValidationParameters,
    seed: int,
    fold_results: Path,
    **data: Any,
) -> pd.DataFrame:
    """Train, predict and measure fold by fold; what was done before is not done again."""
    from disentangled_audio.evaluation.splits import fold_protocols
    from disentangled_audio.pipelines.cross_validation.folds import run_fold

    check_same(recordings, *data.values())
    folds = fold_protocols(recordings, protocol, seed)
    splits = {
        name: stamped_splits(recordings, folds[name], seed)
        for name in _chosen(list(folds), cross_validation.folds)
    }
    _check_components(splits, fourier)
    parameters = {
        "params:corpus": corpus,
        "params:fourier": fourier,
        "params:augmentation": augmentation,
        "params:disentangler": disentangler,
        "params:svm": svm,
        "params:hybrid": hybrid,
    }
    plain = {name: value.model_dump(mode="json") for name, value in parameters.items()}
    # Losses may name them.
    plain["factors"] = protocol.factors
    features = [value.model_dump(mode="json") for value in (views, cepstra, acoustic)]
    measurement = None
    if cross_validation.disentanglement:
        measurement = disentanglement.model_dump(mode="json")
    inputs = {
        "recordings": recordings,
        **data,
        **parameters,
        "params:views": views,
        "params:protocol": protocol,
        "params:disentanglement": disentanglement,
        "params:seed": seed,
    }
    rows = []
    for number, (name, of_fold) in enumerate(splits.items(), start=1):
        logger.info("fold %s (%d of %d)", name, number, len(splits))
        own = run_fold(of_fold, inputs, [plain, seed], fold_results, features, measurement)
        rows.append(_facts(name, of_fold, own, measurement))
    runs = pd.DataFrame(rows)
    runs.attrs["n_folds"] = len(folds)
    return stamp(runs, recordings)


def gather_folds(
    fold_runs: pd.DataFrame, fold_results: Path, recordings: pd.DataFrame
) -> pd.DataFrame:
    """Predictions of all folds that were run, in one table."""
    from disentangled_audio.pipelines.cross_validation.folds import PREDICTIONS

    check_same(fold_runs, recordings)
    tables = [_table(fold_results / folder / PREDICTIONS) for folder in fold_runs["folder"]]
    # A class that a fold cannot train on has no column there.
    return stamp(pd.concat(tables, ignore_index=True), recordings)


def gather_disentanglement(
    fold_runs: pd.DataFrame, fold_results: Path, recordings: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Leakage matrix, swaps, regressions and block scores over all folds; empty if none was."""
    from disentangled_audio.evaluation.representation import leakage, regression, swaps
    from disentangled_audio.evaluation.representation.disentanglement import summary_over_folds
    from disentangled_audio.pipelines.cross_validation.folds import (
        DISENTANGLEMENT,
        LEAKAGE,
        NUMBERS,
        SWAPS,
    )

    hashes = check_same(fold_runs, recordings)
    counts = {"n_folds": fold_runs.attrs["n_folds"], **hashes}
    runs = fold_runs[fold_runs["measured"] != ""]
    if runs.empty:
        nothing = [
            stamp(pd.DataFrame(columns=[*columns, "n_folds"]), recordings)
            for columns in (leakage.COLUMNS, swaps.COLUMNS)
        ]
        nothing.append(stamp(pd.DataFrame(columns=list(regression.SCORE_COLUMNS)), recordings))
        return *nothing, {**summary_over_folds({}), "reason": NOT_MEASURED, **counts}
    folders = [fold_results / run.folder / run.measured for run in runs.itertuples()]
    texts = [_found(folder / DISENTANGLEMENT).read_text(encoding="utf-8") for folder in folders]
    summaries = {
        name: {key: value for key, value in json.loads(text).items() if key not in STAMPS}
        for name, text in zip(runs["fold"].astype(str), texts, strict=True)
    }
    numbers = pd.concat([_table(own / NUMBERS) for own in folders], ignore_index=True)
    return (
        stamp(leakage.mean_over_folds([_table(own / LEAKAGE) for own in folders]), recordings),
        stamp(swaps.swaps_over_folds([_table(own / SWAPS) for own in folders]), recordings),
        stamp(regression.regression_scores(numbers, seed), recordings),
        {**summary_over_folds(summaries), "reason": "", **counts},
    )


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
    from disentangled_audio.evaluation.scores.cross_validation import summarise_folds

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
    from disentangled_audio.report.figures import of_folds

    return of_folds(cv_metrics)


def plot_leakage_of_folds(leakage: pd.DataFrame, summary: dict[str, Any], corpus: Corpus) -> Any:
    """Heat map of what each code says, mean over folds."""
    from disentangled_audio.report.figures import folds_leakage_figure

    return folds_leakage_figure(leakage, summary, corpus)


def show_folds(
    metrics: dict[str, Any],
    leakage: pd.DataFrame,
    disentanglement: dict[str, Any],
    fold_runs: pd.DataFrame,
    corpus: Corpus,
) -> dict[str, Any]:
    """Section of the report: models against controls over all folds, and what codes say."""
    from disentangled_audio.report.sections.folds import folds_section

    return {**folds_section(metrics, leakage, disentanglement, corpus), **stamp_of(fold_runs)}


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


def _table(file: Path) -> pd.DataFrame:
    """A fold's table, without its stamps: split hashes of folds differ, the corpus is the same."""
    table = pd.read_parquet(_found(file))
    table.attrs.clear()
    return table


def _found(file: Path) -> Path:
    if not file.is_file():
        raise UserError(
            f"{file} is gone since the fold was run; run kedro run "
            "--pipelines=cross_validation again, with the same --env and --params"
        )
    return file


def _facts(name: str, splits: pd.DataFrame, folder: Path, measurement: Any) -> dict[str, Any]:
    from disentangled_audio.pipelines.cross_validation.folds import FACTS, measurement_name

    measured = "" if measurement is None else measurement_name(measurement)
    n = splits["role"].value_counts()
    return {
        "fold": name,
        "folder": folder.name,
        **{f"n_{role}": int(n.get(role, 0)) for role in ("train", "validation", "test")},
        "seconds": _seconds(folder / FACTS),
        "measured": measured,
        "measurement_seconds": _seconds(folder / measured / FACTS) if measured else 0.0,
    }


def _seconds(facts: Path) -> float:
    seconds = json.loads(facts.read_text(encoding="utf-8"))["seconds"]
    return round(sum(seconds.values()), 3)
