"""Features as arrays, as the parameters ask; without tables, which workers would have to import."""

from functools import partial
from typing import Any

from disentangled_audio.parameters import (
    AcousticParameters,
    Analysis,
    CepstraParameters,
    ViewParameters,
)

# Bounds the memory that copies and views take.
ROWS_AT_ONCE = 1024


def view_summaries(
    log_mel: Any, windows: Any, parameters: CepstraParameters, views: ViewParameters
) -> tuple[Any, Any]:
    """Cepstra of each clip's loudest window, and the mean of its windows' statistics."""
    from disentangled_audio.models.mel_features import cepstra, timbre_statistics

    course = _by_parts(
        log_mel,
        partial(cepstra, dynamic_range_db=views.dynamic_range_db, **parameters.model_dump()),
    )
    trim = views.trim_db / views.dynamic_range_db
    statistics = _by_parts(
        log_mel,
        partial(timbre_statistics, trim=trim, dynamic_range_db=views.dynamic_range_db),
    )
    return course[windows.loudest], windows.pooled(statistics)


def _by_parts(view: Any, work: Any) -> Any:
    """Features of all rows; a part of the view is held at a time."""
    import numpy as np

    starts = range(0, view.shape[0], ROWS_AT_ONCE)
    return np.concatenate([work(view[start : start + ROWS_AT_ONCE]) for start in starts])


def acoustic_measures(acoustic: AcousticParameters) -> Any:
    """What the parameters ask to be measured."""
    from disentangled_audio.signal.acoustics import AcousticMeasures

    return AcousticMeasures(
        tuple(acoustic.centre_hz),
        acoustic.bands_per_octave,
        tuple(acoustic.late_windows_s),
        acoustic.direct_s,
        acoustic.bandwidth_share,
    )


def recorded_samples(
    kind: Any, duration_s: Any, first_arrival_s: Any, analysis: Analysis, n_samples: int
) -> Any:
    """Samples of each clip up to the recording's end; 0 where it is no impulse response."""
    import numpy as np

    recorded_s = duration_s
    if analysis.align == "direct_sound":
        recorded_s = recorded_s - first_arrival_s + analysis.pre_direct_s
    recorded = np.clip(np.round(recorded_s * analysis.clip_rate_hz), 1, n_samples)
    return np.where(kind == "rir", recorded, 0).astype(int)
