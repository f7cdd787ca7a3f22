"""Reads a corpus: one row and one clip per analysed item, one row per rejected file."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.corpora.decode import Decoded, channels, decode, to_clip
from disentangled_audio.corpora.integrity import KnownHashes
from disentangled_audio.corpora.locate import Located, listed, locate
from disentangled_audio.corpora.names import NameGrammar
from disentangled_audio.corpora.readers import RejectedError
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Analysis, Corpus
from disentangled_audio.signal.clip import band_limit, normalise_energy, rms

REJECTED_COLUMNS = ["path", "reason", "what_to_do"]


@dataclass(frozen=True)
class Ingested:
    """What was read.

    Attributes
    ----------
    recordings : DataFrame
        One row per item.
    waveforms : (n_items, n_samples)
        float32, in the order of `recordings`.
    rejected : DataFrame
        One row per file that could not be used.
    """

    recordings: pd.DataFrame
    waveforms: NDArray[np.float32]
    rejected: pd.DataFrame


def ingest(corpus: Corpus, folders: list[Path]) -> Ingested:
    """Read every file of a corpus.

    Raises
    ------
    UserError
        If the corpus is not there, nothing usable remains, or more than
        `max_rejected_share` of the files is rejected.
    """
    grammar = NameGrammar(corpus, folders)
    known = KnownHashes(corpus.hashes, folders)
    rows, clips, rejected = [], [], []
    located = locate(corpus, folders)
    analysis = _timed(corpus.analysis, located)
    for file in located:
        try:
            for row, clip in _items(file, grammar, known, analysis):
                rows.append(row)
                clips.append(clip)
        except RejectedError as error:
            # A name that is not UTF-8 cannot be written to a table as it is.
            name = file.name.encode("utf-8", "replace").decode("utf-8")
            rejected.append((name, str(error), error.what_to_do))
    rejected_table = pd.DataFrame(rejected, columns=REJECTED_COLUMNS)
    _check_rejected(rejected_table, len(located), corpus.max_rejected_share)
    return Ingested(pd.DataFrame(rows), _finish(np.stack(clips), analysis), rejected_table)


def expected_items(corpus: Corpus, folders: list[Path]) -> pd.DataFrame:
    """Items that `ingest` gives if no file is rejected, from names and headers alone.

    Returns
    -------
    DataFrame
        recording_id, path and the columns of the names; nothing is decoded or generated.

    Raises
    ------
    UserError
        If a source is missing, or no file matches.
    """
    grammar = NameGrammar(corpus, folders)
    each = corpus.analysis.channel == "each"
    rows = []
    for recording, n_channels in listed(corpus, folders):
        columns = grammar.parse(recording.relative, recording.label, recording.source)
        if columns is None:
            continue
        path = recording.name
        for recording_id in [f"{path}#{k}" for k in range(n_channels)] if each else [path]:
            rows.append({"recording_id": recording_id, "path": path, **columns})
    return pd.DataFrame(rows, columns=["recording_id", "path", *grammar.columns])


def _timed(analysis: Analysis, located: list[Located]) -> Analysis:
    """The analysis with a duration in seconds; `longest` takes reading everything twice."""
    if analysis.duration_s != "longest":
        return analysis
    longest_s = analysis.min_duration_s
    for file in located:
        try:
            decoded = decode(file.files, file.format, analysis.min_duration_s)
        except RejectedError:
            continue
        longest_s = max(longest_s, decoded.duration_s)
    return Analysis.model_validate({**analysis.model_dump(), "duration_s": longest_s})


def _items(
    file: Located, grammar: NameGrammar, known: KnownHashes, analysis: Analysis
) -> Iterator[tuple[dict[str, Any], NDArray[np.float32]]]:
    if not _is_utf8(file.name):
        raise RejectedError("the file's name is not valid UTF-8", "rename it")
    if file.missing_channels:
        numbers = ", ".join(map(str, file.missing_channels))
        raise RejectedError(f"channel {numbers} is missing", "copy its files again from the source")
    columns = grammar.parse(file.relative, file.label, file.source)
    if columns is None:
        raise RejectedError(
            "matches no name pattern",
            "add a pattern to corpus.name_patterns, or narrow corpus.files",
        )
    decoded = decode(file.files, file.format, analysis.min_duration_s)
    known.check(file.files, decoded.file_sha256)
    items = [
        _item(file, columns, decoded, channel, signal, analysis)
        for channel, signal in channels(decoded, analysis.channel)
    ]
    yield from items


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _item(
    file: Located,
    columns: dict[str, str | None],
    decoded: Decoded,
    channel: int | None,
    signal: NDArray[np.float32],
    analysis: Analysis,
) -> tuple[dict[str, Any], NDArray[np.float32]]:
    recording_id = f"{file.name}#{channel}" if analysis.channel == "each" else file.name
    clip = to_clip(
        signal,
        decoded.sample_rate_hz,
        analysis,
        aligned=analysis.align == "direct_sound" and columns["kind"] == "rir",
        rng=np.random.default_rng([zlib.crc32(recording_id.encode())]),
    )
    row = {
        "recording_id": recording_id,
        "path": file.name,
        "channel": "mean" if channel is None else str(channel),
        **columns,
        "sample_rate_hz": decoded.sample_rate_hz,
        "n_channels": decoded.samples.shape[1],
        "duration_s": decoded.duration_s,
        "n_bytes": decoded.n_bytes,
        "peak": float(np.abs(signal).max()),
        "rms_dbfs": 20 * np.log10(max(rms(signal), 1e-12)),
        "sha256": decoded.sha256,
    }
    return row, clip


def _finish(clips: NDArray[np.float32], analysis: Analysis) -> NDArray[np.float32]:
    if analysis.band_hz is not None:
        clips = band_limit(clips, analysis.clip_rate_hz, *analysis.band_hz)
    if analysis.normalise_energy:
        clips = normalise_energy(clips)
    return clips


def _check_rejected(rejected: pd.DataFrame, n_files: int, max_share: float) -> None:
    share = len(rejected) / n_files
    if len(rejected) < n_files and share <= max_share:
        return
    reasons = rejected["reason"].str.partition(":")[0].value_counts()
    listed = "; ".join(f"{count} × {reason}" for reason, count in reasons.items())
    first = rejected.iloc[0]
    raise UserError(
        f"{len(rejected)} of {n_files} files are rejected ({listed}), more than "
        f"corpus.max_rejected_share={max_share:g} allows. First: {first['path']}: "
        f"{first['reason']} ({first['what_to_do']})"
        if len(rejected) < n_files
        else f"no usable recording remains: all {n_files} files are rejected ({listed}). "
        f"First: {first['path']}: {first['reason']} ({first['what_to_do']})"
    )
