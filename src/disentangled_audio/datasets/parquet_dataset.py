"""Tables in Parquet format."""

from typing import Any

from kedro.io.core import get_filepath_str
from kedro_datasets import pandas
from kedro_datasets._typing import TablePreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicFile
from disentangled_audio.storage.limits import refused
from disentangled_audio.storage.parquet_files import check


class ParquetDataset(AtomicFile, pandas.ParquetDataset):
    """The dataset of kedro-datasets with atomic saving and checked loading."""

    def load(self) -> Any:
        """Load the table if it is one file with plain columns and a plausible size."""
        path = get_filepath_str(self._get_load_path(), self._protocol)
        if self._fs.isdir(path):
            raise refused(path, "is a folder")
        if self._fs.exists(path):
            with self._fs.open(path, mode="rb") as file:
                check(file, path)
        return super().load()

    def preview(self, nrows: int = 5) -> TablePreview:
        """Show the first rows and columns in Kedro-Viz, without reading the whole table."""
        from pyarrow import Table
        from pyarrow.parquet import ParquetFile

        path = get_filepath_str(self._get_load_path(), self._protocol)
        with self._fs.open(path, mode="rb") as file:
            check(file, path)
            parquet = ParquetFile(file)
            names = parquet.schema_arrow.names
            shown = names[: previews.MAX_COLUMNS]
            batch = next(parquet.iter_batches(batch_size=nrows, columns=shown), None)
            first = (
                parquet.schema_arrow.empty_table() if batch is None else Table.from_batches([batch])
            )
            split = first.to_pandas().to_dict(orient="split")
        return previews.table(split, len(names))
