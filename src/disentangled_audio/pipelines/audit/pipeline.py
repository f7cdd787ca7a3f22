"""Audit pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.audit.nodes import (
    audit_shortcuts,
    measure_shortcuts,
    plot_audit,
    predict_from_controls,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Measure how well shortcuts predict the label, and how much of the test set leaked."""
    return Pipeline(
        [
            Node(
                measure_shortcuts,
                inputs=[
                    *("waveforms", "recordings", "params:corpus", "params:audit", "feature_chunks"),
                    "params:parallel",
                ],
                outputs=["shortcut_features", "fingerprints"],
                name="measure_shortcuts",
            ),
            Node(
                predict_from_controls,
                inputs=[
                    *("recordings", "shortcut_features", "splits", "params:protocol"),
                    "params:seed",
                ],
                outputs="control_predictions",
                name="predict_from_controls",
            ),
            Node(
                audit_shortcuts,
                inputs=[
                    *("control_predictions", "predictions", "recordings", "splits"),
                    *("shortcut_features", "fingerprints", "waveforms", "params:corpus"),
                    *("params:protocol", "params:evaluation", "params:corpus_name"),
                    *("params:protocol_name", "params:seed"),
                ],
                outputs="audit",
                name="audit_shortcuts",
            ),
            Node(plot_audit, inputs="audit", outputs="audit_plot", name="plot_audit"),
        ]
    )
