"""Ingestion for tests: in this process, with clips in memory."""

import tempfile
from dataclasses import replace
from pathlib import Path

from disentangled_audio.corpora.reading import ingest as library
from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.parameters import Corpus, ParallelParameters


def ingest(corpus: Corpus, folders: list[Path]) -> Ingested:
    """Read a corpus with nothing left from earlier runs."""
    with tempfile.TemporaryDirectory() as store:
        ingested = library.ingest(corpus, folders, Path(store), ParallelParameters(n_jobs=1))
        return replace(ingested, waveforms=ingested.waveforms[...])
