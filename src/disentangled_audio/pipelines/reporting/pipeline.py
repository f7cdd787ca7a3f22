"""Reporting pipeline."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.reporting.nodes import (
    PLOTTED,
    ablate_hybrid,
    assess_confidence,
    plot_comparison,
    plot_confidence,
    plot_model,
    plot_training,
    score_predictions,
    tabulate,
    write_report,
)
from disentangled_audio.report.sections import show_mistakes


def create_pipeline(**kwargs) -> Pipeline:
    """Predictions of every model to metrics, plots and the report."""
    return Pipeline([*_tables(), *confidence_nodes(), *_plots(), *_report()])


def confidence_nodes(prefix: str = "") -> list[Node]:
    """Confidence and ablation, of one fold or (with a prefix) of what has several."""
    return [
        Node(
            assess_confidence,
            inputs=[f"{prefix}predictions", "params:evaluation"],
            outputs=[f"{prefix}reliability", f"{prefix}risk_coverage", f"{prefix}confidence"],
            name=f"assess_{prefix}confidence",
        ),
        Node(
            ablate_hybrid,
            inputs=[f"{prefix}predictions", "params:hybrid"],
            outputs=f"{prefix}hybrid_ablation",
            name=f"ablate_{prefix}hybrid",
        ),
        Node(
            plot_confidence,
            inputs=[
                f"{prefix}reliability",
                f"{prefix}risk_coverage",
                f"{prefix}confidence",
                f"{prefix}hybrid_ablation",
                "params:corpus",
            ],
            outputs=[f"{prefix}confidence_plot", f"{prefix}hybrid_ablation_plot"],
            name=f"plot_{prefix}confidence",
        ),
    ]


def _tables() -> list[Node]:
    return [
        Node(
            score_predictions,
            inputs=[
                "predictions",
                "control_predictions",
                "splits",
                "params:corpus",
                "params:protocol",
                "params:evaluation",
                "params:corpus_name",
                "params:protocol_name",
                "params:seed",
                "run_facts",
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


def _report() -> list[Node]:
    return [
        Node(
            show_mistakes,
            inputs=["predictions", "recordings", "waveforms", "params:corpus", "params:views"],
            outputs="report_of_mistakes",
            name="show_mistakes",
        ),
        Node(
            write_report,
            inputs=[
                "metrics",
                "classification_report",
                "confusion_matrices",
                "rejected_recordings",
                "recordings",
                "training_history",
                "integrity",
                "audit",
                "reliability",
                "risk_coverage",
                "confidence",
                "hybrid_ablation",
                "codes",
                "factor_table",
                "report_of_mistakes",
                "report_of_codes",
                "report_of_folds",
                "params:corpus",
                "run_facts",
            ],
            outputs="report",
            name="write_report",
        ),
    ]
