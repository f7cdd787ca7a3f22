"""Reads some recordings of a corpus; what they were read to is kept, so it is done once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.decode import Content, read_content
from disentangled_audio.corpora.reading.items import Task, as_utf8, items_of
from disentangled_audio.corpora.sources.folder import RejectedError
from disentangled_audio.parameters import Analysis
from disentangled_audio.storage.hashing import code_hash, short_hash
from disentangled_audio.storage.temporaries import write_whole

# Of the files of a chunk; larger ones are read a second time instead.
_MAX_HELD_BYTES = 2**26


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
                for row, clip in list(items_of(task, fingerprint, content, self.analysis)):
                    rows.append(row)
                    signals.append(clip)
            except RejectedError as error:
                rejected.append((as_utf8(task.recording.name), str(error), error.what_to_do))
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
