"""SVM classification pipeline."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from kedro.pipeline import Node, Pipeline

from disentangled_audio.models.bank import BANK, MEMBERS, MODELS, Member
from disentangled_audio.pipelines.svm_classification.nodes import (
    collect_predictions,
    train_hybrid,
    train_member,
)


def create_pipeline(**kwargs) -> Pipeline:
    """The bank of SVMs, the hybrid of them with the network, and what all of them say."""
    return Pipeline(
        [
            *(_training(name, member) for name, member in BANK.items()),
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


def _training(name: str, member: Member) -> Node:
    parameters = ("params:svm", "params:hybrid", "params:seed")
    return Node(
        _training_of(name),
        inputs=[member.entry, "splits", *parameters, *member.further.values()],
        outputs=[name, f"{name}_probabilities"],
        name=f"train_{name}",
    )


def _training_of(name: str) -> Callable[..., Any]:
    """`train_member` for one member; a function, because Kedro-Viz shows no code of a partial."""

    @wraps(train_member)
    def train(*inputs: Any) -> Any:
        return train_member(*inputs, name=name)

    return train
