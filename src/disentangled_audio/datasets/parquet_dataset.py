"""Tables in Parquet format."""

from typing import Any

from kedro.io import DatasetError
from kedro.io.core import get_filepath_str
from kedro_datasets import pandas
from kedro_datasets._typing import TablePreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicFile
from disentangled_audio.datasets.limits import refused

# 60,000 recordings with 10,000 features are 6e8 values, 5 GB in pandas.
MAX_VALUES = 2**30
# What the columns are before decompression is undone; repeated values take next to nothing.
MAX_BYTES = 2**33


class ParquetDataset(AtomicFile, pandas.ParquetDataset):
    """The dataset of kedro-datasets; a version appears whole or not at all."""

    def load(self) -> Any:
        """The table, if it is one file of plain columns and of a size that can be meant."""
        path = get_filepath_str(self._get_load_path(), self._protocol)
        if self._fs.isdir(path):
            raise refused(path, "is a folder")
        if self._fs.exists(path):
            with self._fs.open(path, mode="rb") as file:
                check(file, path)
        return super().load()

    def preview(self, nrows: int = 5) -> TablePreview:
        """The first rows and columns, for Kedro-Viz; the original reads the whole table."""
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


def check(file: Any, path: Any) -> None:
    """Refuse a table of other columns than numbers, texts and lists of them, or a huge one.

    Arrow reads no pickle, but leaves it to a registered extension type what a column becomes.

    Parameters
    ----------
    file
        Open for reading; only the end of it is read.
    path
        Where it lies, for the message.

    Raises
    ------
    DatasetError
        It names the file and what is wrong with it.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        parquet = ParquetFile(file)
        facts, schema = parquet.metadata, parquet.schema_arrow
    except (ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"{path} is damaged: {error}. Delete this version.") from error
    file.seek(0)
    for field in schema:
        if not _is_plain(field):
            raise refused(path, f"has the column {field.name!r} of type {field.type}")
    if max(facts.num_rows, 1) * facts.num_columns > MAX_VALUES:
        size = f"{facts.num_rows:,} rows of {facts.num_columns:,} columns"
        raise refused(path, f"claims {size}; {MAX_VALUES:,} values are allowed")
    n_bytes = sum(facts.row_group(k).total_byte_size for k in range(facts.num_row_groups))
    if n_bytes > MAX_BYTES:
        raise refused(path, f"claims {n_bytes:,} bytes; {MAX_BYTES:,} are allowed")


def _is_plain(field: Any) -> bool:
    from pyarrow import types

    kind = field.type
    if any(key.startswith(b"ARROW:extension") for key in field.metadata or {}):
        return False
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_field)
    if types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        is_kind(kind)
        for is_kind in (
            *(types.is_integer, types.is_floating, types.is_boolean, types.is_null),
            *(types.is_string, types.is_large_string, types.is_temporal),
        )
    )
