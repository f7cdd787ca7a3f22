"""Cross-validation pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.cross_validation.folds import fold_inputs
from disentangled_audio.pipelines.cross_validation.nodes import (
    gather_disentanglement,
    gather_folds,
    plot_folds,
    plot_leakage_of_folds,
    score_folds,
    show_folds,
    train_folds,
)
from disentangled_audio.pipelines.reporting.pipeline import confidence_nodes


def create_pipeline(**kwargs) -> Pipeline:
    """Every fold of the protocol, trained, predicted and measured; scores over all of them."""
    typed = {
        "corpus": "params:corpus",
        "protocol": "params:protocol",
        "fourier": "params:fourier",
        "augmentation": "params:augmentation",
        "disentangler": "params:disentangler",
        "svm": "params:svm",
        "hybrid": "params:hybrid",
        "views": "params:views",
        "cepstra": "params:cepstra",
        "acoustic": "params:acoustic",
        "disentanglement": "params:disentanglement",
        "seed": "params:seed",
    }
    data = set(fold_inputs()) - set(typed.values())
    return Pipeline(
        [
            Node(
                train_folds,
                inputs={
                    **typed,
                    **{name: name for name in sorted(data)},
                    "cross_validation": "params:cross_validation",
                    "fold_results": "fold_results",
                },
                outputs="fold_runs",
                name="train_folds",
            ),
            Node(
                gather_folds,
                inputs=["fold_runs", "fold_results", "recordings"],
                outputs="cv_predictions",
                name="gather_folds",
            ),
            Node(
                score_folds,
                inputs=[
                    "cv_predictions",
                    "control_predictions",
                    "fold_runs",
                    "params:corpus",
                    "params:protocol",
                    "params:evaluation",
                    "params:corpus_name",
                    "params:protocol_name",
                    "params:seed",
                ],
                outputs="cv_metrics",
                name="score_folds",
            ),
            Node(plot_folds, inputs="cv_metrics", outputs="cv_comparison_plot", name="plot_folds"),
            *confidence_nodes("cv_"),
            Node(
                gather_disentanglement,
                inputs=["fold_runs", "fold_results", "recordings", "params:seed"],
                outputs=[
                    "cv_leakage_matrix",
                    "cv_swaps",
                    "cv_factor_regression",
                    "cv_disentanglement",
                ],
                name="gather_disentanglement",
            ),
            Node(
                plot_leakage_of_folds,
                inputs=["cv_leakage_matrix", "cv_disentanglement", "params:corpus"],
                outputs="cv_leakage_plot",
                name="plot_leakage_of_folds",
            ),
            Node(
                show_folds,
                inputs=[
                    "cv_metrics",
                    "cv_leakage_matrix",
                    "cv_disentanglement",
                    "fold_runs",
                    "params:corpus",
                ],
                outputs="report_of_folds",
                name="show_folds",
            ),
        ]
    )
