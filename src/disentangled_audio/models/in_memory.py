"""Recordings in memory, encoded as WAV files."""

import io
import numbers
from typing import TYPE_CHECKING, Any

from disentangled_audio.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Types of WAV samples that libsndfile scales to the range from -1 to 1.
_INTEGERS = ("int16", "int32", "uint8")
_FLOATS = ("float16", "float32", "float64")
# An array with more channels than this, and than samples, is probably transposed.
_MANY_CHANNELS = 64


def as_wav(samples: Any, sample_rate_hz: int) -> bytes:
    """Encode samples as a WAV file, so that arrays are read and checked as files are."""
    from scipy.io import wavfile

    array = _checked(samples)
    if not isinstance(sample_rate_hz, numbers.Real) or sample_rate_hz != sample_rate_hz // 1:
        raise UserError(
            f"sample_rate_hz={sample_rate_hz!r} is not an integer; give samples per second"
        )
    rate_hz = int(sample_rate_hz)
    if not 0 < rate_hz < 2**31:
        raise UserError(f"sample_rate_hz={rate_hz} is not possible; give samples per second")
    file = io.BytesIO()
    try:
        wavfile.write(file, rate_hz, array)
    except (ValueError, OverflowError) as error:
        raise UserError(f"samples cannot be written as WAV: {error}") from error
    return file.getvalue()


def _checked(samples: Any) -> "NDArray[np.float32 | np.integer]":
    import numpy as np

    if not isinstance(samples, np.ndarray):
        raise UserError(
            f"samples are {type(samples).__name__}, not a NumPy array; convert with numpy.asarray"
        )
    if samples.dtype.name not in (*_INTEGERS, *_FLOATS):
        raise UserError(
            f"samples have the type {samples.dtype}; use {', '.join(_FLOATS)} (full scale 1) or "
            f"{', '.join(_INTEGERS)} (PCM)"
        )
    if samples.ndim not in (1, 2) or samples.size == 0:
        raise UserError(
            f"samples have the shape {samples.shape}; they must be (n_samples,) or "
            "(n_samples, n_channels), and not empty"
        )
    if samples.ndim == 2 and samples.shape[1] > max(_MANY_CHANNELS, samples.shape[0]):
        raise UserError(
            f"samples of shape {samples.shape} have {samples.shape[1]} channels; are they "
            "(n_channels, n_samples)? Then give samples.T"
        )
    if samples.dtype.name in _INTEGERS:
        return samples
    with np.errstate(over="ignore"):
        array = samples.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(
            "samples hold NaN, infinity or values beyond float32; remove them (full scale is 1)"
        )
    return array
