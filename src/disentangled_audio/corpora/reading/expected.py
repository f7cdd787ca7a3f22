"""Predicts the items of ingestion from the files on disk, without fetching or decoding any."""

from pathlib import Path

import pandas as pd

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.labelled_parts import (
    LabelledParts,
    label_columns,
    labelled_parts,
)
from disentangled_audio.corpora.reading.audio import audio_info
from disentangled_audio.corpora.reading.parts import Part
from disentangled_audio.corpora.sources.folder import Located, RejectedError
from disentangled_audio.corpora.sources.generated import generated_files
from disentangled_audio.corpora.sources.places import (
    find,
    in_order,
    label_of,
    recordings_of,
    thinned,
)
from disentangled_audio.parameters import GENERATORS, AnySource, Corpus


def expected_columns(corpus: Corpus, folders: list[Path]) -> list[str]:
    """List the columns that every item of a corpus has before it is decoded."""
    columns = [*NameGrammar(corpus, folders).columns, *label_columns(corpus, folders)]
    return list(dict.fromkeys(["recording_id", "path", *columns]))


def expected_items(
    corpus: Corpus, folders: list[Path], target: str | None = None
) -> pd.DataFrame | None:
    """Predict the items of ingestion, if no file is rejected, from names and headers alone.

    Nothing is downloaded, extracted, generated or decoded.

    Returns
    -------
    DataFrame or None
        The columns of `expected_columns`; None if an archive must be fetched or extracted first,
        or the items depend on the lengths of the recordings.

    Raises
    ------
    UserError
        If a source is missing and cannot be obtained, no file matches, or a table has rows of a
        class of `target` none of which names a file.
    """
    has_rest = corpus.segments is not None and corpus.segments.background == "rest"
    if has_rest or corpus.analysis.part == "windows":
        return None
    recordings = expected_recordings(corpus, folders)
    if recordings is None:
        return None
    grammar = NameGrammar(corpus, folders)
    labels = labelled_parts(corpus, folders, [recording for recording, _ in recordings])
    each = corpus.analysis.channel == "each"
    rows = []
    for recording, n_channels in recordings:
        columns = grammar.parse(recording.relative, recording.label, recording.source)
        if columns is None:
            continue
        path = recording.name
        for part in _parts(path, labels):
            name = f"{path}{part.suffix}"
            for recording_id in [f"{name}#{k}" for k in range(n_channels)] if each else [name]:
                rows.append({"recording_id": recording_id, "path": path, **columns, **part.columns})
    grammar.table_findings([recording.relative for recording, _ in recordings], target)
    return pd.DataFrame(rows, columns=expected_columns(corpus, folders))


def _parts(path: str, labels: LabelledParts | None) -> tuple[Part, ...]:
    if labels is None:
        return (Part(),)
    return labels.by_recording[path].parts if path in labels.by_recording else ()


def expected_recordings(corpus: Corpus, folders: list[Path]) -> list[tuple[Located, int]] | None:
    """List recordings and channel counts; None if a source is not on the disk yet.

    A header is read only if channels are items; a file without a readable header counts as one
    channel.
    """
    parts = [_recordings_of_source(source, corpus, folders) for source in corpus.sources]
    if None in parts:
        return None
    n_channels = {recording.name: n for part in parts for recording, n in part}
    recordings = in_order(recording for part in parts for recording, _ in part)
    return [(recording, n_channels[recording.name]) for recording in recordings]


def _recordings_of_source(
    source: AnySource, corpus: Corpus, folders: list[Path]
) -> list[tuple[Located, int]] | None:
    if isinstance(source, GENERATORS):
        files = thinned(sorted(generated_files(source).items()), source.max_files)
        label = label_of(source)
        return [(Located((), label, name, source), n_channels) for name, n_channels in files]
    place = find(source, corpus, folders)
    if place is None:
        return None
    each = corpus.analysis.channel == "each"
    recordings = recordings_of(source, corpus, place)
    return [(item, _n_channels(item) if each else 1) for item in recordings]


def _n_channels(recording: Located) -> int:
    if recording.format.reader != "audio" or len(recording.files) > 1:
        return len(recording.files)
    file = recording.files[0]
    if file.fault is not None:
        # Opening a pipe would wait for its writer.
        return 1
    try:
        return audio_info(file).n_channels
    except RejectedError:
        return 1
