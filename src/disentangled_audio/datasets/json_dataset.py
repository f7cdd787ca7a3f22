"""Plain values as JSON."""

from kedro_datasets import json

from disentangled_audio.datasets.atomic import AtomicFile


class JSONDataset(AtomicFile, json.JSONDataset):
    """The dataset of kedro-datasets; a version appears whole or not at all."""
