"""The table of embeddings, one row per clip."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.models.arrays import computed
from disentangled_audio.models.embedding import embedder_of
from disentangled_audio.models.tables import feature_table
from disentangled_audio.parameters import Corpus, ParallelParameters, PretrainedParameters
from disentangled_audio.runs.provenance import check_same, stamp

# Attribute of the table: hash of the weights, and of all else that the features depend on.
MADE_WITH = "made_with"


def embed_clips(
    waveforms: Any,
    recordings: pd.DataFrame,
    corpus: Corpus,
    pretrained: PretrainedParameters,
    chunks: Path,
    parallel: ParallelParameters,
) -> pd.DataFrame:
    """Compute the embedding of every clip by pretrained weights; without these, no column."""
    sources = (waveforms, recordings)
    check_same(*sources)
    embedder = embedder_of(pretrained)
    values, attributes = np.empty((len(recordings), 0)), {}
    if embedder is not None:
        rate_hz = corpus.analysis.clip_rate_hz
        work = partial(embedder.features, sample_rate_hz=rate_hz)
        parameters = [rate_hz, embedder.made_with]
        made = computed(
            "embedding", waveforms, work, parameters, chunks, parallel, stage="embedding"
        )
        values, attributes = np.asarray(made["embedding"][:]), {MADE_WITH: embedder.made_with}
    table = feature_table(recordings["recording_id"], values, "embedding")
    table.attrs |= attributes
    return stamp(table, *sources)
