"""Inference pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.evaluation.scores.summary import PRETRAINED_HYBRID
from disentangled_audio.models.bank import BANK
from disentangled_audio.pipelines.inference.nodes import classify_recordings
from disentangled_audio.runs.trained_runs import REFERENCES, models_of


def create_pipeline(**kwargs) -> Pipeline:
    """Classify recordings with trained models."""
    models = models_of(f"{name}_probabilities" for name in (*BANK, PRETRAINED_HYBRID))
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
