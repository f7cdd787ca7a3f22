"""Tables as comma-separated values."""

from pathlib import Path
from typing import Any

from kedro_datasets import pandas
from kedro_datasets._typing import TablePreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicFile, AtomicSave


class _Previewed(pandas.CSVDataset):
    def preview(self, nrows: int = 5) -> TablePreview:
        """The first rows and columns, for Kedro-Viz."""
        split = super().preview(nrows)
        return previews.table(split, len(split["columns"]))


class CSVDataset(AtomicFile, _Previewed):
    """The dataset of kedro-datasets; a version appears whole or not at all."""


class LongCSVDataset(AtomicSave, _Previewed):
    """The same for many rows and columns: written by Arrow in a sixth of the time of pandas.

    The index is left out, text is quoted, and whole numbers have no decimal point.
    """

    def _write(self, data: Any, path: Path) -> None:
        import pyarrow
        from pyarrow.csv import write_csv

        write_csv(pyarrow.Table.from_pandas(data, preserve_index=False), path)
