"""Decodes one recording, or explains why it cannot be used."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from disentangled_audio.corpora.reading import mpeg, ogg
from disentangled_audio.corpora.sources.folder import (
    File,
    RejectedError,
    differing_parts,
    truncated,
)
from disentangled_audio.parameters import AudioFormat, Format, MatFormat, RawFormat
from disentangled_audio.storage.hashing import bytes_hash

Signal = tuple[NDArray[np.float32], int]

# Multichannel silence in flac has almost a thousand samples per byte; more is not plausible.
_MAX_SAMPLES_PER_BYTE = 2000
# No real wav has more chunks before its samples.
_MAX_RIFF_CHUNKS = 1000
# From hydrophones to bat detectors; a wrong header can claim any rate.
_MIN_RATE_HZ = 1_000
_MAX_RATE_HZ = 10_000_000


@dataclass(frozen=True)
class Content:
    """Bytes of a recording's files, in order.

    Attributes
    ----------
    parts : tuple of bytes
        Content of each file.
    sha256 : str
        Hash of the concatenated files.
    file_sha256 : tuple of str
        Hash of each file.
    """

    parts: tuple[bytes, ...]
    sha256: str
    file_sha256: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Total number of bytes."""
        return sum(map(len, self.parts))


@dataclass(frozen=True)
class Decoded:
    """Samples of one recording and facts about its files.

    Attributes
    ----------
    samples : (n_samples, n_channels)
        float32, linear amplitude as stored.
    sample_rate_hz : int
    n_bytes, sha256, file_sha256
        As in `Content`.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    n_bytes: int
    sha256: str
    file_sha256: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Duration as stored."""
        return len(self.samples) / self.sample_rate_hz


def decode(files: Sequence[File], file_format: Format, min_duration_s: float) -> Decoded:
    """Read and decode a recording.

    Parameters
    ----------
    files : sequence of File
        One file, or one file per channel in order.
    file_format : Format
        Storage format of each file.
    min_duration_s : float
        Shorter recordings are rejected.

    Raises
    ------
    RejectedError
        If a file is unreadable, empty, of another format, truncated or too short; if its values
        are not finite or constant; if the channels differ in length or rate, or the rate is
        implausible.
    """
    return decode_content(read_content(files), file_format, min_duration_s)


def decode_content(content: Content, file_format: Format, min_duration_s: float) -> Decoded:
    """Decode a recording whose bytes have been read; otherwise like `decode`."""
    signals = [read_samples(part, file_format) for part in content.parts]
    decoded = Decoded(
        samples=_joined([samples for samples, _ in signals]),
        sample_rate_hz=same_rate([rate_hz for _, rate_hz in signals]),
        n_bytes=content.n_bytes,
        sha256=content.sha256,
        file_sha256=content.file_sha256,
    )
    check_samples(decoded, min_duration_s)
    return decoded


def read_content(files: Sequence[File]) -> Content:
    """Read all bytes of a recording's files and hash them.

    Raises
    ------
    RejectedError
        If a file is empty or cannot be read.
    """
    parts = tuple(file.read() for file in files)
    if not all(parts):
        raise RejectedError("the file is empty", "copy or record it again")
    each = tuple(bytes_hash([part]) for part in parts)
    return Content(parts, each[0] if len(each) == 1 else bytes_hash(parts), each)


def _joined(channels: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    lengths = [len(samples) for samples in channels]
    if len(set(lengths)) > 1:
        raise RejectedError(
            f"its channels differ in length: {', '.join(map(str, lengths))} samples",
            "copy its files again from their source, or correct the source's channel_files",
        )
    return channels[0] if len(channels) == 1 else np.concatenate(channels, axis=1)


def same_rate(rates_hz: list[int]) -> int:
    """Give the rate of all channels; reject one that differs or is not plausible."""
    if len(set(rates_hz)) > 1:
        raise RejectedError(
            f"its channels differ in rate: {', '.join(map(str, rates_hz))} Hz",
            "correct the source's channel_files",
        )
    if not _MIN_RATE_HZ <= rates_hz[0] <= _MAX_RATE_HZ:
        raise RejectedError(
            f"its sampling rate is {rates_hz[0]} Hz, which is not plausible for audio",
            "correct its header, or convert it with the right rate",
        )
    return rates_hz[0]


def check_samples(decoded: Decoded, min_duration_s: float) -> None:
    """Reject samples that are too short, not finite, or without sound."""
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
            "holds no sound: each channel is constant",
            "record it again, or leave it out",
        )


def is_constant(samples: NDArray[np.float32]) -> bool:
    """Tell whether every channel is constant."""
    return bool((samples == samples[0]).all())


def read_samples(content: bytes, file_format: Format) -> Signal:
    """Decode the content of a file.

    Returns
    -------
    samples : (n_samples, n_channels)
        float32; linear amplitude, integers scaled to between -1 and 1.
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


class InMemory(io.BytesIO):
    """Bytes that libsndfile reads as a file."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position; like a file, ignore an invalid one."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            # An error here would be raised in libsndfile's callback, which can only print it.
            return self.tell()


def _read_audio(content: bytes) -> Signal:
    _check_riff_sizes(content)
    content, n_samples = mpeg.frames_in_full(content)
    signals = [_read_whole(link, n_samples) for link in ogg.links(content)]
    if len(signals) == 1:
        return signals[0]
    kinds = sorted({(rate_hz, samples.shape[1]) for samples, rate_hz in signals})
    if len(kinds) > 1:
        raise differing_parts(kinds)
    return np.concatenate([samples for samples, _ in signals]), kinds[0][0]


def _read_whole(content: bytes, n_samples: int | None) -> Signal:
    """Read as many samples as are counted in the file, or else as libsndfile says it has."""
    try:
        with soundfile.SoundFile(InMemory(content)) as file:
            expected, sample_rate_hz = n_samples or file.frames, file.samplerate
            _check_length(file, len(content))
            samples = _read_frames(file, expected)
    except soundfile.LibsndfileError as error:
        raise RejectedError(
            f"not audio that can be decoded: {error.error_string}", "convert it to wav or flac"
        ) from error
    if len(samples) < expected:
        raise truncated(f": {len(samples)} of {expected} samples")
    return samples, sample_rate_hz


def _check_length(file: soundfile.SoundFile, n_bytes: int) -> None:
    # Memory for the length in the header is allocated before anything is decoded.
    if file.frames * file.channels > _MAX_SAMPLES_PER_BYTE * n_bytes:
        raise RejectedError(
            f"its header has a wrong length: {file.frames} samples in {n_bytes} bytes",
            "convert it to wav; a streaming program may not have known the length",
        )


def _read_frames(file: soundfile.SoundFile, n_samples: int) -> NDArray[np.float32]:
    try:
        if file.subtype == "PCM_16":
            # Faster than libsndfile's own conversion, with the same result.
            whole = file.read(n_samples, dtype="int16", always_2d=True)
            return np.multiply(whole, np.float32(2.0**-15), dtype=np.float32)
        return file.read(n_samples, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        # A truncated flac has a good header and fails here.
        raise truncated(f" or damaged: {error.error_string}") from error


def _check_riff_sizes(content: bytes) -> None:
    """Reject a wav that is shorter than its header says, which libsndfile would accept."""
    order = {b"RIFF": "<", b"RIFX": ">"}.get(content[:4])
    if order is None or len(content) < 12:
        return
    (declared,) = struct.unpack_from(f"{order}I", content, 4)
    # Some programs omit the last byte, the padding of an odd chunk.
    if not _is_unknown(declared) and declared + 8 > len(content) + 1:
        raise truncated(f": {len(content)} of {declared + 8} bytes")
    start = 12
    for _ in range(_MAX_RIFF_CHUNKS):
        if start + 8 > len(content):
            return
        name, size = struct.unpack_from(f"{order}4sI", content, start)
        start += 8
        if name != b"data":
            start += size + size % 2
            continue
        if not _is_unknown(size) and start + size > len(content):
            raise truncated(f": {len(content) - start} of {size} bytes of samples")
        return


def _is_unknown(n_bytes: int) -> bool:
    """Tell whether a size is a placeholder, as streaming programs write it."""
    return n_bytes == 0 or n_bytes >= 0x7FFFF000


def _read_mat(content: bytes, file_format: MatFormat) -> Signal:
    from scipy.io import loadmat

    try:
        variables = loadmat(io.BytesIO(content), squeeze_me=True, struct_as_record=False)
    # SciPy's reader can raise any error on a damaged file.
    except Exception as error:
        raise RejectedError(
            f"not a readable MATLAB file of level 5: {error}",
            "copy it again from its source, or save it with -v6 or -v7",
        ) from error
    # SciPy returns a signal of one sample as a scalar.
    samples = np.atleast_1d(_variable(variables, file_format.samples))
    rate_hz = np.asarray(_variable(variables, file_format.sample_rate))
    if samples.ndim != 1 or samples.dtype.kind not in "fiu":
        raise RejectedError(
            f"variable {file_format.samples!r} is not a single signal: shape {samples.shape}, "
            f"type {samples.dtype}",
            "correct format.samples of the source",
        )
    if rate_hz.ndim or rate_hz.dtype.kind not in "fiu" or not (rate_hz >= 1 and rate_hz % 1 == 0):
        raise RejectedError(
            f"variable {file_format.sample_rate!r} is not a sampling rate in hertz: {rate_hz}",
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
            f"{len(content)} bytes are not a whole number of {file_format.encoding} samples",
            "copy it again from its source, or correct format.encoding of the source",
        )
    return _column(np.frombuffer(content, sample_type)), file_format.sample_rate_hz


def _column(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Convert to float32 (n_samples, 1), scaling integers as libsndfile does."""
    scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * samples.dtype.itemsize - 1)
    # Values beyond float32 become infinite, and are rejected later.
    with np.errstate(over="ignore"):
        return (samples / scale).astype(np.float32)[:, np.newaxis]
