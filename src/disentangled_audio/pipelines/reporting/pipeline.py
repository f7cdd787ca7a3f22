"""Reporting pipeline."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.reporting.nodes import (
    MODELS,
    PLOTTED,
    collect_predictions,
    plot_comparison,
    plot_model,
    plot_training,
    score_predictions,
    tabulate,
    write_report,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Probabilities of every model to predictions, metrics, plots and the report."""
    return Pipeline([*_tables(), *_plots(), _report()])


def _tables() -> list[Node]:
    return [
        Node(
            collect_predictions,
            inputs=["recordings", "splits", "hybrid", *(f"{model}_probabilities" for model in MODELS)],
            outputs="predictions",
            name="collect_predictions",
        ),
        Node(
            score_predictions,
            inputs=[
                "predictions",
                "recordings",
                "splits",
                "params:corpus",
                "params:protocol",
                "params:evaluation",
                "params:corpus_name",
                "params:protocol_name",
                "params:seed",
                "params:seconds",
            ],
            outputs="metrics",
            name="score_predictions",
        ),
        Node(
            tabulate,
            inputs="predictions",
            outputs=["classification_report", "confusion_matrices"],
            name="tabulate",
        ),
    ]


def _plots() -> list[Node]:
    return [
        Node(plot_comparison, inputs="metrics", outputs="comparison_plot", name="plot_comparison"),
        Node(
            plot_training,
            inputs=["training_history", "params:corpus"],
            outputs="training_curves_plot",
            name="plot_training",
        ),
        *(
            Node(
                _plot_of(model),
                inputs=["confusion_matrices", "classification_report", "params:corpus"],
                outputs=[
                    f"{model}_confusion_matrix_plot",
                    f"{model}_precision_recall_plot",
                    f"{model}_f1_plot",
                ],
                name=f"plot_{model}",
            )
            for model in PLOTTED
        ),
    ]


def _plot_of(model: str) -> Callable[..., Any]:
    """`plot_model` for one model; a function, because Kedro-Viz shows no code of a partial."""

    @wraps(plot_model)
    def plot(*tables: Any) -> Any:
        return plot_model(*tables, model=model)

    return plot


def _report() -> Node:
    return Node(
        write_report,
        inputs=[
            "metrics",
            "classification_report",
            "confusion_matrices",
            "rejected_recordings",
            "recordings",
            "training_history",
            "integrity",
            "params:corpus",
            "parameters",
        ],
        outputs="report",
        name="write_report",
    )
