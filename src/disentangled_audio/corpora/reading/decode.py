"""Decodes one recording, or says why it cannot be used."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.readers import RejectedError, read_samples
from disentangled_audio.corpora.sources.files import File
from disentangled_audio.parameters import Analysis, Format
from disentangled_audio.signal.clip import cut, direct_sound_index

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
    if _is_constant(decoded.samples):
        raise RejectedError(
            "holds no sound: each channel has one value throughout",
            "record it again, or leave it out",
        )


def _is_constant(samples: NDArray[np.float32]) -> bool:
    return bool((samples == samples[0]).all())


def channels(decoded: Decoded, policy: str) -> list[tuple[int | None, NDArray[np.float32]]]:
    """Signals to analyse, by the channel policy.

    Returns
    -------
    list of (channel, samples)
        One entry for `first` and `mean`, one per channel for `each`; channels count from 0,
        None stands for the mean.
    """
    if policy == "mean":
        return [(None, decoded.samples.mean(axis=1))]
    if policy == "each":
        return list(enumerate(decoded.samples.T))
    return [(0, decoded.samples[:, 0])]


def to_clip(
    signal: NDArray[np.float32],
    sample_rate_hz: int,
    analysis: Analysis,
    *,
    aligned: bool,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Resample, align and cut one channel to the analysis clip.

    Parameters
    ----------
    signal : (n_samples,)
    sample_rate_hz : int
        Sampling rate of `signal`.
    analysis : Analysis
        With a duration in seconds.
    aligned : bool
        Start the clip just before the direct sound instead of at the file's start.
    rng : numpy.random.Generator
        Draws the fill noise.

    Returns
    -------
    (n_clip_samples,)
        float32, not yet normalised.

    Raises
    ------
    RejectedError
        If nothing but silence is left in the clip, or its values are beyond float32.
    """
    if _is_constant(signal):
        raise RejectedError(
            "the analysed channel is silent",
            "choose another channel policy",
            "bring the sound to the channel that the model listens to, the first or the mean",
        )
    if sample_rate_hz != analysis.sample_rate_hz:
        signal = soxr.resample(signal, sample_rate_hz, analysis.sample_rate_hz)
    signal = signal[:: analysis.keep_every]
    if not signal.any():
        raise RejectedError(
            f"nothing is left of it at {analysis.clip_rate_hz} Hz",
            "raise corpus.analysis.sample_rate_hz or min_duration_s",
            "leave the file out; the model listens to lower frequencies alone",
        )
    start = 0
    if aligned:
        start = direct_sound_index(signal) - round(analysis.pre_direct_s * analysis.clip_rate_hz)
    length = round(analysis.duration_s * analysis.clip_rate_hz)
    clip = cut(signal, start, length, fill=analysis.fill, rng=rng)
    if not clip.any():
        raise RejectedError(
            f"silent in the first {analysis.duration_s:g} s",
            "trim the leading silence, or raise corpus.analysis.duration_s",
            "trim the leading silence",
        )
    # The mean of two channels or a filter can overflow where no sample of the file does.
    if not np.isfinite(clip).all():
        raise RejectedError("its values are too large", "export it again from its source")
    return clip
