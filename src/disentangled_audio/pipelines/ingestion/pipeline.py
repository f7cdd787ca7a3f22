"""Ingestion pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.ingestion.nodes import (
    check_integrity,
    link_recordings,
    read_recordings,
    split_recordings,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Read recordings as clips, check and link them, and split them."""
    return Pipeline(
        [
            Node(
                read_recordings,
                inputs=["recording_folders", "params:corpus", "clip_chunks", "params:parallel"],
                outputs=["recordings", "waveforms", "rejected_recordings", "shared_sound"],
                name="read_recordings",
            ),
            Node(
                split_recordings,
                inputs=["recordings", "params:protocol", "params:seed"],
                outputs="splits",
                name="split_recordings",
            ),
            Node(
                check_integrity,
                inputs=[
                    *("recordings", "splits", "rejected_recordings", "shared_sound"),
                    "params:corpus",
                ],
                outputs="integrity",
                name="check_integrity",
            ),
            Node(
                link_recordings,
                inputs=["recordings", "params:corpus"],
                outputs="linked_recordings",
                name="link_recordings",
            ),
        ]
    )
