"""Figures with the names that people use, for the catalog and for the page alike."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.models.tables import code_blocks
from disentangled_audio.parameters import Corpus, ViewParameters
from disentangled_audio.report.names import label, named, named_scores
from disentangled_audio.report.sentences import chance_level

UNITS = {"duration": "s", "median_f0": "Hz", "t20": "s", "level": "dBFS"}


def comparison(metrics: Mapping[str, Any]) -> Any:
    """Models against controls."""
    from disentangled_audio.plots.classification import comparison_figure

    return comparison_figure(named_scores(metrics), chance_level(metrics))


def of_model(
    confusion: pd.DataFrame, report: pd.DataFrame, model: str, *, simulated: bool
) -> tuple[Any, Any, Any]:
    """The three plots of the original report, for one model."""
    from disentangled_audio.plots.classification import (
        confusion_matrix_figure,
        f1_figure,
        precision_recall_figure,
    )

    name, report = label(model), named(report)
    return (
        confusion_matrix_figure(named(confusion), name, simulated=simulated),
        precision_recall_figure(report, name, simulated=simulated),
        f1_figure(report, name, simulated=simulated),
    )


def of_confidence(
    reliability: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    summary: Mapping[str, Any],
    *,
    simulated: bool,
) -> Any:
    """Reliability of the hybrid, and risk by coverage of all models."""
    from disentangled_audio.plots.confidence import confidence_figure

    return confidence_figure(
        named(reliability),
        named(risk_coverage),
        summary["rejection"],
        model=label(HYBRID),
        simulated=simulated,
    )


def of_ablation(ablation: pd.DataFrame, *, simulated: bool) -> Any:
    """What the hybrid loses without each member."""
    from disentangled_audio.plots.confidence import ablation_figure

    return ablation_figure(named(ablation), simulated=simulated)


def of_audit(audit: Mapping[str, Any]) -> Any:
    """How much each control tells of the label."""
    from disentangled_audio.plots.audit import audit_figure

    return audit_figure(named_scores(audit))


def of_folds(metrics: Mapping[str, Any]) -> Any:
    """Models against controls, fold by fold."""
    from disentangled_audio.plots.cross_validation import fold_comparison_figure

    return fold_comparison_figure(named_scores(metrics), chance_level(metrics))


def codes_figure(codes: pd.DataFrame, factor_table: pd.DataFrame, corpus: Corpus) -> Any:
    """Maps of the codes coloured by each factor."""
    from disentangled_audio.evaluation.representation.latent_map import latent_map
    from disentangled_audio.plots.disentanglement import latent_map_figure

    own = codes.set_index("recording_id").loc[factor_table["recording_id"]].reset_index()
    maps = {name: latent_map(block) for name, block in code_blocks(own).items()}
    factors = factor_table.drop(columns=["recording_id", "role"])
    shown = factors.loc[:, factors.nunique() > 1]
    return latent_map_figure(maps, shown, units=UNITS, simulated=corpus.simulated)


def swap_examples_figure(
    swap_examples: pd.DataFrame, swap_spectra: Any, corpus: Corpus, views: ViewParameters
) -> Any:
    """Inputs, donors and results, each with what it is or should be; or why there are none."""
    from disentangled_audio.evaluation.representation.swap_examples import shown_swaps
    from disentangled_audio.plots.disentanglement import SwapExample, no_swap_figure, swap_figure

    if swap_examples.empty:
        return no_swap_figure(swap_examples.attrs["reason"], simulated=corpus.simulated)
    examples = [
        SwapExample(name, {text: swap_spectra[row] for text, row in panels.items()})
        for name, panels in shown_swaps(swap_examples)
    ]
    return swap_figure(examples, views.hop_s, views.dynamic_range_db, simulated=corpus.simulated)


def folds_leakage_figure(leakage: pd.DataFrame, summary: dict[str, Any], corpus: Corpus) -> Any:
    """Heat map of what each code says, mean over folds."""
    from disentangled_audio.plots.disentanglement import leakage_figure, nothing_measured_figure

    if leakage.empty:
        return nothing_measured_figure(summary["reason"], simulated=corpus.simulated)
    n_run = len(summary["folds"])
    folds = f"{n_run} of {summary['n_folds']} folds" if n_run < summary["n_folds"] else "all folds"
    title = f"What each code says of each factor (balanced accuracy, %), mean of {folds}"
    return leakage_figure(leakage, title, simulated=corpus.simulated)
