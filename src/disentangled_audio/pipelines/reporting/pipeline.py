"""Reporting pipeline."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.reporting.nodes import (
    PLOTTED,
    ablate_hybrid,
    assess_confidence,
    plot_confidence,
    plot_model,
    plot_training,
    score_predictions,
    show_audit,
    show_card,
    show_confidence,
    show_maps,
    show_mistakes,
    show_recordings,
    show_run,
    show_scores,
    tabulate,
    write_report,
)
from disentangled_audio.report.figures import comparison


def create_pipeline(**kwargs) -> Pipeline:
    """Turn predictions into metrics, plots and the report."""
    return Pipeline([*_tables(), *confidence_nodes(), *_plots(), *_report()])


def confidence_nodes(prefix: str = "") -> list[Node]:
    """Nodes for confidence and ablation of one fold, or (with a prefix) of all folds."""
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
                *(f"{prefix}reliability", f"{prefix}risk_coverage", f"{prefix}confidence"),
                *(f"{prefix}hybrid_ablation", "params:corpus"),
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
                *("predictions", "control_predictions", "splits", "integrity"),
                "params:corpus",
                *("params:protocol", "params:evaluation", "params:corpus_name"),
                *("params:protocol_name", "params:seed", "run_facts"),
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
        Node(comparison, inputs="metrics", outputs="comparison_plot", name="plot_comparison"),
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
                    *(f"{model}_confusion_matrix_plot", f"{model}_precision_recall_plot"),
                    f"{model}_f1_plot",
                ],
                name=f"plot_{model}",
            )
            for model in PLOTTED
        ),
    ]


def _plot_of(model: str) -> Callable[..., Any]:
    """Bind `plot_model` to a model; Kedro-Viz shows the code of functions, not of partials."""

    @wraps(plot_model)
    def plot(*tables: Any) -> Any:
        return plot_model(*tables, model=model)

    return plot


# Sections made by this pipeline with their inputs, in page order. The first gives the title.
SECTIONS = {
    "scores": (
        show_scores,
        ["metrics", "classification_report", "confusion_matrices", "recordings", "params:corpus"],
    ),
    "audit": (show_audit, ["audit"]),
    "maps": (show_maps, ["codes", "factor_table", "params:corpus"]),
    "confidence": (
        show_confidence,
        [
            *("reliability", "risk_coverage", "confidence", "hybrid_ablation"),
            *("params:corpus", "run_facts"),
        ],
    ),
    "recordings": (show_recordings, ["rejected_recordings", "integrity"]),
    "mistakes": (
        show_mistakes,
        [
            *("predictions", "recordings", "waveforms"),
            *("params:corpus", "params:protocol", "params:views"),
        ],
    ),
    "run": (show_run, ["training_history", "params:corpus", "run_facts"]),
    "card": (show_card, ["metrics", "recordings", "params:corpus", "run_facts"]),
}


def _report() -> list[Node]:
    made = [f"report_of_{name}" for name in SECTIONS]
    return [
        *(
            Node(function, inputs=inputs, outputs=f"report_of_{name}", name=f"show_{name}")
            for name, (function, inputs) in SECTIONS.items()
        ),
        Node(
            write_report,
            inputs=["run_facts", "report_of_codes", "report_of_folds", *made],
            outputs="report",
            name="write_report",
        ),
    ]
