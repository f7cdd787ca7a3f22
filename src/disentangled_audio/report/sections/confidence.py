"""Sections on how trustworthy confidence is, and what each member adds to the hybrid."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.report import blocks, figures
from disentangled_audio.report.commands import of_scripts
from disentangled_audio.report.media import picture
from disentangled_audio.report.sentences import on_confidence

RELIABILITY = (
    "Reliability of the hybrid before and after calibration, and error rate by share of items kept."
)


def confidence_section(
    reliability: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    summary: Mapping[str, Any],
    ablation: pd.DataFrame,
    options: str,
    *,
    simulated: bool,
) -> dict[str, Any]:
    """Show reliability and the ablation of the hybrid; `options` are those of the run, as typed."""
    reliable = figures.of_confidence(reliability, risk_coverage, summary, simulated=simulated)
    dropped = figures.of_ablation(ablation, simulated=simulated)
    text = "Weight of each member, and what the hybrid loses without it."
    return {
        "blocks": {
            "reliability": [
                blocks.sentences(on_confidence(summary, HYBRID)),
                blocks.picture_block(picture(reliable, RELIABILITY)),
            ],
            "ablation": [
                blocks.text(
                    "Each bar shows what the hybrid loses on these test items without one of its "
                    "members; below zero, it does better without it. This is known only after the "
                    "test, so no member was left out because of it."
                ),
                blocks.picture_block(picture(dropped, text)),
                blocks.text(
                    "To measure what each loss and bottleneck of the encoders adds, train once "
                    "without each of them. This command does so and prints a table:"
                ),
                blocks.command(f"python benchmarks/loss_ablation.py{of_scripts(options)}"),
            ],
        }
    }
