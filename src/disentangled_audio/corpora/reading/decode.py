"""Decodes one recording, or explains why it cannot be used."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.audio import Signal, header_warning, read_audio
from disentangled_audio.corpora.reading.content import Content, Part, opened, read_content
from disentangled_audio.corpora.sources.folder import File, RejectedError
from disentangled_audio.parameters import AudioFormat, Format, MatFormat, RawFormat

# From hydrophones to bat detectors; a wrong header can claim any rate.
_MIN_RATE_HZ = 1_000
_MAX_RATE_HZ = 10_000_000
_BLOCK = 2**20


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
    warning : str
        What is wrong with a header, although all samples were read; empty if nothing is.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    n_bytes: int
    sha256: str
    file_sha256: tuple[str, ...]
    warning: str = ""

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
    signals = [
        read_samples(part, file_format, path, name)
        for part, path, name in zip(content.parts, content.paths, content.names, strict=True)
    ]
    is_audio = isinstance(file_format, AudioFormat)
    warnings = [header_warning(part) for part in content.parts] if is_audio else []
    decoded = Decoded(
        samples=_joined([samples for samples, _ in signals]),
        sample_rate_hz=same_rate([rate_hz for _, rate_hz in signals]),
        n_bytes=content.n_bytes,
        sha256=content.sha256,
        file_sha256=content.file_sha256,
        warning=next(filter(None, warnings), ""),
    )
    check_samples(decoded, min_duration_s)
    return decoded


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
    if not all(np.isfinite(block).all() for block in _blocks(decoded.samples)):
        raise RejectedError("holds NaN or infinity", "export it again from its source")
    if not any(block.any() for block in _blocks(decoded.samples)):
        raise RejectedError("silent: every sample is zero", "record it again, or leave it out")
    if is_constant(decoded.samples):
        raise RejectedError(
            "holds no sound: each channel is constant",
            "record it again, or leave it out",
        )


def is_constant(samples: NDArray[np.float32]) -> bool:
    """Tell whether every channel is constant."""
    return all((block == samples[0]).all() for block in _blocks(samples))


def _blocks(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Parts of long signals, of which one comparison would need as much memory again."""
    return (samples[start : start + _BLOCK] for start in range(0, len(samples), _BLOCK))


def read_samples(
    content: Part, file_format: Format, path: Path | None = None, name: str = ""
) -> Signal:
    """Decode the content of a file.

    Parameters
    ----------
    content : bytes or LargeFile
    file_format : Format
    path, name
        As in `read_audio`.

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
        return read_audio(content, path, name)
    with opened(content) as file:
        whole = file.read()
    if isinstance(file_format, MatFormat):
        return _read_mat(whole, file_format)
    return _read_raw(whole, file_format)


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
