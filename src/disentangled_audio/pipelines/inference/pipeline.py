"""Inference pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.inference.nodes import classify_recordings
from disentangled_audio.pipelines.svm_classification.nodes import MEMBERS

MODEL_INPUTS = [
    "fourier_pca",
    "disentangler",
    "hybrid",
    *(name for name in MEMBERS if name != "cnn"),
]
REFERENCE_INPUTS = ["recordings", "splits", "fourier_features", "codes"]


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
                    *REFERENCE_INPUTS,
                    *MODEL_INPUTS,
                ],
                outputs=["inference_predictions", "inference_predictions_csv"],
                name="classify_recordings",
            )
        ]
    )
