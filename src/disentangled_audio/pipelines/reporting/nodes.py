"""Adapters of reporting."""

from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.parameters import (
    GROUPS,
    Corpus,
    EvaluationParameters,
    HybridParameters,
    Protocol,
)
from disentangled_audio.report.sections import digest_of, fresh
from disentangled_audio.runs.checks import MEASURED
from disentangled_audio.runs.provenance import check_same, stamp, stamp_of

# Those of the original report have its three plots each.
PLOTTED = ("svm", "code_svm", "cnn", HYBRID)


def score_predictions(  # noqa: PLR0913
    predictions: pd.DataFrame,
    control_predictions: pd.DataFrame,
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
    from disentangled_audio.evaluation.scores.summary import summarise

    hashes = check_same(predictions, control_predictions, splits)
    fold = str(splits["fold"].iloc[0])
    metrics = summarise(
        predictions,
        control_predictions[control_predictions["fold"] == fold],
        corpus=corpus_name,
        simulated=corpus.simulated,
        protocol=protocol_name,
        target=protocol.target,
        n_resamples=evaluation.n_resamples,
        seed=seed,
        seconds=seconds,
    )
    return {**metrics, "fold": fold, **hashes}


def tabulate(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Classification report and confusion matrices of the test rows."""
    from disentangled_audio.evaluation.scores.summary import (
        classification_report_table,
        confusion_table,
    )

    return classification_report_table(predictions), confusion_table(predictions)


def assess_confidence(
    predictions: pd.DataFrame, evaluation: EvaluationParameters
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """How far confidence can be trusted on test rows, and what rejecting doubtful items gives."""
    from disentangled_audio.evaluation.scores.rejection import (
        aurc,
        reject_thresholds,
        rejection,
        risk_coverage_table,
    )
    from disentangled_audio.evaluation.scores.reliability import ece_by_stage, reliability_table

    hybrid = predictions[predictions["model"] == HYBRID]
    asked = {"reject_below": evaluation.reject_below, "max_risk": evaluation.max_risk}
    rejected = None
    if any(value is not None for value in asked.values()):
        rejected = rejection(hybrid, reject_thresholds(hybrid, **asked))
    summary = {
        "ece": ece_by_stage(predictions),
        "aurc": aurc(predictions),
        "rejection": rejected,
    }
    tables = reliability_table(predictions), risk_coverage_table(predictions)
    return (*(stamp(table, predictions) for table in tables), {**summary, **stamp_of(predictions)})


def ablate_hybrid(predictions: pd.DataFrame, parameters: HybridParameters) -> pd.DataFrame:
    """What each member weighs in the hybrid, and what the hybrid loses without it."""
    from disentangled_audio.evaluation.scores.ablation import ablation_table
    from disentangled_audio.models.bank import fusion_of

    def refit(validation: Any, target: Any, group: Any, classes: Any, test: Any) -> Any:
        return fusion_of(parameters).fit(validation, target, group, classes).predict_proba(test)

    return stamp(ablation_table(predictions, refit), predictions)


def plot_confidence(
    reliability: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    summary: dict[str, Any],
    ablation: pd.DataFrame,
    corpus: Corpus,
) -> tuple[Any, Any]:
    """Reliability, risk by coverage, and the cost of dropping each member."""
    from disentangled_audio.plots.confidence import ablation_figure, confidence_figure

    simulated = corpus.simulated
    return (
        confidence_figure(reliability, risk_coverage, summary["rejection"], simulated=simulated),
        ablation_figure(ablation, simulated=simulated),
    )


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


def write_report(  # noqa: PLR0913, PLR0917
    metrics: dict[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
    rejected: pd.DataFrame,
    recordings: pd.DataFrame,
    history: pd.DataFrame,
    integrity: dict[str, Any],
    audit: dict[str, Any],
    reliability: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    confidence: dict[str, Any],
    ablation: pd.DataFrame,
    codes: pd.DataFrame,
    factor_table: pd.DataFrame,
    mistakes: dict[str, Any],
    measured_codes: dict[str, Any],
    folds: dict[str, Any],
    corpus: Corpus,
    run: dict[str, Any],
    trained: dict[str, Any],
) -> str:
    """The whole result as one page.

    Parameters, versions and times are those of the run that made the models (`trained`), which
    may be an earlier one than the one that writes the page (`run`).

    Of other pipelines it has what they have measured of these models or of this corpus, and where
    that is nothing it says how to get it.
    """
    from disentangled_audio.plots.audit import audit_figure
    from disentangled_audio.report.figures import codes_figure
    from disentangled_audio.report.page import render_report, report_figures
    from disentangled_audio.report.sentences import on_confidence

    hashes = check_same(recordings, reliability, risk_coverage, ablation, codes, factor_table)
    of_confidence, of_ablation = plot_confidence(
        reliability, risk_coverage, confidence, ablation, corpus
    )
    figures = {
        **report_figures(metrics, classification_report, confusion, history, PLOTTED),
        "audit": audit_figure(audit),
        "latent_map": codes_figure(codes, factor_table, corpus),
        "confidence": of_confidence,
        "ablation": of_ablation,
    }
    parts = {
        "mistakes": mistakes,
        "codes": fresh(measured_codes, codes=digest_of(codes)),
        "folds": fresh(folds, corpus_hash=hashes["corpus_hash"]),
        "confidence": {"said": on_confidence(confidence, HYBRID)},
    }
    facts = {
        **trained,
        "written_by": run["run_id"],
        # Of a run without a manifest nothing else is known; the corpus is the same.
        "options": trained.get("options", run["options"]),
        "description": corpus.description,
        "rights": rights_of(recordings),
        "findings": integrity["findings"],
        "verdict": audit["verdict"],
        "simulated": corpus.simulated,
        "counts": {
            "files": int(recordings["path"].nunique()),
            "items": len(recordings),
            **{f"items of kind {k}": int(n) for k, n in recordings["kind"].value_counts().items()},
        },
    }
    return render_report(
        metrics,
        classification_report,
        confusion,
        rejected,
        facts,
        trained.get("parameters", {}),
        figures,
        parts,
    )


def rights_of(recordings: pd.DataFrame) -> list[dict[str, Any]]:
    """Each licence and citation once, with the sources of recordings that it is of."""
    # A path begins with what its source is called.
    source = recordings["path"].str.partition("/")[0]
    rights = source.groupby(
        [recordings["licence"], recordings["citation"]], dropna=False, sort=False
    )
    return [
        {"licence": licence, "citation": citation, "sources": sorted(sources.unique())}
        for (licence, citation), sources in rights
    ]


def plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON can hold them, without the corpora and protocols not chosen."""
    return {
        # Kedro has made models only of what a node of the run asks for.
        name: GROUPS[name].model_validate(value).model_dump(mode="json")
        if name in GROUPS
        else value
        for name, value in parameters.items()
        if not name.startswith("_") and name not in MEASURED
    }
