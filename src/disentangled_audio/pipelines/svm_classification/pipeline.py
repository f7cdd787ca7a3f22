"""SVM classification pipeline."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from kedro.pipeline import Node, Pipeline

from disentangled_audio.evaluation.scores.summary import HYBRID, PRETRAINED_HYBRID
from disentangled_audio.models.bank import BANK, FROM_SCRATCH, MEMBERS, MODELS, Member
from disentangled_audio.pipelines.svm_classification.nodes import (
    collect_predictions,
    train_hybrid,
    train_member,
    train_pretrained_hybrid,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Train the bank of SVMs and the hybrids; collect the predictions of all models."""
    return Pipeline(
        [
            *(_training(name, member) for name, member in BANK.items()),
            _fusion(train_hybrid, HYBRID, FROM_SCRATCH),
            _fusion(train_pretrained_hybrid, PRETRAINED_HYBRID, MEMBERS),
            Node(
                collect_predictions,
                inputs=[
                    "recordings",
                    "splits",
                    HYBRID,
                    PRETRAINED_HYBRID,
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


def _fusion(train: Callable[..., Any], hybrid: str, members: Iterable[str]) -> Node:
    return Node(
        train,
        inputs=["splits", "params:hybrid", *(f"{name}_probabilities" for name in members)],
        outputs=[hybrid, f"{hybrid}_probabilities"],
        name=f"train_{hybrid}",
    )


def _training_of(name: str) -> Callable[..., Any]:
    """Bind `train_member` to a member; Kedro-Viz shows the code of functions, not of partials."""

    @wraps(train_member)
    def train(*inputs: Any) -> Any:
        return train_member(*inputs, name=name)

    return train
