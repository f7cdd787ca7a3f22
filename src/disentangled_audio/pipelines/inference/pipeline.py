"""Inference pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.inference.nodes import classify_recordings
from disentangled_audio.runs.trained_runs import MODELS, REFERENCES


def create_pipeline(**kwargs) -> Pipeline:
    """Recordings to predictions, by trained models that are only read."""
    return Pipeline(
        [
            Node(
                classify_recordings,
                inputs=[
                    "params:inference",
                    "params:parallel",
                    "run_manifest",
                    *REFERENCES,
                    *MODELS,
                ],
                outputs=["inference_predictions", "inference_predictions_csv"],
                name="classify_recordings",
            )
        ]
    )
