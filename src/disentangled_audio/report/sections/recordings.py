"""Section of rejected files and unusual recordings."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from disentangled_audio.report import blocks


def recordings_section(rejected: pd.DataFrame, findings: Sequence[str]) -> dict[str, Any]:
    """List rejected files with reasons, and the findings of the integrity check."""
    if len(rejected):
        were = "file was" if len(rejected) == 1 else "files were"
        shown = [
            blocks.text(f"{len(rejected)} {were} found but could not be analysed."),
            blocks.data_table(rejected, "Rejected files, the reason, and what to do"),
        ]
    else:
        shown = [blocks.text("None: every file that was found was analysed.")]
    if findings:
        shown += [blocks.heading("Unusual recordings"), blocks.sentences(findings)]
    return {"blocks": {"rejected": shown}}
