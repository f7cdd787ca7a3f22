"""Values of clips that controls use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.parameters import AuditParameters
from disentangled_audio.signal import shortcuts


def shortcut_values(
    clips: NDArray[np.floating], sample_rate_hz: int, audit: AuditParameters
) -> dict[str, NDArray[Any]]:
    """Measure what a shortcut could use of each clip alone."""
    return {
        "direct": shortcuts.direct_sound_spectrum(
            clips, sample_rate_hz, audit.direct_s, audit.direct_bands
        ),
        "long_term": shortcuts.long_term_spectrum(
            clips, sample_rate_hz, audit.long_term_bands, audit.long_term_min_hz
        ),
    }
