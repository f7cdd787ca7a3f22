"""How far confidence can be trusted, and what each member is worth to the hybrid."""

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
    """Reliability, and the ablation of the hybrid; `options` as they were typed."""
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
                    "What the hybrid loses on these test items without each of its members; below "
                    "zero it does better without that one. Which member would be missed is not "
                    "known before the test, so none is left out."
                ),
                blocks.picture_block(picture(dropped, text)),
                blocks.text(
                    "What each loss and bottleneck of the encoders is worth costs a training each. "
                    "This trains without one after the other and prints a table:"
                ),
                blocks.command(f"python benchmarks/loss_ablation.py{of_scripts(options)}"),
            ],
        }
    }
