"""Adapters of ingestion."""

from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.parameters import Corpus, Protocol
from disentangled_audio.pipelines.stamps import digest, stamp


def read_recordings(folders: list[Path], corpus: Corpus) -> tuple[Any, Any, Any]:
    """Decode every recording to its analysis clip; list what cannot be used."""
    from disentangled_audio.corpora.ingest import ingest
    from disentangled_audio.pipelines.arrays import chunked

    ingested = ingest(corpus, folders)
    recordings = ingested.recordings
    recordings.attrs["made_with"] = digest(corpus.analysis.model_dump())
    recordings.attrs["corpus_hash"] = digest(
        [
            recordings[["recording_id", "sha256"]].to_numpy().tolist(),
            corpus.analysis.model_dump(),
        ]
    )
    waveforms = chunked(ingested.waveforms, sample_rate_hz=corpus.analysis.sample_rate_hz)
    return recordings, stamp(waveforms, recordings), ingested.rejected


def split_recordings(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> pd.DataFrame:
    """Give every row its role before anything is fitted."""
    from disentangled_audio.evaluation.splits import make_splits

    splits = stamp(make_splits(recordings, protocol, seed), recordings)
    splits.attrs["made_with"] = digest(protocol.model_dump())
    splits.attrs["split_hash"] = digest(
        splits[["recording_id", "target", "role"]].to_numpy().tolist()
    )
    return splits
