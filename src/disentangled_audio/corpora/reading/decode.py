"""Decodes one recording, or says why it cannot be used."""

import hashlib
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from disentangled_audio.corpora.sources.folder import File, RejectedError
from disentangled_audio.parameters import AudioFormat, Format, MatFormat, RawFormat

Signal = tuple[NDArray[np.float32], int]

# Silence of many channels in flac has nearly a thousand samples a byte; more is a lie.
_MAX_SAMPLES_PER_BYTE = 2000
# More chunks before its samples no wav has.
_MAX_RIFF_CHUNKS = 1000
# Hydrophones and bats have less and more than people hear; a lying header has anything.
_MIN_RATE_HZ = 1_000
_MAX_RATE_HZ = 10_000_000


@dataclass(frozen=True)
class Content:
    """Bytes of a recording's files, in their order.

    Attributes
    ----------
    parts : tuple of bytes
        One a file.
    sha256 : str
        Hash of all, one after the other.
    file_sha256 : tuple of str
        Hash of each.
    """

    parts: tuple[bytes, ...]
    sha256: str
    file_sha256: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Of all files."""
        return sum(map(len, self.parts))


@dataclass(frozen=True)
class Decoded:
    """Samples of one file and the facts of its container.

    Attributes
    ----------
    samples : (n_samples, n_channels)
        float32, linear amplitude as stored.
    sample_rate_hz : int
    n_bytes : int
        Of all its files.
    sha256 : str
        Hash of their bytes, one after the other.
    file_sha256 : tuple of str
        Hash of each.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    n_bytes: int
    sha256: str
    file_sha256: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Length as stored."""
        return len(self.samples) / self.sample_rate_hz


def decode(files: Sequence[File], file_format: Format, min_duration_s: float) -> Decoded:
    """Read a recording.

    Parameters
    ----------
    files : sequence of File
        One file; or one a channel, in their order.
    file_format : Format
        How each is stored.
    min_duration_s : float
        Less is rejected, in seconds.

    Raises
    ------
    RejectedError
        If a file is unreadable, empty, not of the format, truncated, too short, holds values
        that are not finite or do not change; if the channels differ in length or rate, or the
        rate is none of audio.
    """
    return decode_content(read_content(files), file_format, min_duration_s)


def decode_content(content: Content, file_format: Format, min_duration_s: float) -> Decoded:
    """Decode a recording that has been read; else as `decode`."""
    signals = [read_samples(part, file_format) for part in content.parts]
    decoded = Decoded(
        samples=_joined([samples for samples, _ in signals]),
        sample_rate_hz=_same_rate([rate_hz for _, rate_hz in signals]),
        n_bytes=content.n_bytes,
        sha256=content.sha256,
        file_sha256=content.file_sha256,
    )
    _check_samples(decoded, min_duration_s)
    return decoded


def read_content(files: Sequence[File]) -> Content:
    """All bytes of a recording's files, with their hashes.

    Raises
    ------
    RejectedError
        If a file has none, or cannot be read.
    """
    parts = tuple(file.read() for file in files)
    if not all(parts):
        raise RejectedError("the file is empty", "copy or record it again")
    each = tuple(hashlib.sha256(part).hexdigest() for part in parts)
    if len(each) == 1:
        return Content(parts, each[0], each)
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return Content(parts, whole.hexdigest(), each)


def _joined(channels: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    lengths = [len(samples) for samples in channels]
    if len(set(lengths)) > 1:
        raise RejectedError(
            f"its channels differ in length: {', '.join(map(str, lengths))} samples",
            "copy its files again from their source, or correct the source's channel_files",
        )
    return channels[0] if len(channels) == 1 else np.concatenate(channels, axis=1)


def _same_rate(rates_hz: list[int]) -> int:
    if len(set(rates_hz)) > 1:
        raise RejectedError(
            f"its channels differ in rate: {', '.join(map(str, rates_hz))} Hz",
            "correct the source's channel_files",
        )
    if not _MIN_RATE_HZ <= rates_hz[0] <= _MAX_RATE_HZ:
        raise RejectedError(
            f"its sampling rate is {rates_hz[0]} Hz, which is none of audio",
            "correct its header, or convert it with the right rate",
        )
    return rates_hz[0]


def _check_samples(decoded: Decoded, min_duration_s: float) -> None:
    if decoded.duration_s < min_duration_s or not len(decoded.samples):
        raise RejectedError(
            f"too short: {decoded.duration_s:.4g} s, the minimum is {min_duration_s:g} s",
            "lower corpus.analysis.min_duration_s, or leave the file out",
            "leave the file out; the model was trained on longer ones",
        )
    if not np.isfinite(decoded.samples).all():
        raise RejectedError("holds NaN or infinity", "export it again from its source")
    if not decoded.samples.any():
        raise RejectedError("silent: every sample is zero", "record it again, or leave it out")
    if is_constant(decoded.samples):
        raise RejectedError(
            "holds no sound: each channel has one value throughout",
            "record it again, or leave it out",
        )


def is_constant(samples: NDArray[np.float32]) -> bool:
    """Whether nothing changes from sample to sample."""
    return bool((samples == samples[0]).all())


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
