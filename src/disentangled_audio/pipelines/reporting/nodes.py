"""Adapters of reporting."""

from typing import Any

import pandas as pd

from disentangled_audio.evaluation.summary import PROBABILITY_PREFIX, ROLES
from disentangled_audio.parameters import Corpus, EvaluationParameters, Protocol
from disentangled_audio.pipelines.stamps import check_same, stamp
from disentangled_audio.pipelines.svm_classification.nodes import MEMBERS

# In the order in which tables and figures show them.
MODELS = (*MEMBERS, "hybrid")
# Those of the original report have its three plots each.
PLOTTED = ("svm", "code_svm", "cnn", "hybrid")
PREDICTION_COLUMNS = (
    *("recording_id", "group", "kind", "fold", "role", "model", "target", "predicted"),
    *("temperature", "weight"),
)


def collect_predictions(
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    hybrid: Any,
    *probabilities: pd.DataFrame,
) -> pd.DataFrame:
    """One long table of what every model says of every labelled item.

    A model that cannot judge an item (room acoustics of a noise) answers with the shares of the
    classes in training; one that could not be fitted at all is left out.
    """
    check_same(recordings, splits, hybrid, *probabilities)
    items = splits[["recording_id", "group", "fold", "role", "target"]].assign(
        kind=recordings["kind"].to_numpy()
    )
    weights = dict(zip(hybrid.members_, map(float, hybrid.weights_), strict=True))
    tables = []
    for model, table in zip(MODELS, probabilities, strict=True):
        columns = table.filter(regex=f"^{PROBABILITY_PREFIX}")
        if columns.isna().all(axis=None):
            continue
        columns = columns.fillna(_class_shares(splits))
        facts = {
            "model": model,
            "predicted": columns.idxmax(axis=1).str.removeprefix(PROBABILITY_PREFIX),
            "temperature": float(table.attrs.get("temperature") or "nan"),
            "weight": weights.get(model, float("nan")),
        }
        tables.append(pd.concat([items.assign(**facts), columns], axis=1))
    predictions = pd.concat(tables, ignore_index=True)
    predictions = predictions[predictions["role"].isin(ROLES)].reset_index(drop=True)
    probability_columns = [c for c in predictions if c.startswith(PROBABILITY_PREFIX)]
    return stamp(predictions[[*PREDICTION_COLUMNS, *probability_columns]], splits, *probabilities)


def _class_shares(splits: pd.DataFrame) -> dict[str, float]:
    target = splits.loc[splits["role"] == "train", "target"]
    shares = target.value_counts(normalize=True)
    return {f"{PROBABILITY_PREFIX}{name}": float(share) for name, share in shares.items()}


def score_predictions(  # noqa: PLR0913
    predictions: pd.DataFrame,
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    corpus: Corpus,
    protocol: Protocol,
    evaluation: EvaluationParameters,
    corpus_name: str,
    protocol_name: str,
    seed: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Score models and controls on the test rows."""
    from disentangled_audio.evaluation.controls import control_predictions
    from disentangled_audio.evaluation.summary import summarise

    hashes = check_same(predictions, recordings, splits)
    used = splits[splits["role"].isin(ROLES)]
    metrics = summarise(
        predictions,
        control_predictions(recordings, used),
        corpus=corpus_name,
        simulated=corpus.simulated,
        protocol=protocol_name,
        target=protocol.target,
        n_resamples=evaluation.n_resamples,
        seed=seed,
        seconds=seconds,
    )
    return {**metrics, "fold": str(used["fold"].iloc[0]), **hashes}


def tabulate(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Classification report and confusion matrices of the test rows."""
    from disentangled_audio.evaluation.summary import classification_report_table, confusion_table

    return classification_report_table(predictions), confusion_table(predictions)


def plot_comparison(metrics: dict[str, Any]) -> Any:
    """Models against controls."""
    from disentangled_audio.plots.classification import comparison_figure

    return comparison_figure(metrics)


def plot_training(history: pd.DataFrame, corpus: Corpus) -> Any:
    """Training curves."""
    from disentangled_audio.plots.training import training_curves_figure

    return training_curves_figure(history, simulated=corpus.simulated)


def plot_model(
    confusion: pd.DataFrame, report: pd.DataFrame, corpus: Corpus, *, model: str
) -> tuple[Any, Any, Any]:
    """The three plots of the original report, for one model."""
    from disentangled_audio.plots.classification import (
        confusion_matrix_figure,
        f1_figure,
        precision_recall_figure,
    )

    return (
        confusion_matrix_figure(confusion, model, simulated=corpus.simulated),
        precision_recall_figure(report, model, simulated=corpus.simulated),
        f1_figure(report, model, simulated=corpus.simulated),
    )


def write_report(  # noqa: PLR0913
    metrics: dict[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
    rejected: pd.DataFrame,
    recordings: pd.DataFrame,
    history: pd.DataFrame,
    integrity: dict[str, Any],
    corpus: Corpus,
    parameters: dict[str, Any],
) -> str:
    """The whole result as one page."""
    from disentangled_audio.plots.report import render_report, report_figures

    figures = report_figures(metrics, classification_report, confusion, history)
    facts = {
        "description": corpus.description,
        "rights": recordings[["licence", "citation"]].drop_duplicates().to_dict("records"),
        "findings": integrity["findings"],
        "simulated": corpus.simulated,
        "counts": {
            "files": int(recordings["path"].nunique()),
            "items": len(recordings),
            **{f"items of kind {k}": int(n) for k, n in recordings["kind"].value_counts().items()},
        },
    }
    return render_report(
        metrics, classification_report, confusion, rejected, facts, plain(parameters), figures
    )


def plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON can hold them, without the corpora and protocols not chosen."""
    return {
        name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        for name, value in parameters.items()
        if not name.startswith("_") and name != "seconds"
    }
