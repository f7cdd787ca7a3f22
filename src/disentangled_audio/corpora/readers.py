"""Samples and sampling rate of one file's bytes, by format."""

import io
import struct
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from disentangled_audio.parameters import AudioFormat, Format, MatFormat, RawFormat

Signal = tuple[NDArray[np.float32], int]


class RejectedError(ValueError):
    """A file that cannot be used; carries what to do about it."""

    def __init__(self, reason: str, what_to_do: str) -> None:
        super().__init__(reason)
        self.what_to_do = what_to_do


def read_samples(content: bytes, file_format: Format) -> Signal:
    """Decode a file.

    Parameters
    ----------
    content : bytes
        The whole file.
    file_format : Format
        How it is stored.

    Returns
    -------
    samples : (n_samples, n_channels)
        float32; linear amplitude, whole numbers scaled to -1 up to 1.
    sample_rate_hz : int

    Raises
    ------
    RejectedError
        If the file is truncated, damaged or of another format.
    """
    if isinstance(file_format, AudioFormat):
        return _read_audio(content)
    if isinstance(file_format, MatFormat):
        return _read_mat(content, file_format)
    return _read_raw(content, file_format)


def _read_audio(content: bytes) -> Signal:
    _check_riff_size(content)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            n_frames, sample_rate_hz = file.frames, file.samplerate
            samples = _read_frames(file)
    except soundfile.LibsndfileError as error:
        raise RejectedError(
            f"not audio that can be decoded: {error.error_string}", "convert it to wav or flac"
        ) from error
    if len(samples) < n_frames:
        raise _truncated(f": {len(samples)} of {n_frames} samples")
    return samples, sample_rate_hz


def _read_frames(file: soundfile.SoundFile) -> NDArray[np.float32]:
    try:
        return file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        # The header is good, what follows it is not: so ends a flac that was cut off.
        raise _truncated(f" or damaged: {error.error_string}") from error


def _check_riff_size(content: bytes) -> None:
    # libsndfile reads a truncated wav without complaint, as far as it goes.
    if len(content) < 12 or content[:4] != b"RIFF":
        return
    (declared,) = struct.unpack("<I", content[4:8])
    streamed = declared in (0, 0xFFFFFFFF)
    if not streamed and declared + 8 > len(content) + 1:
        raise _truncated(f": {len(content)} of {declared + 8} bytes")


def _truncated(how_much: str) -> RejectedError:
    return RejectedError(f"the file is truncated{how_much}", "copy it again from its source")


def _read_mat(content: bytes, file_format: MatFormat) -> Signal:
    from scipy.io import loadmat

    try:
        variables = loadmat(io.BytesIO(content), squeeze_me=True, struct_as_record=False)
    # SciPy's reader raises whatever it stumbles over.
    except Exception as error:
        raise RejectedError(
            f"not a MATLAB file of level 5 that can be read: {error}",
            "copy it again from its source, or save it with -v6 or -v7",
        ) from error
    # SciPy gives a signal of one sample as a number.
    samples = np.atleast_1d(_variable(variables, file_format.samples))
    rate_hz = np.asarray(_variable(variables, file_format.sample_rate))
    if samples.ndim != 1 or samples.dtype.kind not in "fiu":
        raise RejectedError(
            f"variable {file_format.samples!r} is no single signal: shape {samples.shape}, "
            f"type {samples.dtype}",
            "correct format.samples of the source",
        )
    if rate_hz.ndim or rate_hz.dtype.kind not in "fiu" or not (rate_hz >= 1 and rate_hz % 1 == 0):
        raise RejectedError(
            f"variable {file_format.sample_rate!r} is no sampling rate in hertz: {rate_hz}",
            "correct format.sample_rate of the source",
        )
    return _column(samples), int(rate_hz)


def _variable(variables: dict[str, Any], dotted: str) -> Any:
    name, *fields = dotted.split(".")
    if name not in variables:
        known = sorted(key for key in variables if not key.startswith("__"))
        raise RejectedError(
            f"has no variable {name!r}; it has {', '.join(known)}", "correct the source's format"
        )
    value = variables[name]
    for field in fields:
        if not hasattr(value, field):
            raise RejectedError(
                f"variable {dotted!r} has no field {field!r}", "correct the source's format"
            )
        value = getattr(value, field)
    return value


def _read_raw(content: bytes, file_format: RawFormat) -> Signal:
    sample_type = np.dtype(file_format.encoding).newbyteorder("<")
    if len(content) % sample_type.itemsize:
        raise RejectedError(
            f"{len(content)} bytes are no whole number of {file_format.encoding} samples",
            "copy it again from its source, or correct format.encoding of the source",
        )
    return _column(np.frombuffer(content, sample_type)), file_format.sample_rate_hz


def _column(samples: NDArray[Any]) -> NDArray[np.float32]:
    """(n_samples, 1) in float32; whole numbers scaled as libsndfile does."""
    scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * samples.dtype.itemsize - 1)
    # What float32 cannot hold becomes infinite, and is rejected as such.
    with np.errstate(over="ignore"):
        return (samples / scale).astype(np.float32)[:, np.newaxis]
