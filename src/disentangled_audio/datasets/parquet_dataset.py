"""Tables in Parquet format."""

from kedro.io.core import get_filepath_str
from kedro_datasets import pandas
from kedro_datasets._typing import TablePreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicFile


class ParquetDataset(AtomicFile, pandas.ParquetDataset):
    """The dataset of kedro-datasets; a version appears whole or not at all."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """The first rows and columns, for Kedro-Viz; the original reads the whole table."""
        from pyarrow import Table
        from pyarrow.parquet import ParquetFile

        path = get_filepath_str(self._get_load_path(), self._protocol)
        with self._fs.open(path, mode="rb") as file:
            parquet = ParquetFile(file)
            names = parquet.schema_arrow.names
            shown = names[: previews.MAX_COLUMNS]
            batch = next(parquet.iter_batches(batch_size=nrows, columns=shown), None)
            first = (
                parquet.schema_arrow.empty_table() if batch is None else Table.from_batches([batch])
            )
            split = first.to_pandas().to_dict(orient="split")
        return previews.table(split, len(names))
