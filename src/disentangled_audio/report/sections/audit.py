"""Section of the shortcut audit: how well the label can be predicted without listening."""

from collections.abc import Mapping
from typing import Any

from disentangled_audio.report import blocks, figures
from disentangled_audio.report.media import picture


def audit_section(audit: Mapping[str, Any]) -> dict[str, Any]:
    """Show the audit's verdict, and each control over all folds."""
    text = "Balanced accuracy of each shortcut and simple baseline over all folds."
    return {
        "blocks": {
            "audit": [
                blocks.text(
                    "The audit covers all folds of the protocol; the scores above cover one fold."
                ),
                blocks.sentences(audit["verdict"]),
                blocks.picture_block(picture(figures.of_audit(audit), text)),
            ]
        }
    }
