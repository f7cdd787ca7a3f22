"""Inference pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.models.bank import BANK
from disentangled_audio.pipelines.inference.nodes import classify_recordings
from disentangled_audio.runs.trained_runs import REFERENCES, models_of


def create_pipeline(**kwargs) -> Pipeline:
    """Recordings to predictions, by trained models that are only read."""
    models = models_of(f"{name}_probabilities" for name in BANK)
    return Pipeline(
        [
            Node(
                classify_recordings,
                inputs={
                    "inference": "params:inference",
                    "parallel": "params:parallel",
                    "manifest": "run_manifest",
                    **{name: name for name in (*REFERENCES, *models)},
                },
                outputs=["inference_predictions", "inference_predictions_csv"],
                name="classify_recordings",
            )
        ]
    )
