"""Tables in Parquet format."""

from kedro_datasets import pandas
from kedro_datasets._typing import TablePreview

from disentangled_audio.datasets.atomic import AtomicFile


class ParquetDataset(AtomicFile, pandas.ParquetDataset):
    """The dataset of kedro-datasets; a version appears whole or not at all."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """The first rows, for Kedro-Viz; the original reads them from local disks only."""
        if self._protocol == "file":
            return super().preview(nrows)
        return TablePreview(self.load().head(nrows).to_dict(orient="split"))
