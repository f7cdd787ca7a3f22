"""Ingestion pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.ingestion.nodes import read_recordings, split_recordings


def create_pipeline(**kwargs) -> Pipeline:
    """Recordings on disk to clips, their table, and the split."""
    return Pipeline(
        [
            Node(
                read_recordings,
                inputs=["recording_folders", "params:corpus"],
                outputs=["recordings", "waveforms", "rejected_recordings"],
                name="read_recordings",
            ),
            Node(
                split_recordings,
                inputs=["recordings", "params:protocol", "params:seed"],
                outputs="splits",
                name="split_recordings",
            ),
        ]
    )
