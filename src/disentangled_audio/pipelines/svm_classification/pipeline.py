"""SVM classification pipeline."""

from collections.abc import Callable

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.svm_classification.nodes import (
    MEMBERS,
    MODELS,
    collect_predictions,
    train_acoustic_svm,
    train_code_svm,
    train_hybrid,
    train_mel_svm,
    train_svm,
    train_timbre_svm,
)


def create_pipeline(**kwargs) -> Pipeline:
    """The bank of classical members, the hybrid of them with the CNN, and what all of them say."""
    return Pipeline(
        [
            _member("svm", train_svm, "fourier_features", "augmented_features"),
            _member("mel_svm", train_mel_svm, "mel_features"),
            _member("timbre_svm", train_timbre_svm, "timbre_features"),
            _member("acoustic_svm", train_acoustic_svm, "acoustic_parameters"),
            _member("code_svm", train_code_svm, "codes", "provisional_codes"),
            Node(
                train_hybrid,
                inputs=["splits", "params:hybrid", *(f"{name}_probabilities" for name in MEMBERS)],
                outputs=["hybrid", "hybrid_probabilities"],
                name="train_hybrid",
            ),
            Node(
                collect_predictions,
                inputs=[
                    "recordings",
                    "splits",
                    "hybrid",
                    *(f"{model}_probabilities" for model in MODELS),
                ],
                outputs="predictions",
                name="collect_predictions",
            ),
        ]
    )


def _member(name: str, train: Callable, *features: str) -> Node:
    return Node(
        train,
        inputs=[*features, "splits", "params:svm", "params:seed"],
        outputs=[name, f"{name}_probabilities"],
        name=f"train_{name}",
    )
