"""Reads some recordings of a corpus; what they were read to is kept, so it is done once."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.decode import (
    Content,
    Decoded,
    channels,
    decode_content,
    read_content,
    to_clip,
)
from disentangled_audio.corpora.reading.readers import RejectedError
from disentangled_audio.corpora.sources.locate import Located
from disentangled_audio.parameters import Analysis
from disentangled_audio.signal.clip import (
    band_limit,
    clipped_run,
    direct_sound_index,
    normalise_energy,
    rms,
)
from disentangled_audio.signal.shortcuts import recording_facts
from disentangled_audio.storage.hashing import code_hash, short_hash
from disentangled_audio.storage.temporaries import write_whole

# Of the files of a chunk; larger ones are read a second time instead.
_MAX_HELD_BYTES = 2**26


@dataclass(frozen=True)
class Task:
    """One recording that is to be read.

    Attributes
    ----------
    recording : Located
    columns : dict or None
        What its name says; None if it fits no pattern.
    sha256 : tuple of (str or None)
        Hash that each of its files must have, where one is known.
    noise_seed : int or None
        CRC-32 of the name that the noise behind a short clip is drawn from; None takes the
        recording's own name.
    """

    recording: Located
    columns: dict[str, str | None] | None
    sha256: tuple[str | None, ...]
    noise_seed: int | None = None


@dataclass(frozen=True)
class ReadChunk:
    """What was read.

    Attributes
    ----------
    position : int
        Which of the corpus's chunks it is.
    n_files : int
        How many recordings it was to read.
    rows : list of dict
        One per item, a row of `recordings`.
    rejected : list of (path, reason, what to do)
    clips : Path
        float32 (n_items, n_samples) in the order of `rows`, without a header.
    stored : bool
        Whether an earlier run had read it.
    """

    position: int
    n_files: int
    rows: list[dict[str, Any]]
    rejected: list[list[str]]
    clips: Path
    stored: bool


@dataclass(frozen=True)
class ChunkReader:
    """Reads chunks into a folder; travels to the workers.

    Attributes
    ----------
    folder : Path
        Where chunks are kept, by what their files hold and how they are read.
    analysis : Analysis
        With a duration in seconds.
    clips_needed : bool
        Whether a chunk whose rows alone are kept must be read again.
    """

    folder: Path
    analysis: Analysis
    clips_needed: bool = False

    def __call__(self, chunk: tuple[int, list[Task]]) -> ReadChunk:
        """Read a chunk, given as its position and tasks, unless that was done before."""
        position, tasks = chunk
        contents = list(_read_all(tasks))
        fingerprints = [fingerprint for fingerprint, _ in contents]
        facts = [_facts(task) for task in tasks]
        key = short_hash([code_hash("clips"), self.analysis.model_dump(), facts, fingerprints])
        table, clips = self.folder / f"{key}.json", self.folder / f"{key}.f32"
        stored = table.is_file() and (clips.is_file() or not self.clips_needed)
        if not stored:
            self._read(tasks, contents, table, clips)
        content = json.loads(table.read_bytes())
        rows, rejected = content["rows"], content["rejected"]
        return ReadChunk(position, len(tasks), rows, rejected, clips, stored)

    def _read(
        self,
        tasks: list[Task],
        contents: list[tuple[str, Content | None]],
        table: Path,
        clips: Path,
    ) -> None:
        rows, signals, rejected = [], [], []
        for task, (fingerprint, content) in zip(tasks, contents, strict=True):
            try:
                for row, clip in list(_items(task, fingerprint, content, self.analysis)):
                    rows.append(row)
                    signals.append(clip)
            except RejectedError as error:
                rejected.append((_as_utf8(task.recording.name), str(error), error.what_to_do))
        write_whole(clips, partial(_write_clips, signals))
        # Last: a chunk is there if its rows are.
        known = json.dumps({"rows": rows, "rejected": rejected})
        write_whole(table, lambda path: path.write_text(known))


def _write_clips(clips: list[NDArray[np.float32]], path: Path) -> None:
    # One after the other: an array of all would be made anew, and cleared, for every chunk.
    with path.open("wb") as file:
        file.writelines(clips)


def _facts(task: Task) -> list[Any]:
    recording = task.recording
    return [
        recording.name,
        recording.missing_channels,
        recording.format.model_dump(),
        task.columns,
        list(task.sha256),
    ]


def _read_all(tasks: list[Task]) -> Iterator[tuple[str, Content | None]]:
    """What each recording holds: its SHA-256, or why it has none, and its bytes.

    Bytes are left out where so many are held already that they had better be read again.
    """
    held = 0
    for task in tasks:
        try:
            content = read_content(task.recording.files)
        except RejectedError as error:
            yield str(error), None
            continue
        held += content.n_bytes
        yield content.sha256, content if held <= _MAX_HELD_BYTES else None


def read_items(
    task: Task, content: Content, analysis: Analysis
) -> list[tuple[dict[str, Any], NDArray[np.float32]]]:
    """Items of one recording whose bytes are read: its rows and clips, as ingestion makes them.

    The rows are without levels and `recording_facts`, which nothing but the table and the audit of
    a corpus asks for, and have `clipped_run`, which only those who send recordings of their own
    are told.

    Raises
    ------
    RejectedError
        If it cannot be used.
    """
    return list(_items(task, content.sha256, content, analysis, with_facts=False))


def _items(
    task: Task,
    fingerprint: str,
    content: Content | None,
    analysis: Analysis,
    *,
    with_facts: bool = True,
) -> Iterator[tuple[dict[str, Any], NDArray[np.float32]]]:
    recording = task.recording
    if not _is_utf8(recording.name):
        raise RejectedError("the file's name is not valid UTF-8", "rename it")
    for file in recording.files:
        # Before its name is: a folder that cannot be read need not fit a pattern.
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
    content = content or read_content(recording.files)
    decoded = decode_content(content, recording.format, analysis.min_duration_s)
    if decoded.sha256 != fingerprint:
        raise RejectedError(
            "the file changed while it was read", "wait until it is written, and run again"
        )
    _check_hashes(task, decoded.file_sha256)
    for channel, signal in channels(decoded, analysis.channel):
        yield _item(task, task.columns, decoded, channel, signal, analysis, with_facts=with_facts)


def _check_hashes(task: Task, found: tuple[str, ...]) -> None:
    for file, expected, own in zip(task.recording.files, task.sha256, found, strict=True):
        if expected not in (None, own):
            raise RejectedError(
                # Reasons are counted by what stands before the colon.
                f"not the file that is expected: the SHA-256 of {file.relative} is {own}, "
                f"corpus.hashes has {expected}",
                "copy it again from its source, or correct the table",
            )


def _is_utf8(name: str) -> bool:
    return _as_utf8(name) == name


def _as_utf8(name: str) -> str:
    # A name that is not UTF-8 cannot be written to a table as it is.
    return name.encode("utf-8", "replace").decode("utf-8")


def _item(
    task: Task,
    columns: dict[str, str | None],
    decoded: Decoded,
    channel: int | None,
    signal: NDArray[np.float32],
    analysis: Analysis,
    *,
    with_facts: bool,
) -> tuple[dict[str, Any], NDArray[np.float32]]:
    file = task.recording
    suffix = f"#{channel}" if analysis.channel == "each" else ""
    recording_id = f"{file.name}{suffix}"
    seed = zlib.crc32(file.name.encode()) if task.noise_seed is None else task.noise_seed
    clip = to_clip(
        signal,
        decoded.sample_rate_hz,
        analysis,
        aligned=analysis.align == "direct_sound" and columns["kind"] == "rir",
        # The CRC-32 of the name with its suffix.
        rng=np.random.default_rng([zlib.crc32(suffix.encode(), seed)]),
    )
    arrival = direct_sound_index(signal)
    # A mean of channels was never stored; the first channel was.
    stored = decoded.samples[:, 0] if channel is None else signal
    if with_facts:
        facts = {
            "peak": float(np.abs(signal).max()),
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
        "sample_rate_hz": decoded.sample_rate_hz,
        "n_channels": decoded.samples.shape[1],
        "duration_s": decoded.duration_s,
        "first_arrival_s": arrival / decoded.sample_rate_hz,
        "n_bytes": decoded.n_bytes,
        **facts,
        "sha256": decoded.sha256,
    }
    return row, _finished(clip, analysis)


def _finished(clip: NDArray[np.float32], analysis: Analysis) -> NDArray[np.float32]:
    clips = clip[np.newaxis]
    if analysis.band_hz is not None:
        clips = band_limit(clips, analysis.clip_rate_hz, *analysis.band_hz)
    if analysis.normalise_energy:
        clips = normalise_energy(clips)
    return np.ascontiguousarray(clips[0], dtype=np.float32)
