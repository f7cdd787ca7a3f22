"""Node of inference."""

import logging
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
    """Classify recordings with the models of a run, preprocessed as in its manifest.

    Returns the table of `Classifier.predictions` twice, once per format. `saved` are the tables and
    models of the run by name; a hook chose their versions.
    """
    from disentangled_audio.models.classifier import Classifier
    from disentangled_audio.models.preparation import facts_of
    from disentangled_audio.models.reference import Reference

    tables = {name: saved.pop(name) for name in REFERENCES}
    reference = Reference.of_tables(tables, manifest["parameters"]["seed"])
    classifier = Classifier(facts_of(manifest), reference, saved)
    table = classifier.predictions(
        *(inference.recordings, inference.kind, parallel),
        window_s=inference.window_s,
        hop_s=inference.hop_s,
        rows=inference.rows,
    )
    for remark in table.attrs["remarks"]:
        logging.getLogger(__name__).warning(remark)
    return table, table
