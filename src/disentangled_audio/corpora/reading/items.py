"""Turns one recording into items: rows of the table and their analysis clips."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.content import Content, read_content
from disentangled_audio.corpora.reading.decode import Decoded, is_constant
from disentangled_audio.corpora.reading.parts import Labelled, LeftOut, Part, parts_of
from disentangled_audio.corpora.reading.sound import opened_sound
from disentangled_audio.corpora.sources.folder import Located, RejectedError
from disentangled_audio.parameters import Analysis
from disentangled_audio.signal.clip import (
    band_limit,
    clipped_run,
    cut,
    direct_sound_index,
    loudest_start,
    normalise_energy,
    peak_of,
    rms,
)
from disentangled_audio.signal.shortcuts import recording_facts


@dataclass(frozen=True)
class Task:
    """One recording to be read.

    Attributes
    ----------
    recording : Located
    columns : dict or None
        Columns from its name; None if it matches no pattern.
    sha256 : tuple of (str or None)
        Expected hash of each of its files, if known.
    noise_seed : int or None
        CRC-32 of the name that seeds the noise after a short clip; None for the recording's own
        name.
    labelled : Labelled or None
        Its labelled parts; None for a recording that is one item.
    usual_channels : int or None
        A recording with more channels is heard on its loudest channel instead of the first.
    """

    recording: Located
    columns: dict[str, str | None] | None
    sha256: tuple[str | None, ...]
    noise_seed: int | None = None
    labelled: Labelled | None = None
    usual_channels: int | None = None


def items_of(
    task: Task,
    fingerprint: str,
    content: Content | None,
    analysis: Analysis,
    *,
    with_facts: bool = True,
    left_out: list[LeftOut] | None = None,
) -> Iterator[tuple[dict[str, Any], NDArray[np.float32]]]:
    """Yield the rows and clips of one recording; its files are read if `content` is None.

    Parts that cannot be used are added to `left_out`. For inference, rows are made without facts:
    they lack levels and `recording_facts`, which only a corpus's table and audit need, and have
    `clipped_run`, which only inference reports.

    Raises
    ------
    RejectedError
        If the recording cannot be used, or its SHA-256 is not the `fingerprint`.
    """
    columns = _checked_columns(task)
    content = content or read_content(task.recording.files)
    if content.sha256 != fingerprint:
        raise RejectedError(
            "the file changed while it was read", "wait until it is complete, and run again"
        )
    _check_hashes(task, content.file_sha256)
    aligned = _is_aligned(columns, analysis)
    in_parts = task.labelled is not None or (analysis.part == "windows" and not aligned)
    with opened_sound(
        content, task.recording.format, analysis.min_duration_s, in_parts=in_parts
    ) as sound:
        for part in parts_of(task.labelled, sound.duration_s, analysis, aligned=aligned):
            try:
                decoded = sound.decoded(part)
                # All channels of a part, or none.
                items = [
                    _item(
                        *(task, part, columns, decoded, channel, signal, analysis),
                        with_facts=with_facts,
                    )
                    for channel, signal in channels(decoded, _policy(task, decoded, analysis))
                ]
            except RejectedError as error:
                if part.is_whole or left_out is None:
                    raise
                left_out.append(_left_out(task, part, error))
            else:
                yield from items


def _policy(task: Task, decoded: Decoded, analysis: Analysis) -> str:
    n_channels = decoded.samples.shape[1]
    is_unusual = task.usual_channels is not None and n_channels > task.usual_channels
    return "loudest" if is_unusual and analysis.channel == "first" else analysis.channel


def _is_aligned(columns: dict[str, str | None], analysis: Analysis) -> bool:
    return analysis.align == "direct_sound" and columns["kind"] == "rir"


def _left_out(task: Task, part: Part, error: RejectedError) -> LeftOut:
    path = f"{task.recording.name}{part.suffix}"
    if not part.origin:
        return LeftOut(path, str(error), error.what_to_do)
    # Reasons are counted by the text before the colon.
    reason, _, details = str(error).partition(":")
    where = f"{part.origin};{details}" if details else part.origin
    return LeftOut(path, f"{reason}: {where}", error.what_to_do, "invalid")


def _checked_columns(task: Task) -> dict[str, str | None]:
    """Give the columns of a recording, or reject it for its name or files."""
    recording = task.recording
    if as_utf8(recording.name) != recording.name:
        raise RejectedError("the file's name is not valid UTF-8", "rename it")
    for file in recording.files:
        # Checked before the name, since an unreadable folder need not match a pattern.
        if file.fault is not None:
            raise RejectedError(file.fault.reason, file.fault.what_to_do)
    if recording.missing_channels:
        numbers = ", ".join(map(str, recording.missing_channels))
        raise RejectedError(f"channel {numbers} is missing", "copy its files again from the source")
    if task.columns is None:
        raise RejectedError(
            "matches no name pattern",
            "add a pattern to corpus.name_patterns, or narrow corpus.files",
        )
    return task.columns


def _check_hashes(task: Task, found: tuple[str, ...]) -> None:
    for file, expected, own in zip(task.recording.files, task.sha256, found, strict=True):
        if expected not in (None, own):
            raise RejectedError(
                # Reasons are counted by the text before the colon.
                f"not the expected file: the SHA-256 of {file.relative} is {own}, "
                f"corpus.hashes has {expected}",
                "copy it again from its source, or correct the table",
            )


def as_utf8(name: str) -> str:
    """Replace the characters of a name that are not valid UTF-8, so it fits into a table."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _item(
    task: Task,
    part: Part,
    columns: dict[str, str | None],
    decoded: Decoded,
    channel: int | None,
    signal: NDArray[np.float32],
    analysis: Analysis,
    *,
    with_facts: bool,
) -> tuple[dict[str, Any], NDArray[np.float32]]:
    file = task.recording
    suffix = part.suffix + (f"#{channel}" if analysis.channel == "each" else "")
    recording_id = f"{file.name}{suffix}"
    aligned = _is_aligned(columns, analysis)
    seed = zlib.crc32(file.name.encode()) if task.noise_seed is None else task.noise_seed
    clip = to_clip(
        signal,
        decoded.sample_rate_hz,
        analysis,
        aligned=aligned,
        # Continues the CRC-32 of the name over the suffix.
        rng=np.random.default_rng([zlib.crc32(suffix.encode(), seed)]),
    )
    arrival = direct_sound_index(signal)
    # Facts are about stored samples; a mean of channels was never stored.
    stored = decoded.samples[:, 0] if channel is None else signal
    if with_facts:
        facts = {
            "peak": float(peak_of(signal)),
            "rms_dbfs": 20 * float(np.log10(max(rms(signal), 1e-12))),
            **recording_facts(stored, decoded.sample_rate_hz, arrival),
        }
    else:
        heard = decoded.samples.T if channel is None else [signal]
        facts = {"clipped_run": max(map(clipped_run, heard))}
    row = {
        "recording_id": recording_id,
        "path": file.name,
        "channel": "mean" if channel is None else str(channel),
        **columns,
        **part.columns,
        "start_s": part.start_s,
        "end_s": part.start_s + decoded.duration_s,
        "heard_s": _heard_s(arrival / decoded.sample_rate_hz, decoded, analysis, aligned=aligned),
        "sample_rate_hz": decoded.sample_rate_hz,
        "n_channels": decoded.samples.shape[1],
        "duration_s": decoded.duration_s,
        "first_arrival_s": arrival / decoded.sample_rate_hz,
        "n_bytes": decoded.n_bytes,
        **facts,
        "sha256": decoded.sha256,
        "warnings": decoded.warning,
    }
    return row, _finished(clip, analysis)


def _heard_s(arrival_s: float, decoded: Decoded, analysis: Analysis, *, aligned: bool) -> float:
    """Seconds of a recording or part that its clip holds."""
    start_s = max(arrival_s - analysis.pre_direct_s, 0) if aligned else 0.0
    return min(decoded.duration_s - start_s, analysis.duration_s)


def _finished(clip: NDArray[np.float32], analysis: Analysis) -> NDArray[np.float32]:
    clips = clip[np.newaxis]
    if analysis.band_hz is not None:
        clips = band_limit(clips, analysis.clip_rate_hz, *analysis.band_hz)
    if analysis.normalise_energy:
        clips = normalise_energy(clips)
    return np.ascontiguousarray(clips[0], dtype=np.float32)


def channels(decoded: Decoded, policy: str) -> list[tuple[int | None, NDArray[np.float32]]]:
    """Select the signals to analyse, by the channel policy.

    Returns
    -------
    list of (channel, samples)
        One entry per channel for `each`, otherwise one; channels count from 0, None stands for the
        mean.
    """
    if policy == "mean":
        return [(None, decoded.samples.mean(axis=1))]
    if policy == "each":
        return list(enumerate(decoded.samples.T))
    number = 0 if policy == "first" else int(np.argmax([rms(own) for own in decoded.samples.T]))
    return [(number, decoded.samples[:, number])]


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
    analysis : Analysis
        With a duration in seconds.
    aligned : bool
        Start the clip just before the direct sound instead of where `analysis.part` says.
    rng : numpy.random.Generator
        Draws the fill noise.

    Returns
    -------
    (n_clip_samples,)
        float32, not yet normalised.

    Raises
    ------
    RejectedError
        If the clip is silent, or its values exceed float32.
    """
    if is_constant(signal):
        raise RejectedError(
            "the analysed channel is silent",
            "choose another channel policy",
            "put the sound on the channel that the model uses: the first, or the mean",
        )
    if sample_rate_hz != analysis.sample_rate_hz:
        signal = soxr.resample(signal, sample_rate_hz, analysis.sample_rate_hz)
    signal = signal[:: analysis.keep_every]
    if not signal.any():
        raise RejectedError(
            f"nothing is left of it at {analysis.clip_rate_hz} Hz",
            "raise corpus.analysis.sample_rate_hz or min_duration_s",
            "leave the file out; the model uses only lower frequencies",
        )
    length = round(analysis.duration_s * analysis.clip_rate_hz)
    start = 0
    if aligned:
        start = direct_sound_index(signal) - round(analysis.pre_direct_s * analysis.clip_rate_hz)
    elif analysis.part == "loudest":
        start = loudest_start(signal, length)
    clip = cut(signal, start, length, fill=analysis.fill, rng=rng)
    if not clip.any():
        raise RejectedError(
            f"silent in the first {analysis.duration_s:g} s",
            "set corpus.analysis.part=loudest, or raise corpus.analysis.duration_s",
            "trim the leading silence",
        )
    # The mean of two channels or a filter can overflow even if no sample of the file does.
    if not np.isfinite(clip).all():
        raise RejectedError("its values are too large", "export it again from its source")
    return clip
