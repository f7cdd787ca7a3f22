"""SVM classification pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.svm_classification.nodes import (
    train_code_svm,
    train_hybrid,
    train_svm,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Features and codes to the two SVMs and the hybrid of both with the CNN."""
    return Pipeline(
        [
            Node(
                train_svm,
                inputs=[
                    "fourier_features",
                    "augmented_features",
                    "splits",
                    "params:svm",
                    "params:seed",
                ],
                outputs=["svm", "svm_probabilities"],
                name="train_svm",
            ),
            Node(
                train_code_svm,
                inputs=["codes", "splits", "params:svm", "params:seed"],
                outputs=["code_svm", "code_svm_probabilities"],
                name="train_code_svm",
            ),
            Node(
                train_hybrid,
                inputs=[
                    "svm_probabilities",
                    "code_svm_probabilities",
                    "cnn_probabilities",
                    "splits",
                    "params:hybrid",
                ],
                outputs=["hybrid", "hybrid_probabilities"],
                name="train_hybrid",
            ),
        ]
    )
