"""Adapters of inference."""

from typing import Any

import pandas as pd

from disentangled_audio.parameters import InferenceParameters, ParallelParameters
from disentangled_audio.runs.trained_runs import REFERENCES


def classify_recordings(
    inference: InferenceParameters,
    parallel: ParallelParameters,
    manifest: dict[str, Any],
    **saved: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Classify recordings by the models of a run, preprocessed as that run's manifest says.

    The table is that of `Classifier.predictions`, twice: for both formats. `saved` are the tables
    and models of the run by name, whose versions a hook has chosen.
    """
    from disentangled_audio.models.classifier import Classifier
    from disentangled_audio.models.reference import Reference

    tables = {name: saved.pop(name) for name in REFERENCES}
    reference = Reference.of_tables(tables, manifest["parameters"]["seed"])
    classifier = Classifier(manifest, reference, saved)
    table = classifier.predictions(inference.recordings, inference.kind, parallel)
    return table, table
