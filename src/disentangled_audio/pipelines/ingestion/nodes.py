"""Nodes of ingestion."""

from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.parameters import Corpus, ParallelParameters, Protocol
from disentangled_audio.runs.provenance import check_same, digest_of_sources, stamp, stamped_splits
from disentangled_audio.storage.hashing import short_hash


def read_recordings(
    folders: list[Path], corpus: Corpus, chunks: Path, parallel: ParallelParameters
) -> tuple[Any, Any, Any, Any]:
    """Decode every recording to its analysis clip; list unusable files and shared sound."""
    from disentangled_audio.corpora.reading.ingest import ingest
    from disentangled_audio.corpora.shared_sound import shared_sound, sound_groups
    from disentangled_audio.storage.progress import chunk_progress

    with chunk_progress("reading", "files") as progress:
        ingested = ingest(corpus, folders, chunks, parallel, progress)
    recordings, waveforms = ingested.recordings, ingested.waveforms
    recordings.attrs["made_with"] = short_hash(corpus.analysis.model_dump())
    recordings.attrs["made_from"] = digest_of_sources(corpus)
    recordings.attrs["corpus_hash"] = short_hash(
        [
            recordings[["recording_id", "kind", "sha256"]].to_numpy().tolist(),
            corpus.analysis.model_dump(),
        ]
    )
    waveforms.attrs["sample_rate_hz"] = corpus.analysis.clip_rate_hz
    stamp(waveforms, recordings)
    with chunk_progress("landmarks", "items") as progress:
        shared = shared_sound(waveforms, recordings, chunks, parallel, progress)
    recordings["sound_group"] = sound_groups(recordings, shared)
    return recordings, waveforms, ingested.rejected, stamp(shared, recordings)


def check_integrity(
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    rejected: pd.DataFrame,
    shared_sound: pd.DataFrame,
    corpus: Corpus,
) -> dict[str, Any]:
    """Compare the recordings found with those expected; warn of unusual ones and of leaks."""
    import logging

    from disentangled_audio.corpora.reading.integrity import (
        integrity_report,
        not_heard,
        wrong_headers,
    )
    from disentangled_audio.evaluation.shortcuts.leaks import sound_in_parts
    from disentangled_audio.report.sentences import on_not_heard, on_shared_sound

    hashes = check_same(recordings, splits, shared_sound)
    report = integrity_report(recordings, splits, rejected, corpus)
    shared = sound_in_parts(recordings, splits, shared_sound)
    unheard = not_heard(recordings, corpus.analysis)
    findings = [
        *report["findings"],
        *wrong_headers(recordings),
        *on_not_heard(unheard, corpus.analysis),
        *on_shared_sound(shared),
    ]
    for finding in findings:
        logging.getLogger(__name__).warning(finding)
    return {**report, "findings": findings, "not_heard": unheard, "shared_sound": shared, **hashes}


def link_recordings(recordings: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """List recordings that belong together, such as a room's noises and impulse responses."""
    from disentangled_audio.corpora.reading.integrity import linked_recordings

    return stamp(linked_recordings(recordings, corpus.link), recordings)


def split_recordings(recordings: pd.DataFrame, protocol: Protocol, seed: int) -> pd.DataFrame:
    """Give every row its role before anything is fitted."""
    return stamped_splits(recordings, protocol, seed)
