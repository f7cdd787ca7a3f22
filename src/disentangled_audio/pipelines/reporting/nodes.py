"""Nodes of reporting."""

from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.parameters import (
    Corpus,
    EvaluationParameters,
    HybridParameters,
    Protocol,
    ViewParameters,
)
from disentangled_audio.runs.provenance import check_same, stamp, stamp_of

# Models with the three plots of the original report.
PLOTTED = ("svm", "code_svm", "cnn", HYBRID)


def score_predictions(  # noqa: PLR0913, PLR0917
    predictions: pd.DataFrame,
    control_predictions: pd.DataFrame,
    splits: pd.DataFrame,
    integrity: dict[str, Any],
    corpus: Corpus,
    protocol: Protocol,
    evaluation: EvaluationParameters,
    corpus_name: str,
    protocol_name: str,
    seed: int,
    run_facts: dict[str, Any],
) -> dict[str, Any]:
    """Score models and controls on the test rows."""
    from disentangled_audio.evaluation.scores.summary import summarise

    hashes = check_same(predictions, control_predictions, splits, integrity)
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
        seconds=run_facts["seconds"],
    )
    return {**metrics, "shared_sound": integrity["shared_sound"], "fold": fold, **hashes}


def tabulate(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the classification report and confusion matrices of the test rows."""
    from disentangled_audio.evaluation.scores.summary import (
        classification_report_table,
        confusion_table,
    )

    return classification_report_table(predictions), confusion_table(predictions)


def assess_confidence(
    predictions: pd.DataFrame, evaluation: EvaluationParameters
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Measure reliability on test rows, and the effect of rejecting doubtful items."""
    from disentangled_audio.evaluation.scores.rejection import (
        aurc,
        reject_thresholds,
        rejection,
        risk_coverage_table,
    )
    from disentangled_audio.evaluation.scores.reliability import ece_by_stage, reliability_table

    hybrid = predictions[predictions["model"] == HYBRID]
    limits = {"reject_below": evaluation.reject_below, "max_risk": evaluation.max_risk}
    rejected = None
    if any(value is not None for value in limits.values()):
        rejected = rejection(hybrid, reject_thresholds(hybrid, **limits))
    summary = {"ece": ece_by_stage(predictions), "aurc": aurc(predictions), "rejection": rejected}
    tables = reliability_table(predictions), risk_coverage_table(predictions)
    return (*(stamp(table, predictions) for table in tables), {**summary, **stamp_of(predictions)})


def ablate_hybrid(predictions: pd.DataFrame, parameters: HybridParameters) -> pd.DataFrame:
    """Measure the weight of each member, and what the hybrid loses without it."""
    from disentangled_audio.evaluation.scores.ablation import ablation_table
    from disentangled_audio.models.bank import fusion_of

    def refit(validation: Any, *judged: Any) -> Any:
        *known, test = judged
        return fusion_of(parameters).fit(validation, *known).predict_proba(test)

    return stamp(ablation_table(predictions, refit), predictions)


def plot_confidence(
    reliability: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    summary: dict[str, Any],
    ablation: pd.DataFrame,
    corpus: Corpus,
) -> tuple[Any, Any]:
    """Draw reliability, risk by coverage, and the cost of dropping each member."""
    from disentangled_audio.report import figures

    simulated = corpus.simulated
    return (
        figures.of_confidence(reliability, risk_coverage, summary, simulated=simulated),
        figures.of_ablation(ablation, simulated=simulated),
    )


def plot_training(history: pd.DataFrame, corpus: Corpus) -> Any:
    """Draw training curves."""
    from disentangled_audio.plots.training import training_curves_figure

    return training_curves_figure(history, simulated=corpus.simulated)


def plot_model(
    confusion: pd.DataFrame, report: pd.DataFrame, corpus: Corpus, *, model: str
) -> tuple[Any, Any, Any]:
    """Draw the three plots of the original report for one model."""
    from disentangled_audio.report.figures import of_model

    return of_model(confusion, report, model, simulated=corpus.simulated)


def show_scores(
    metrics: dict[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
    recordings: pd.DataFrame,
    corpus: Corpus,
) -> dict[str, Any]:
    """Section of the report: the question, the answer, and each model."""
    from disentangled_audio.report.sections.scores import scores_section

    hashes = check_same(metrics, recordings)
    tables = (classification_report, confusion, recordings)
    return {**scores_section(metrics, *tables, corpus, PLOTTED), **hashes}


def show_audit(audit: dict[str, Any]) -> dict[str, Any]:
    """Section of the report: the shortcut audit."""
    from disentangled_audio.report.sections.audit import audit_section

    return {**audit_section(audit), **stamp_of(audit)}


def show_maps(codes: pd.DataFrame, factor_table: pd.DataFrame, corpus: Corpus) -> dict[str, Any]:
    """Section of the report: maps of the codes."""
    from disentangled_audio.report.sections.codes import maps_section

    hashes = check_same(codes, factor_table)
    return {**maps_section(codes, factor_table, corpus), **hashes}


def show_confidence(
    reliability: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    summary: dict[str, Any],
    ablation: pd.DataFrame,
    corpus: Corpus,
    run_facts: dict[str, Any],
) -> dict[str, Any]:
    """Section of the report: reliability, and what each member adds."""
    from disentangled_audio.report.sections.confidence import confidence_section

    tables = (reliability, risk_coverage, summary, ablation)
    hashes = check_same(*tables)
    options = _options(run_facts)
    return {**confidence_section(*tables, options, simulated=corpus.simulated), **hashes}


def show_recordings(rejected: pd.DataFrame, integrity: dict[str, Any]) -> dict[str, Any]:
    """Section of the report: rejected and unusual recordings."""
    from disentangled_audio.report.sections.recordings import recordings_section

    return {**recordings_section(rejected, integrity["findings"]), **stamp_of(integrity)}


def show_mistakes(
    predictions: pd.DataFrame,
    recordings: pd.DataFrame,
    waveforms: Any,
    corpus: Corpus,
    protocol: Protocol,
    views: ViewParameters,
) -> dict[str, Any]:
    """Section of the report: the most confident mistakes, to see and hear."""
    from disentangled_audio.report.sections.mistakes import mistakes_section

    data = (predictions, recordings, waveforms)
    hashes = check_same(*data)
    return {**mistakes_section(*data, corpus, views, protocol.target), **hashes}


def show_run(history: pd.DataFrame, corpus: Corpus, run_facts: dict[str, Any]) -> dict[str, Any]:
    """Section of the report: versions, times and parameters of the run of the predictions."""
    from disentangled_audio.report.sections.run import run_section

    facts = _of_predictions(run_facts)
    return run_section(facts, run_facts["run_id"], history, simulated=corpus.simulated)


def show_card(
    metrics: dict[str, Any], recordings: pd.DataFrame, corpus: Corpus, run_facts: dict[str, Any]
) -> dict[str, Any]:
    """Section of the report: the model card."""
    from disentangled_audio.report.sections.card import card_section

    facts = _of_predictions(run_facts)
    return card_section(metrics, recordings, corpus, facts, _options(run_facts))


def write_report(
    run_facts: dict[str, Any],
    of_codes: dict[str, Any],
    of_folds: dict[str, Any],
    *sections: dict[str, Any],
) -> str:
    """Write the report as one page, from sections that belong together.

    Sections of other pipelines are included if they match these codes and this corpus; otherwise
    the page tells how to make them.
    """
    from disentangled_audio.report.commands import of_runs
    from disentangled_audio.report.page import render_page
    from disentangled_audio.report.sections.codes import missing_codes
    from disentangled_audio.report.sections.folds import missing_folds

    hashes = check_same(*sections)
    codes = next(section["codes"] for section in sections if "codes" in section)
    options = of_runs(_options(run_facts))
    scores, *others = sections
    return render_page(
        scores["title"],
        [
            scores,
            _fresh(of_codes, codes=codes) or missing_codes(options),
            _fresh(of_folds, corpus_hash=hashes["corpus_hash"]) or missing_folds(options),
            *others,
        ],
    )


def _of_predictions(run_facts: dict[str, Any]) -> dict[str, Any]:
    """Facts of the run that made the predictions, this one or an earlier one."""
    return run_facts["predictions_by"] or run_facts


def _options(run_facts: dict[str, Any]) -> str:
    # Without a manifest, this run's options are used: they select the same corpus.
    return _of_predictions(run_facts).get("options", run_facts["options"])


def _fresh(section: dict[str, Any], **known: str) -> dict[str, Any]:
    """A section if it belongs to the reported result, otherwise nothing."""
    is_fresh = all(section.get(name) == value for name, value in known.items())
    return section if is_fresh else {}
