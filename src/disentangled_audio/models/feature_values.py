"""Features as arrays, without pandas, so that workers start fast."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from disentangled_audio.parameters import (
    AcousticParameters,
    Analysis,
    CepstraParameters,
    ViewParameters,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from disentangled_audio.models.windows import Windows
    from disentangled_audio.signal.acoustics import AcousticMeasures

# Limits the memory for copies and views.
ROWS_AT_ONCE = 1024


def view_summaries(
    log_mel: "NDArray[np.float32]",
    windows: "Windows",
    parameters: CepstraParameters,
    views: ViewParameters,
) -> "tuple[NDArray[np.floating], NDArray[np.floating]]":
    """Cepstra of each clip's loudest window, and timbre statistics averaged over its windows."""
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


def _by_parts(
    view: "NDArray[np.float32]", work: "Callable[..., NDArray[np.float32]]"
) -> "NDArray[np.float32]":
    """Apply `work` to all rows, a part of the view at a time."""
    import numpy as np

    starts = range(0, view.shape[0], ROWS_AT_ONCE)
    return np.concatenate([work(view[start : start + ROWS_AT_ONCE]) for start in starts])


def acoustic_measures(acoustic: AcousticParameters) -> "AcousticMeasures":
    """The measures that the parameters select."""
    from disentangled_audio.signal.acoustics import AcousticMeasures

    return AcousticMeasures(
        tuple(acoustic.centre_hz),
        acoustic.bands_per_octave,
        tuple(acoustic.late_windows_s),
        acoustic.direct_s,
        acoustic.bandwidth_share,
    )


def recorded_samples(
    kind: "NDArray[Any]",
    duration_s: "NDArray[np.float64]",
    first_arrival_s: "NDArray[np.float64]",
    analysis: Analysis,
    n_samples: int,
) -> "NDArray[np.int_]":
    """Samples of each clip before the recording's end; 0 if it is not an impulse response."""
    import numpy as np

    recorded_s = duration_s
    if analysis.align == "direct_sound":
        recorded_s = recorded_s - first_arrival_s + analysis.pre_direct_s
    recorded = np.clip(np.round(recorded_s * analysis.clip_rate_hz), 1, n_samples)
    return np.where(kind == "rir", recorded, 0).astype(int)
