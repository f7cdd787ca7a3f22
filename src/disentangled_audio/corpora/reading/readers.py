"""Samples and sampling rate of one file's bytes, by format."""

import io
import struct
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from disentangled_audio.parameters import AudioFormat, Format, MatFormat, RawFormat

Signal = tuple[NDArray[np.float32], int]

# Silence of many channels in flac has nearly a thousand samples a byte; more is a lie.
_MAX_SAMPLES_PER_BYTE = 2000
# More chunks before its samples no wav has.
_MAX_RIFF_CHUNKS = 1000


class RejectedError(ValueError):
    """A file that cannot be used; carries what to do about it.

    Parameters
    ----------
    reason : str
    what_to_do : str
        In a corpus.
    of_model : str, optional
        The same where a trained model's parameters cannot be changed.
    """

    def __init__(self, reason: str, what_to_do: str, of_model: str | None = None) -> None:
        super().__init__(reason)
        self.what_to_do = what_to_do
        self.of_model = of_model or what_to_do


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


class _InMemory(io.BytesIO):
    """Content that libsndfile reads as a file."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position, or stay if it is none, as a file does."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            # Raised where no code of this project can catch it, and printed.
            return self.tell()


def _read_audio(content: bytes) -> Signal:
    _check_riff_sizes(content)
    try:
        with soundfile.SoundFile(_InMemory(content)) as file:
            n_frames, sample_rate_hz = file.frames, file.samplerate
            _check_length(file, len(content))
            samples = _read_frames(file)
    except soundfile.LibsndfileError as error:
        raise RejectedError(
            f"not audio that can be decoded: {error.error_string}", "convert it to wav or flac"
        ) from error
    if len(samples) < n_frames:
        raise _truncated(f": {len(samples)} of {n_frames} samples")
    return samples, sample_rate_hz


def _check_length(file: soundfile.SoundFile, n_bytes: int) -> None:
    # Memory is taken for what the header promises, before anything is decoded.
    if file.frames * file.channels > _MAX_SAMPLES_PER_BYTE * n_bytes:
        raise RejectedError(
            f"its header tells no true length: {file.frames} samples in {n_bytes} bytes",
            "convert it to wav; what comes out of a pipe may not know its length",
        )


def _read_frames(file: soundfile.SoundFile) -> NDArray[np.float32]:
    try:
        if file.subtype == "PCM_16":
            # libsndfile itself takes longer for the same numbers.
            whole = file.read(file.frames, dtype="int16", always_2d=True)
            return np.multiply(whole, np.float32(2.0**-15), dtype=np.float32)
        return file.read(file.frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        # The header is good, what follows it is not: so ends a flac that was cut off.
        raise _truncated(f" or damaged: {error.error_string}") from error


def _check_riff_sizes(content: bytes) -> None:
    """Reject a wav that ends before its header says; libsndfile reads it as far as it goes."""
    order = {b"RIFF": "<", b"RIFX": ">"}.get(content[:4])
    if order is None or len(content) < 12:
        return
    (declared,) = struct.unpack_from(f"{order}I", content, 4)
    # The last byte may be the padding of an odd chunk, which some programs leave out.
    if not _is_open(declared) and declared + 8 > len(content) + 1:
        raise _truncated(f": {len(content)} of {declared + 8} bytes")
    start = 12
    for _ in range(_MAX_RIFF_CHUNKS):
        if start + 8 > len(content):
            return
        name, size = struct.unpack_from(f"{order}4sI", content, start)
        start += 8
        if name != b"data":
            start += size + size % 2
            continue
        if not _is_open(size) and start + size > len(content):
            raise _truncated(f": {len(content) - start} of {size} bytes of samples")
        return


def _is_open(n_bytes: int) -> bool:
    """Whether a size says that the writer did not know it, as in what comes out of a pipe."""
    return n_bytes == 0 or n_bytes >= 0x7FFFF000


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
