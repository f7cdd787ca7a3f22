"""JSON files."""

from json import loads

from kedro_datasets import json
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicFile


class JSONDataset(AtomicFile, json.JSONDataset):
    """The dataset of kedro-datasets with atomic saving."""

    def preview(self) -> JSONPreview:
        """Show the description and the values in Kedro-Viz."""
        values = loads(super().preview())
        facts = values if isinstance(values, dict) else {"values": values}
        return previews.described(self.metadata, facts)
