"""What the label can be told from beside the sound."""

from collections.abc import Mapping
from typing import Any

from disentangled_audio.report import blocks, figures
from disentangled_audio.report.media import picture


def audit_section(audit: Mapping[str, Any]) -> dict[str, Any]:
    """The audit's verdict, and each control over all folds."""
    text = "Balanced accuracy of each shortcut control over all folds."
    return {
        "blocks": {
            "audit": [
                blocks.text(
                    "Over all folds of the protocol; scores above are of this page's fold."
                ),
                blocks.sentences(audit["verdict"]),
                blocks.picture_block(picture(figures.of_audit(audit), text)),
            ]
        }
    }
