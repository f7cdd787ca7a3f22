"""Representation learning pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.representation_learning.nodes import (
    encode_views,
    tabulate_factors,
    train_disentangler_on_views,
)

VIEWS = ["log_mel", "content_view", "rhythm_view", "pitch_view"]


def create_pipeline(**kwargs) -> Pipeline:
    """Train the disentangler on encoder views; compute codes and class probabilities."""
    return Pipeline(
        [
            Node(
                tabulate_factors,
                inputs=["measured_factors", "recordings", "splits", "params:protocol"],
                outputs="factor_table",
                name="tabulate_factors",
            ),
            Node(
                train_disentangler_on_views,
                inputs=[
                    *VIEWS,
                    *("factor_table", "splits", "params:disentangler", "params:seed"),
                    "training_checkpoint",
                ],
                outputs=["disentangler", "provisional_disentangler", "training_history"],
                name="train_disentangler",
            ),
            Node(
                encode_views,
                inputs=[
                    *("disentangler", "provisional_disentangler"),
                    *VIEWS,
                    *("splits", "params:disentangler"),
                ],
                outputs=["codes", "loudest_codes", "provisional_codes", "cnn_probabilities"],
                name="encode_views",
            ),
        ]
    )
