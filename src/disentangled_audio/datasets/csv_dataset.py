"""Tables as comma-separated values."""

from kedro_datasets import pandas
from kedro_datasets._typing import TablePreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicFile


class CSVDataset(AtomicFile, pandas.CSVDataset):
    """The dataset of kedro-datasets; a version appears whole or not at all."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """The first rows and columns, for Kedro-Viz."""
        split = super().preview(nrows)
        return previews.table(split, len(split["columns"]))
