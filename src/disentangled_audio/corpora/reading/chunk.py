"""Reads the recordings of one chunk and stores their rows and clips, so it happens only once."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from disentangled_audio.corpora.reading import ffmpeg
from disentangled_audio.corpora.reading.content import Content, read_content
from disentangled_audio.corpora.reading.items import Task, as_utf8, items_of
from disentangled_audio.corpora.reading.parts import LeftOut
from disentangled_audio.corpora.sources.folder import RejectedError
from disentangled_audio.parameters import Analysis
from disentangled_audio.storage.hashing import code_hash, short_hash
from disentangled_audio.storage.temporaries import write_whole

# Bytes of a chunk's files to keep in memory; further files are read a second time instead.
_MAX_HELD_BYTES = 2**26


@dataclass(frozen=True)
class ReadChunk:
    """Rows and clips of one chunk.

    Attributes
    ----------
    position : int
        Index of the chunk in the corpus.
    n_files : int
        Number of recordings, including rejected ones.
    rows : list of dict
        One row of `recordings` per item.
    rejected : list of (path, reason, what to do)
        One of each recording that cannot be used.
    left_out : list of LeftOut
        Parts of the others that cannot be used.
    clips : Path
        float32 (n_items, n_samples) in the order of `rows`, without a header.
    stored : bool
        Whether an earlier run has read it.
    """

    position: int
    n_files: int
    rows: list[dict[str, Any]]
    rejected: list[list[str]]
    left_out: list[LeftOut]
    clips: Path
    stored: bool


@dataclass(frozen=True)
class ChunkReader:
    """Reads chunks into a folder; it is pickled for the workers.

    Attributes
    ----------
    folder : Path
        Chunks are named after the content of their files and how they are read.
    analysis : Analysis
        With a duration in seconds.
    clips_needed : bool
        Whether to read a chunk again if only its rows are stored.
    """

    folder: Path
    analysis: Analysis
    clips_needed: bool = False

    def __call__(self, chunk: tuple[int, list[Task]]) -> ReadChunk:
        """Read a chunk, given as its position and tasks, unless it is stored."""
        position, tasks = chunk
        contents = list(_read_all(tasks))
        fingerprints = [fingerprint for fingerprint, _ in contents]
        facts = [_facts(task) for task in tasks]
        # Files that needed ffmpeg are read again once it is installed.
        code = [code_hash("clips"), ffmpeg.is_installed()]
        key = short_hash([code, self.analysis.model_dump(), facts, fingerprints])
        table, clips = self.folder / f"{key}.json", self.folder / f"{key}.f32"
        stored = table.is_file() and (clips.is_file() or not self.clips_needed)
        if not stored:
            self._read(tasks, contents, table, clips)
        content = json.loads(table.read_bytes())
        rows, rejected = content["rows"], content["rejected"]
        left_out = [LeftOut(**entry) for entry in content["left_out"]]
        return ReadChunk(position, len(tasks), rows, rejected, left_out, clips, stored)

    def _read(
        self,
        tasks: list[Task],
        contents: list[tuple[str, Content | None]],
        table: Path,
        clips: Path,
    ) -> None:
        known = _Known([], [], [])
        write_whole(clips, partial(self._write, tasks, contents, known))
        # Written last, because a chunk counts as stored if its rows exist.
        text = json.dumps(asdict(known))
        write_whole(table, lambda path: path.write_text(text))

    def _write(
        self,
        tasks: list[Task],
        contents: list[tuple[str, Content | None]],
        known: "_Known",
        path: Path,
    ) -> None:
        """Write the clips one by one, since those of a long recording are many."""
        with path.open("wb") as file:
            for task, (fingerprint, content) in zip(tasks, contents, strict=True):
                try:
                    for row, clip in items_of(
                        *(task, fingerprint, content, self.analysis), left_out=known.left_out
                    ):
                        known.rows.append(row)
                        file.write(clip)
                except RejectedError as error:
                    name = as_utf8(task.recording.name)
                    known.rejected.append((name, str(error), error.what_to_do))


@dataclass(frozen=True)
class _Known:
    """What is stored of a chunk beside its clips, as in `ReadChunk`."""

    rows: list[dict[str, Any]]
    rejected: list[tuple[str, str, str]]
    left_out: list[LeftOut]


def _facts(task: Task) -> list[Any]:
    recording = task.recording
    return [
        recording.name,
        recording.missing_channels,
        recording.format.model_dump(),
        task.columns,
        list(task.sha256),
        task.labelled and asdict(task.labelled),
    ]


def _read_all(tasks: list[Task]) -> Iterator[tuple[str, Content | None]]:
    """Yield the SHA-256 of each recording, or why it cannot be read, and its bytes.

    The bytes are None once the limit on bytes in memory is reached; they are read again later.
    """
    held = 0
    for task in tasks:
        try:
            content = read_content(task.recording.files)
        except RejectedError as error:
            yield str(error), None
            continue
        held += content.n_held
        yield content.sha256, content if held <= _MAX_HELD_BYTES else None
