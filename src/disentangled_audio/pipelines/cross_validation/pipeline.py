"""Cross-validation pipeline."""

from collections.abc import Iterable

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.cross_validation.nodes import (
    check_folds,
    gather_disentanglement,
    gather_folds,
    list_fold_runs,
    plan_folds,
    plot_folds,
    plot_leakage_of_folds,
    score_folds,
    show_folds,
)


def create_pipeline(shared: Iterable[str] = (), **kwargs) -> Pipeline:
    """Plan the folds of a protocol, then list and score their results.

    Between planning and listing, a hook runs the folds (`runs.folds`).

    Parameters
    ----------
    shared
        Datasets that all folds read, computed before any fold starts.
    """
    typed = (
        *("corpus", "protocol", "fourier", "augmentation", "disentangler", "svm", "hybrid"),
        *("views", "cepstra", "acoustic", "disentanglement", "cross_validation", "seed"),
    )
    return Pipeline(
        [
            Node(
                check_folds,
                inputs=[
                    "recordings",
                    *(f"params:{name}" for name in ("protocol", "cross_validation", "seed")),
                ],
                outputs=None,
                name="check_folds",
            ),
            Node(
                plan_folds,
                inputs={
                    "recordings": "recordings",
                    **{name: f"params:{name}" for name in typed},
                    **{name: name for name in sorted(shared)},
                },
                outputs="fold_plan",
                name="plan_folds",
            ),
            Node(
                list_fold_runs,
                inputs=["fold_plan", "fold_manifests", "recordings"],
                outputs="fold_runs",
                name="list_fold_runs",
            ),
            Node(
                gather_folds,
                inputs=["fold_runs", "fold_predictions", "recordings"],
                outputs="cv_predictions",
                name="gather_folds",
            ),
            Node(
                score_folds,
                inputs=[
                    "cv_predictions",
                    "control_predictions",
                    "fold_runs",
                    "recordings",
                    "shared_sound",
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
            Node(
                gather_disentanglement,
                inputs=[
                    "fold_runs",
                    "fold_leakage_matrix",
                    "fold_swaps",
                    "fold_factor_predictions",
                    "fold_disentanglement",
                    "recordings",
                    "params:seed",
                ],
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
