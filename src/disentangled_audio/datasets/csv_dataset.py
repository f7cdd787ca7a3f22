"""Tables as comma-separated values."""

from pathlib import Path
from typing import Any

from kedro_datasets import pandas
from kedro_datasets._typing import TablePreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicFile, AtomicSave
from disentangled_audio.storage.csv_cells import guarded_table, unguarded_table


class _GuardedCSVDataset(pandas.CSVDataset):
    def load(self) -> Any:
        """Load a table with its texts as they were before they were guarded."""
        return unguarded_table(super().load())

    def save(self, data: Any) -> None:
        """Save a table with its texts guarded."""
        super().save(guarded_table(data))

    def preview(self, nrows: int = 5) -> TablePreview:
        """Show the first rows and columns in Kedro-Viz."""
        split = super().preview(nrows)
        return previews.table(split, len(split["columns"]))


class CSVDataset(AtomicFile, _GuardedCSVDataset):
    """The dataset of kedro-datasets with atomic saving and texts that no spreadsheet runs."""


class LongCSVDataset(AtomicSave, _GuardedCSVDataset):
    """A CSVDataset for large tables, which Arrow writes six times as fast as pandas.

    The index is omitted, text is quoted, and whole numbers have no decimal point.
    """

    def _write(self, data: Any, path: Path) -> None:
        import pyarrow
        from pyarrow.csv import write_csv

        table = pyarrow.Table.from_pandas(guarded_table(data), preserve_index=False)
        write_csv(table, path)
