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
    kind: "NDArray[Any]",
    parameters: CepstraParameters,
    views: ViewParameters,
) -> "tuple[NDArray[np.floating], NDArray[np.floating]]":
    """Cepstra of each clip's loudest window, and timbre statistics averaged over its windows.

    The statistics of an impulse response include its whole decay; those of other kinds, only frames
    louder than `views.trim_db` below the peak. `kind` (n_items,) is the kind of each clip.
    """
    import numpy as np

    from disentangled_audio.models.mel_features import cepstra, timbre_statistics

    range_db = views.dynamic_range_db
    course = _by_parts(
        partial(cepstra, dynamic_range_db=range_db, **parameters.model_dump()), log_mel
    )
    trim = np.where(kind == "rir", 1.0, views.trim_db / range_db)
    statistics = _by_parts(
        partial(timbre_statistics, dynamic_range_db=range_db), log_mel, trim[windows.items]
    )
    return course[windows.loudest], windows.pooled(statistics)


def _by_parts(
    work: "Callable[..., NDArray[np.float32]]", *arrays: "NDArray[np.floating]"
) -> "NDArray[np.float32]":
    """Apply `work` to all rows of the arrays, some at a time."""
    import numpy as np

    starts = range(0, arrays[0].shape[0], ROWS_AT_ONCE)
    parts = ([array[start : start + ROWS_AT_ONCE] for array in arrays] for start in starts)
    return np.concatenate([work(*part) for part in parts])


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
