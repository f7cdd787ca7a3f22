"""What was rejected, and what is unusual about the recordings."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from disentangled_audio.report import blocks


def recordings_section(rejected: pd.DataFrame, findings: Sequence[str]) -> dict[str, Any]:
    """Rejected files with their reasons, and the findings of the integrity check."""
    if len(rejected):
        were = "file was" if len(rejected) == 1 else "files were"
        told = [
            blocks.text(f"{len(rejected)} {were} found and not analysed."),
            blocks.data_table(rejected, "Rejected files, why, and what to do"),
        ]
    else:
        told = [blocks.text("None: every file that was found was analysed.")]
    if findings:
        told += [
            blocks.heading("What is unusual about the recordings"),
            blocks.sentences(findings),
        ]
    return {"blocks": {"rejected": told}}
