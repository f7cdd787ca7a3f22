"""Values of the quiet parts of clips, for a control."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.parameters import Analysis, AuditParameters
from disentangled_audio.signal.quiet_parts import quiet_parts


def quiet_values(
    clips: NDArray[np.floating],
    recorded: NDArray[np.integer],
    sample_rate_hz: int,
    audit: AuditParameters,
) -> NDArray[Any]:
    """Measure the background noise of each clip alone; NaN if it has no quiet part."""
    return quiet_parts(
        clips, recorded, sample_rate_hz, audit.long_term_bands, audit.long_term_min_hz
    )


def recorded_part(
    recordings: pd.DataFrame, analysis: Analysis, n_samples: int
) -> NDArray[np.integer]:
    """First sample of each clip that was recorded, and the one after the last, (n_items, 2)."""
    offset_s = np.zeros(len(recordings))
    if analysis.align == "direct_sound":
        shift_s = analysis.pre_direct_s - recordings["first_arrival_s"].to_numpy(dtype=float)
        offset_s = np.where(recordings["kind"] == "rir", shift_s, 0.0)
    ends_s = offset_s + recordings["duration_s"].to_numpy(dtype=float)
    samples = np.stack([offset_s, ends_s], axis=1) * analysis.clip_rate_hz
    return np.clip(np.rint(samples), 0, n_samples).astype(int)
