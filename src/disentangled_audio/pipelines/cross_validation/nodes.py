"""Nodes of cross-validation."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from pydantic import BaseModel

from disentangled_audio.datasets.entries_of_folds import partition_name
from disentangled_audio.errors import UserError
from disentangled_audio.models.embedding_features import MADE_WITH
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

# Stages (storage.hashing) whose code decides each part of a fold.
TRAINED_BY = ("features", "training")
CLASSIFIED_BY = ("classifiers",)
MEASURED_BY = ("measurement",)
ROLES = ("train", "validation", "test")
NOT_MEASURED = "not measured: cross_validation.disentanglement is false"
# Loads one version of one fold.
Loader = Callable[[], Any]


def check_folds(
    recordings: pd.DataFrame,
    protocol: Protocol,
    cross_validation: CrossValidationParameters,
    seed: int,
) -> None:
    """Stop before features are computed if a fold cannot be made."""
    from disentangled_audio.evaluation.splits import seeded_folds

    seeded_folds(recordings, protocol, cross_validation.seeds or [seed])


def plan_folds(  # noqa: PLR0913
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
    **shared: Any,
) -> pd.DataFrame:
    """Plan the chosen folds, with hashes of all that training and measurement depend on."""
    from disentangled_audio.evaluation.splits import seeded_folds
    from disentangled_audio.runs.folds import folder_of, result_key

    check_same(recordings, *shared.values())
    folds = seeded_folds(recordings, protocol, cross_validation.seeds or [seed])
    chosen = _chosen([one.fold for one in folds], cross_validation.folds)
    planned = [one for one in folds if one.fold in chosen]
    splits = {one.name: stamped_splits(recordings, one.protocol, one.seed) for one in planned}
    _check_components(splits, fourier)
    trained_with = (corpus, fourier, augmentation, disentangler, views, cepstra, acoustic)
    made_with = shared["embedding_features"].attrs.get(MADE_WITH)
    weights = [made_with] if made_with else []
    rows = []
    for one in planned:
        of_fold = splits[one.name]
        # Losses may name factors.
        inputs = (stamp_of(of_fold), _plain(*trained_with), protocol.factors, one.seed)
        training = result_key(TRAINED_BY, *inputs)
        classification = result_key(CLASSIFIED_BY, training, _plain(svm, hybrid), *weights)
        measurement = result_key(MEASURED_BY, training, _plain(disentanglement))
        rows.append(
            {
                "fold": one.name,
                "folder": folder_of(one.fold if one.seed == seed else one.name),
                "seed": one.seed,
                **{f"n_{role}": int((of_fold["role"] == role).sum()) for role in ROLES},
                "training_key": training,
                "classification_key": classification,
                "measurement_key": measurement if cross_validation.disentanglement else "",
                "protocol": one.protocol.model_dump_json(),
            }
        )
    plan = pd.DataFrame(rows)
    plan.attrs["n_folds"] = len(folds)
    return stamp(plan, recordings)


def list_fold_runs(
    fold_plan: pd.DataFrame, fold_manifests: dict[str, Loader], recordings: pd.DataFrame
) -> pd.DataFrame:
    """List the versions of the planned folds, and their seconds."""
    check_same(fold_plan, recordings)
    rows = []
    for fold in fold_plan.itertuples():
        trained = _manifest(fold_manifests, fold.folder, fold.training_key)
        classified = _manifest(fold_manifests, fold.folder, fold.classification_key)
        measured = {"run_id": "", "seconds": {}}
        if fold.measurement_key:
            measured = _manifest(fold_manifests, fold.folder, fold.measurement_key)
        rows.append(
            {
                "version": classified["run_id"],
                "seconds": _total(trained) + _total(classified),
                "measured": measured["run_id"],
                "measurement_seconds": _total(measured),
            }
        )
    known = ["fold", "folder", "seed", *(f"n_{role}" for role in ROLES)]
    runs = pd.concat([fold_plan[known], pd.DataFrame(rows, index=fold_plan.index)], axis=1)
    runs.attrs = dict(fold_plan.attrs)
    return runs


def gather_folds(
    fold_runs: pd.DataFrame, fold_predictions: dict[str, Loader], recordings: pd.DataFrame
) -> pd.DataFrame:
    """Gather the predictions of all folds that were run in one table."""
    check_same(fold_runs, recordings)
    tables = _tables(fold_predictions, "predictions.parquet", fold_runs, "version")
    named = [table.assign(fold=name) for table, name in zip(tables, fold_runs["fold"], strict=True)]
    # A fold without training rows of a class has no column for it.
    return stamp(pd.concat(named, ignore_index=True), recordings)


def gather_disentanglement(
    fold_runs: pd.DataFrame,
    fold_leakage_matrix: dict[str, Loader],
    fold_swaps: dict[str, Loader],
    fold_factor_predictions: dict[str, Loader],
    fold_disentanglement: dict[str, Loader],
    recordings: pd.DataFrame,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Gather leakage, swaps, regressions and block scores of all folds; empty if unmeasured."""
    from disentangled_audio.evaluation.representation import leakage, over_folds, regression, swaps

    hashes = check_same(fold_runs, recordings)
    counts = {"n_folds": fold_runs.attrs["n_folds"], **hashes}
    runs = fold_runs[fold_runs["measured"] != ""]
    if runs.empty:
        nothing = [
            stamp(pd.DataFrame(columns=[*columns, "n_folds"]), recordings)
            for columns in (leakage.COLUMNS, swaps.COLUMNS)
        ]
        nothing.append(stamp(pd.DataFrame(columns=list(regression.SCORE_COLUMNS)), recordings))
        return *nothing, {**over_folds.summary_over_folds({}), "reason": NOT_MEASURED, **counts}
    matrices = _tables(fold_leakage_matrix, "leakage_matrix.parquet", runs, "measured")
    swapped = _tables(fold_swaps, "swaps.parquet", runs, "measured")
    numbers = pd.concat(
        _tables(fold_factor_predictions, "factor_predictions.parquet", runs, "measured"),
        ignore_index=True,
    )
    loaded = _results(fold_disentanglement, "disentanglement.json", runs, "measured")
    summaries = {
        name: {key: value for key, value in of_fold.items() if key not in STAMPS}
        for name, of_fold in zip(runs["fold"].astype(str), loaded, strict=True)
    }
    return (
        stamp(over_folds.mean_over_folds(matrices), recordings),
        stamp(over_folds.swaps_over_folds(swapped), recordings),
        stamp(regression.regression_scores(numbers, seed), recordings),
        {**over_folds.summary_over_folds(summaries), "reason": "", **counts},
    )


def score_folds(  # noqa: PLR0913, PLR0917
    cv_predictions: pd.DataFrame,
    control_predictions: pd.DataFrame,
    fold_runs: pd.DataFrame,
    recordings: pd.DataFrame,
    shared_sound: pd.DataFrame,
    corpus: Corpus,
    protocol: Protocol,
    evaluation: EvaluationParameters,
    corpus_name: str,
    protocol_name: str,
    seed: int,
) -> dict[str, Any]:
    """Score models and controls over all folds, and compare them in pairs."""
    from disentangled_audio.evaluation.scores.cross_validation import summarise_folds
    from disentangled_audio.evaluation.shortcuts.leaks import sound_in_parts

    tables = (cv_predictions, control_predictions, fold_runs, recordings, shared_sound)
    hashes = check_same(*tables)
    one_model = cv_predictions[cv_predictions["model"] == cv_predictions["model"].iloc[0]]
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
        seeds=dict(zip(run, fold_runs["seed"].astype(int), strict=True)),
    )
    return {
        **metrics,
        "shared_sound": sound_in_parts(recordings, one_model, shared_sound),
        "n_folds": fold_runs.attrs["n_folds"],
        **hashes,
    }


def plot_folds(cv_metrics: dict[str, Any]) -> Any:
    """Compare models with controls, fold by fold."""
    from disentangled_audio.report.figures import of_folds

    return of_folds(cv_metrics)


def plot_leakage_of_folds(leakage: pd.DataFrame, summary: dict[str, Any], corpus: Corpus) -> Any:
    """Draw the heat map of factors predicted from codes, as a mean over folds."""
    from disentangled_audio.report.figures import folds_leakage_figure

    return folds_leakage_figure(leakage, summary, corpus)


def show_folds(
    metrics: dict[str, Any],
    leakage: pd.DataFrame,
    disentanglement: dict[str, Any],
    fold_runs: pd.DataFrame,
    corpus: Corpus,
) -> dict[str, Any]:
    """Section of the report: models beside controls over all folds, and the codes."""
    from disentangled_audio.report.sections.folds import folds_section

    return {**folds_section(metrics, leakage, disentanglement, corpus), **stamp_of(fold_runs)}


def _plain(*parameters: BaseModel) -> list[dict[str, Any]]:
    return [group.model_dump(mode="json") for group in parameters]


def _chosen(folds: list[str], wanted: list[str] | None) -> list[str]:
    names = list(dict.fromkeys(folds))
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


def _manifest(manifests: dict[str, Loader], folder: str, key: str) -> dict[str, Any]:
    """Newest manifest of a fold with the key."""
    of_fold = sorted(name for name in manifests if name.startswith(f"{folder}/"))
    for name in reversed(of_fold):
        manifest = manifests[name]()
        if manifest.get("key") == key:
            return manifest
    raise _missing(f"run of fold '{folder}' as planned")


def _total(manifest: dict[str, Any]) -> float:
    return round(sum(manifest["seconds"].values()), 3)


def _tables(
    loaders: dict[str, Loader], file: str, runs: pd.DataFrame, version: str
) -> list[pd.DataFrame]:
    """One table per fold, without stamps, because split hashes of folds differ."""
    tables = _results(loaders, file, runs, version)
    for table in tables:
        table.attrs.clear()
    return tables


def _results(loaders: dict[str, Loader], file: str, runs: pd.DataFrame, version: str) -> list[Any]:
    names = [
        partition_name(folder, file, run)
        for folder, run in zip(runs["folder"], runs[version], strict=True)
    ]
    for name in names:
        if name not in loaders:
            raise _missing(name)
    return [loaders[name]() for name in names]


def _missing(what: str) -> UserError:
    return UserError(
        f"there is no {what}: the fold has not been run since it was planned, or its results were "
        "removed. Run kedro run --pipelines=cross_validation with the same --env and --params, "
        "which runs the folds that are missing"
    )
