"""Sections on all folds: models beside shortcuts and baselines, and what the codes contain."""

from typing import Any

import pandas as pd

from disentangled_audio.parameters import Corpus
from disentangled_audio.report import blocks, figures
from disentangled_audio.report.media import picture
from disentangled_audio.report.sentences import on_folds

HEADING = "Over all folds"


def folds_section(
    metrics: dict[str, Any], leakage: pd.DataFrame, disentanglement: dict[str, Any], corpus: Corpus
) -> dict[str, Any]:
    """Show scores over folds, and a heat map if the codes were measured."""
    text = "Balanced accuracy of models, shortcuts and baselines: mean, each fold, interval."
    parts = {
        "comparison": [
            blocks.heading(HEADING),
            blocks.sentences(on_folds(metrics)),
            blocks.picture_block(picture(figures.of_folds(metrics), text)),
        ]
    }
    if not leakage.empty:
        figure = figures.folds_leakage_figure(leakage, disentanglement, corpus)
        parts["disentanglement"] = [
            blocks.heading("Mean over folds"),
            blocks.picture_block(picture(figure, "The same scores as a mean over folds.")),
        ]
    return {"blocks": parts}


def missing_folds(options: str) -> dict[str, Any]:
    """Tell how to get what `folds_section` shows."""
    return {
        "blocks": {
            "comparison": [
                blocks.heading(HEADING),
                blocks.command(
                    f"kedro run --pipelines=cross_validation{options} && "
                    f"kedro run --pipelines=reporting{options}",
                    "This page shows one fold. To run all folds and fill this section (each fold "
                    "takes about as long as this run):",
                ),
            ]
        }
    }
