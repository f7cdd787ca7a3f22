"""Tables in Parquet format, limited to plain columns and a plausible size."""

import io
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.storage.limits import refused

# 60,000 recordings with 10,000 features are 6e8 values, 5 GB in pandas.
MAX_VALUES = 2**30
# Size of the encoded columns after decompression; repeated values take almost nothing.
MAX_BYTES = 2**33


def read_parquet(content: bytes, path: Any) -> Any:
    """Check and read a table (DataFrame) from the bytes of its file; messages name `path`."""
    import pandas as pd

    check(io.BytesIO(content), path)
    return pd.read_parquet(io.BytesIO(content))


def check(file: Any, path: Any) -> None:
    """Refuse an open table that is huge or has columns other than numbers, texts and their lists.

    Arrow reads no pickle, but a registered extension type may run code. Only the end of the file
    is read; messages name `path`.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        parquet = ParquetFile(file)
        facts, schema = parquet.metadata, parquet.schema_arrow
    except (ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}. Delete this version.") from error
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
