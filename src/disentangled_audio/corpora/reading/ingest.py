"""Reads a corpus: one row and one clip per analysed item, one row per rejected file."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.reading.chunk import ChunkReader, ReadChunk
from disentangled_audio.corpora.reading.decode import decode
from disentangled_audio.corpora.reading.integrity import KnownHashes
from disentangled_audio.corpora.reading.items import Task
from disentangled_audio.corpora.sources.folder import Located, RejectedError
from disentangled_audio.corpora.sources.places import locate
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Analysis, Corpus, ParallelParameters
from disentangled_audio.storage.chunk_store import (
    Progress,
    is_complete,
    rows_per_chunk,
    stored_arrays,
    unseen,
)
from disentangled_audio.storage.hashing import short_hash
from disentangled_audio.storage.parallel import in_parallel
from disentangled_audio.storage.temporaries import remove_leftovers

logger = logging.getLogger(__name__)

REJECTED_COLUMNS = ["path", "reason", "what_to_do"]
WAVEFORMS = "waveforms"
# Enough for a worker to be busy with, few enough to lose when a run is killed.
_MAX_CHUNK_FILES = 128
# Reasons for rejection in a message.
_SHOWN = 5


@dataclass(frozen=True)
class Ingested:
    """What was read.

    Attributes
    ----------
    recordings : DataFrame
        One row per item.
    waveforms : zarr.Array
        float32 (n_items, n_samples) on the disk, in the order of `recordings`.
    rejected : DataFrame
        One row per file that could not be used.
    """

    recordings: pd.DataFrame
    waveforms: zarr.Array
    rejected: pd.DataFrame


def ingest(
    corpus: Corpus,
    folders: list[Path],
    store: Path,
    parallel: ParallelParameters,
    progress: Progress = unseen,
) -> Ingested:
    """Read every file of a corpus, a chunk of files at a time.

    However many there are, only a few chunks and the table's rows are held in memory. Chunks of
    files that an earlier run has read in the same way are not decoded again.

    Parameters
    ----------
    corpus : Corpus
    folders : list of Path
        Where recordings are looked for; the last one takes what is made or downloaded.
    store : Path
        Folder for chunks that were read; all workers must see it.
    parallel : ParallelParameters
    progress : callable
        Called with the number of files that were read so far, and of all.

    Raises
    ------
    UserError
        If the corpus is not there, nothing usable remains, or more than
        `max_rejected_share` of the files is rejected.
    """
    grammar = NameGrammar(corpus, folders)
    known = KnownHashes(corpus.hashes, folders)
    located = locate(corpus, folders)
    analysis = _timed(corpus.analysis, located, parallel)
    parts = _parts([_task(recording, grammar, known) for recording in located], analysis)
    reader = ChunkReader(store / "files", analysis)
    chunks = _read(reader, list(enumerate(parts)), parallel, progress)
    rejected = pd.DataFrame(
        [row for chunk in chunks for row in chunk.rejected], columns=REJECTED_COLUMNS
    )
    _check_rejected(rejected, len(located), corpus.max_rejected_share)
    recordings = pd.DataFrame([row for chunk in chunks for row in chunk.rows])

    def read_again(numbers: list[int]) -> None:
        _read(replace(reader, clips_needed=True), [(k, parts[k]) for k in numbers], parallel)

    waveforms = _gathered(store, chunks, analysis, read_again)
    return Ingested(recordings, waveforms, rejected)


def _timed(analysis: Analysis, located: list[Located], parallel: ParallelParameters) -> Analysis:
    """The analysis with a duration in seconds; `longest` takes reading everything twice."""
    if analysis.duration_s != "longest":
        return analysis
    parts = [located[k : k + _MAX_CHUNK_FILES] for k in range(0, len(located), _MAX_CHUNK_FILES)]
    longest = partial(_longest_s, min_duration_s=analysis.min_duration_s)
    longest_s = max(in_parallel(longest, parts, parallel))
    return Analysis.model_validate({**analysis.model_dump(), "duration_s": longest_s})


def _longest_s(located: list[Located], min_duration_s: float) -> float:
    longest_s = min_duration_s
    for recording in located:
        try:
            decoded = decode(recording.files, recording.format, min_duration_s)
        except RejectedError:
            continue
        longest_s = max(longest_s, decoded.duration_s)
    return longest_s


def _task(recording: Located, grammar: NameGrammar, known: KnownHashes) -> Task:
    columns = grammar.parse(recording.relative, recording.label, recording.source)
    return Task(recording, columns, tuple(known.expected(file) for file in recording.files))


def _parts(tasks: list[Task], analysis: Analysis) -> list[list[Task]]:
    n_files = _n_files(analysis)
    return [tasks[k : k + n_files] for k in range(0, len(tasks), n_files)]


def _n_files(analysis: Analysis) -> int:
    """Recordings of a chunk; mostly the chunks of the array have the same rows."""
    clip_bytes = 4 * round(analysis.duration_s * analysis.clip_rate_hz)
    return min(_MAX_CHUNK_FILES, rows_per_chunk(clip_bytes))


def _read(
    reader: ChunkReader,
    parts: list[tuple[int, list[Task]]],
    parallel: ParallelParameters,
    progress: Progress = unseen,
) -> list[ReadChunk]:
    reader.folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(reader.folder)
    # What is in use is told by its time from what nobody has asked for since.
    os.utime(reader.folder)
    n_files = sum(len(tasks) for _, tasks in parts)
    n_done, chunks = 0, []
    for chunk in in_parallel(reader, parts, parallel):
        chunks.append(chunk)
        n_done += chunk.n_files
        progress(n_done, n_files)
    n_stored = sum(chunk.stored for chunk in chunks)
    if n_stored:
        logger.info(
            "%d of %d chunks of files were read before and are used again", n_stored, len(chunks)
        )
    return sorted(chunks, key=lambda chunk: chunk.position)


def _gathered(
    store: Path,
    chunks: list[ReadChunk],
    analysis: Analysis,
    read_again: Callable[[list[int]], None],
) -> zarr.Array:
    """Clips of all chunks as one array, which takes the place of the chunks' own."""
    # A chunk is called by all that its clips depend on.
    folder = store / f"{WAVEFORMS}-{short_hash([chunk.clips.stem for chunk in chunks])}"
    if not is_complete(folder):
        read_again([chunk.position for chunk in chunks if not chunk.clips.is_file()])
    holding = [chunk for chunk in chunks if chunk.rows]
    ends = np.cumsum([len(chunk.rows) for chunk in holding])
    clips = _Clips([chunk.clips for chunk in holding], ends)
    in_this_process = ParallelParameters(n_jobs=1)
    arrays = stored_arrays(
        folder, int(ends[-1]), _n_files(analysis), clips, in_this_process, files=clips.files
    )
    for chunk in chunks:
        chunk.clips.unlink(missing_ok=True)
    return arrays[WAVEFORMS]


@dataclass(frozen=True)
class _Clips:
    """Clips of some rows, from the chunks that hold them.

    Attributes
    ----------
    paths : list of Path
        Of the chunks that have any.
    ends : (n_chunks,)
        How many rows there are up to the end of each.
    """

    paths: list[Path]
    ends: NDArray[np.integer]

    def __call__(self, rows: slice) -> dict[str, NDArray[np.float32]]:
        first = int(np.searchsorted(self.ends, rows.start, side="right"))
        last = int(np.searchsorted(self.ends, rows.stop, side="left"))
        held = [
            np.memmap(self.paths[k], np.float32, "r").reshape(self.ends[k] - self._start(k), -1)
            for k in range(first, last + 1)
        ]
        clips = held[0] if len(held) == 1 else np.concatenate(held)
        start = self._start(first)
        return {WAVEFORMS: clips[rows.start - start : rows.stop - start]}

    def files(self, rows: slice) -> dict[str, Path]:
        """The file that holds just these rows, if one does."""
        k = int(np.searchsorted(self.ends, rows.stop))
        whole = self.ends[k] == rows.stop and self._start(k) == rows.start
        return {WAVEFORMS: self.paths[k]} if whole else {}

    def _start(self, k: int) -> int:
        return int(self.ends[k - 1]) if k else 0


def _check_rejected(rejected: pd.DataFrame, n_files: int, max_share: float) -> None:
    share = len(rejected) / n_files
    if len(rejected) < n_files and share <= max_share:
        return
    reasons = rejected["reason"].str.partition(":")[0].value_counts()
    listed = "; ".join(f"{count} × {reason}" for reason, count in reasons[:_SHOWN].items())
    listed += f"; and {len(reasons) - _SHOWN} more reasons" if len(reasons) > _SHOWN else ""
    first = rejected.iloc[0]
    raise UserError(
        f"{len(rejected)} of {n_files} files are rejected ({listed}), more than "
        f"corpus.max_rejected_share={max_share:g} allows. First: {first['path']}: "
        f"{first['reason']} ({first['what_to_do']})"
        if len(rejected) < n_files
        else f"no usable recording remains: all {n_files} files are rejected ({listed}). "
        f"First: {first['path']}: {first['reason']} ({first['what_to_do']})"
    )
