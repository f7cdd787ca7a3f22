"""Models against controls over all folds, and what codes say, mean over folds."""

from typing import Any

import pandas as pd

from disentangled_audio.parameters import Corpus
from disentangled_audio.report import blocks, figures
from disentangled_audio.report.media import picture
from disentangled_audio.report.sentences import on_folds

HEADING = "Over all folds"


def folds_section(
    metrics: dict[str, Any],
    leakage: pd.DataFrame,
    disentanglement: dict[str, Any],
    corpus: Corpus,
) -> dict[str, Any]:
    """Scores over folds, beside those of the page's fold; a heat map where codes were measured."""
    text = "Balanced accuracy of models and controls: mean over folds, each fold, interval."
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
            blocks.picture_block(picture(figure, "The same as a mean over folds.")),
        ]
    return {"blocks": parts}


def missing_folds(options: str) -> dict[str, Any]:
    """How to get what `folds_section` would say."""
    return {
        "blocks": {
            "comparison": [
                blocks.heading(HEADING),
                blocks.command(
                    f"kedro run --pipelines=cross_validation{options} && "
                    f"kedro run --pipelines=reporting{options}",
                    "This page is about one fold. For the others, and for this section (each fold "
                    "takes about as long as this run):",
                ),
            ]
        }
    }
