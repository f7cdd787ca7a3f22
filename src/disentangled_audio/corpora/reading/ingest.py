"""Reads a corpus into one row and one clip per item, and one row per rejected file."""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.labelled_parts import (
    LabelledParts,
    check_left_out,
    labelled_parts,
)
from disentangled_audio.corpora.reading import ffmpeg
from disentangled_audio.corpora.reading.chunk import ChunkReader, ReadChunk
from disentangled_audio.corpora.reading.decode import decode
from disentangled_audio.corpora.reading.integrity import KnownHashes
from disentangled_audio.corpora.reading.items import Task
from disentangled_audio.corpora.reading.parts import Labelled, LeftOut, counted_reasons
from disentangled_audio.corpora.sources.folder import Located, RejectedError
from disentangled_audio.corpora.sources.places import find, locate, patterns_of
from disentangled_audio.corpora.sources.unread import NO_FFMPEG, not_read, unread
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    GENERATORS,
    Analysis,
    ArchiveSource,
    Corpus,
    ParallelParameters,
)
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
# Enough to keep a worker busy, few enough to lose when a run is killed.
_MAX_CHUNK_FILES = 128


@dataclass(frozen=True)
class Ingested:
    """Tables and clips of a corpus.

    Attributes
    ----------
    recordings : DataFrame
        One row per item.
    waveforms : zarr.Array
        float32 (n_items, n_samples) on the disk, in the order of `recordings`.
    rejected : DataFrame
        One row per file, label or part that could not be used.
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
    """Read every file of a corpus in chunks.

    Only a few chunks and the rows of the table are held in memory. Chunks that an earlier run has
    read in the same way are reused.

    Parameters
    ----------
    corpus : Corpus
    folders : list of Path
        Folders that are searched for recordings; the last one takes generated and downloaded ones.
    store : Path
        Folder for the chunks, which all workers must see.
    parallel : ParallelParameters
    progress : callable
        Called with the number of files read so far and their total number.

    Raises
    ------
    UserError
        If the corpus is missing, no usable file remains, more than `max_rejected_share` of the
        files are rejected, or `segments` refuses a label.
    """
    grammar = NameGrammar(corpus, folders)
    known = KnownHashes(corpus.hashes, folders)
    labels, located = _labelled(corpus, folders, locate(corpus, folders))
    analysis = _with_duration(corpus.analysis, located, labels, parallel)
    parts = _parts([_task(recording, grammar, known, labels) for recording in located], analysis)
    for sentence in grammar.table_findings([recording.relative for recording in located]):
        logger.warning(sentence)
    reader = ChunkReader(store / "files", analysis)
    chunks = _read(reader, list(enumerate(parts)), parallel, progress)
    rejected = pd.DataFrame(
        [row for chunk in chunks for row in chunk.rejected], columns=REJECTED_COLUMNS
    )
    for sentence in _not_read(corpus, folders, rejected):
        logger.warning(sentence)
    _check_rejected(rejected, len(located), corpus.max_rejected_share)
    left_out = [*labels.left_out, *(entry for chunk in chunks for entry in chunk.left_out)]
    if corpus.segments is not None:
        check_left_out(left_out, corpus.segments)
    recordings = pd.DataFrame([row for chunk in chunks for row in chunk.rows])
    if recordings.empty:
        reasons = counted_reasons(entry.reason for entry in left_out)
        raise UserError(f"no labelled part can be used ({reasons}). First: {left_out[0].reason}")

    def read_again(numbers: list[int]) -> None:
        _read(replace(reader, clips_needed=True), [(k, parts[k]) for k in numbers], parallel)

    waveforms = _combine_clips(store, chunks, analysis, read_again)
    return Ingested(recordings, waveforms, _with_left_out(rejected, left_out))


def _labelled(
    corpus: Corpus, folders: list[Path], located: list[Located]
) -> tuple[LabelledParts, list[Located]]:
    """Give the labels and the recordings that have one; all of a corpus without `segments`."""
    labels = labelled_parts(corpus, folders, located)
    if labels is None:
        return LabelledParts({}, []), located
    return labels, [recording for recording in located if recording.name in labels.by_recording]


def _with_left_out(rejected: pd.DataFrame, left_out: list[LeftOut]) -> pd.DataFrame:
    if not left_out:
        return rejected
    rows = [(entry.path, entry.reason, entry.what_to_do) for entry in left_out]
    return pd.concat([rejected, pd.DataFrame(rows, columns=REJECTED_COLUMNS)], ignore_index=True)


def _not_read(corpus: Corpus, folders: list[Path], rejected: pd.DataFrame) -> list[str]:
    """Say how many audio files of each ending were not read."""
    sentences = []
    for source in corpus.sources:
        place = find(source, corpus, folders)
        if place is None or isinstance(source, GENERATORS) or source.format.reader != "audio":
            continue
        archive = {"archive": source} if isinstance(source, ArchiveSource) else {}
        sentences += unread(place, patterns_of(source, corpus), **archive)
    needing = rejected.loc[rejected["reason"] == ffmpeg.MISSING, "path"]
    return [*sentences, *not_read((path, NO_FFMPEG) for path in needing)]


def _with_duration(
    analysis: Analysis, located: list[Located], labels: LabelledParts, parallel: ParallelParameters
) -> Analysis:
    """Replace a duration of `longest` by seconds, which requires reading everything twice."""
    if analysis.duration_s != "longest":
        return analysis
    if labels.by_recording:
        return _with_seconds(analysis, _longest_part_s(labels.by_recording.values()))
    parts = [located[k : k + _MAX_CHUNK_FILES] for k in range(0, len(located), _MAX_CHUNK_FILES)]
    longest = partial(_longest_s, min_duration_s=analysis.min_duration_s)
    return _with_seconds(analysis, max(in_parallel(longest, parts, parallel)))


def _with_seconds(analysis: Analysis, duration_s: float) -> Analysis:
    return Analysis.model_validate({**analysis.model_dump(), "duration_s": duration_s})


def _longest_part_s(labelled: Iterable[Labelled]) -> float:
    return max((part.end_s - part.start_s for each in labelled for part in each.parts), default=1.0)


def _longest_s(located: list[Located], min_duration_s: float) -> float:
    longest_s = min_duration_s
    for recording in located:
        try:
            decoded = decode(recording.files, recording.format, min_duration_s)
        except RejectedError:
            continue
        longest_s = max(longest_s, decoded.duration_s)
    return longest_s


def _task(
    recording: Located, grammar: NameGrammar, known: KnownHashes, labels: LabelledParts
) -> Task:
    columns = grammar.parse(recording.relative, recording.label, recording.source)
    sha256 = tuple(known.expected(file) for file in recording.files)
    return Task(recording, columns, sha256, labelled=labels.by_recording.get(recording.name))


def _parts(tasks: list[Task], analysis: Analysis) -> list[list[Task]]:
    n_files = _n_files(analysis)
    return [tasks[k : k + n_files] for k in range(0, len(tasks), n_files)]


def _n_files(analysis: Analysis) -> int:
    """Give the number of recordings per chunk, so that it usually matches a chunk of the array."""
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
    # Pruning removes folders by their age, so each use renews it.
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
            "%d of %d chunks of files were read before and are reused", n_stored, len(chunks)
        )
    return sorted(chunks, key=lambda chunk: chunk.position)


def _combine_clips(
    store: Path,
    chunks: list[ReadChunk],
    analysis: Analysis,
    read_again: Callable[[list[int]], None],
) -> zarr.Array:
    """Combine the clips of all chunks into one array, and delete the chunks' own clips."""
    # The name of a chunk is a hash of everything that its clips depend on.
    folder = store / f"{WAVEFORMS}-{short_hash([chunk.clips.stem for chunk in chunks])}"
    if not is_complete(folder):
        read_again([chunk.position for chunk in chunks if not chunk.clips.is_file()])
    used = [chunk for chunk in chunks if chunk.rows]
    ends = np.cumsum([len(chunk.rows) for chunk in used])
    clips = _Clips([chunk.clips for chunk in used], ends)
    in_this_process = ParallelParameters(n_jobs=1)
    arrays = stored_arrays(
        folder, int(ends[-1]), _n_files(analysis), clips, in_this_process, files=clips.files
    )
    for chunk in chunks:
        chunk.clips.unlink(missing_ok=True)
    return arrays[WAVEFORMS]


@dataclass(frozen=True)
class _Clips:
    """Reads the clips of some rows from the files of the chunks.

    Attributes
    ----------
    paths : list of Path
        Files of the chunks with clips.
    ends : (n_chunks,)
        Number of rows up to the end of each chunk.
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
        """Give the file that holds exactly these rows, if there is one."""
        k = int(np.searchsorted(self.ends, rows.stop))
        whole = self.ends[k] == rows.stop and self._start(k) == rows.start
        return {WAVEFORMS: self.paths[k]} if whole else {}

    def _start(self, k: int) -> int:
        return int(self.ends[k - 1]) if k else 0


def _check_rejected(rejected: pd.DataFrame, n_files: int, max_share: float) -> None:
    # With ffmpeg, nothing is wrong with the files that need it.
    n_faulty = int((rejected["reason"] != ffmpeg.MISSING).sum())
    if len(rejected) < n_files and n_faulty / n_files <= max_share:
        return
    listed = counted_reasons(rejected["reason"])
    problem = (
        f"{len(rejected)} of {n_files} files are rejected ({listed}), more than "
        f"corpus.max_rejected_share={max_share:g} allows"
        if len(rejected) < n_files
        else f"no usable recording remains: all {n_files} files are rejected ({listed})"
    )
    path, reason, what_to_do = rejected.iloc[0][REJECTED_COLUMNS]
    raise UserError(f"{problem}. First: {path}: {reason} ({what_to_do})")
