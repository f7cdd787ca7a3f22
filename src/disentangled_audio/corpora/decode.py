"""Decodes one file, or says why it cannot be used."""

import hashlib
import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from disentangled_audio.parameters import Analysis
from disentangled_audio.signal.clip import cut, direct_sound_index, rms


class RejectedError(ValueError):
    """A file that cannot be used; carries what to do about it."""

    def __init__(self, reason: str, what_to_do: str) -> None:
        super().__init__(reason)
        self.what_to_do = what_to_do


@dataclass(frozen=True)
class Decoded:
    """Samples of one file and the facts of its container.

    Attributes
    ----------
    samples : (n_samples, n_channels)
        float32, linear amplitude as stored.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    n_bytes: int
    sha256: str

    @property
    def duration_s(self) -> float:
        """Length as stored."""
        return len(self.samples) / self.sample_rate_hz


def decode(path: Path, min_duration_s: float) -> Decoded:
    """Read a wav or flac file.

    Raises
    ------
    RejectedError
        If the file is unreadable, empty, not audio, truncated, too short, holds values that
        are not finite, or is silent.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RejectedError(
            f"cannot be read: {error.strerror}", "check the file and its permissions"
        ) from error
    if not content:
        raise RejectedError("the file is empty", "copy or record it again")
    _check_riff_size(content)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            n_frames, sample_rate_hz = file.frames, file.samplerate
            samples = _read_samples(file)
    except soundfile.LibsndfileError as error:
        raise RejectedError(
            f"not audio that can be decoded: {error.error_string}", "convert it to wav or flac"
        ) from error
    if len(samples) < n_frames:
        raise _truncated(f": {len(samples)} of {n_frames} samples")
    decoded = Decoded(samples, sample_rate_hz, len(content), hashlib.sha256(content).hexdigest())
    _check_samples(decoded, min_duration_s)
    return decoded


def _read_samples(file: soundfile.SoundFile) -> NDArray[np.float32]:
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


def _check_samples(decoded: Decoded, min_duration_s: float) -> None:
    if decoded.duration_s < min_duration_s or not len(decoded.samples):
        raise RejectedError(
            f"too short: {decoded.duration_s:.4g} s, the minimum is {min_duration_s:g} s",
            "lower corpus.analysis.min_duration_s, or leave the file out",
        )
    if not np.isfinite(decoded.samples).all():
        raise RejectedError("holds NaN or infinity", "export it again from its source")
    if not decoded.samples.any():
        raise RejectedError("silent: every sample is zero", "record it again, or leave it out")


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
        If nothing but silence is left in the clip.
    """
    if sample_rate_hz != analysis.sample_rate_hz:
        signal = soxr.resample(signal, sample_rate_hz, analysis.sample_rate_hz)
    if not signal.any():
        raise RejectedError("the analysed channel is silent", "choose another channel policy")
    start = 0
    if aligned:
        start = direct_sound_index(signal) - round(analysis.pre_direct_s * analysis.sample_rate_hz)
    length = round(analysis.duration_s * analysis.sample_rate_hz)
    clip = cut(signal, start, length, fill=analysis.fill, rng=rng)
    if rms(clip) == 0:
        raise RejectedError(
            f"silent in the first {analysis.duration_s:g} s",
            "trim the leading silence, or raise corpus.analysis.duration_s",
        )
    return clip
