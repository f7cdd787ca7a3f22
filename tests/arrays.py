"""Arrays in the form in which the catalog hands them to nodes."""

from typing import Any

import zarr
from numpy.typing import NDArray


def chunked(values: NDArray[Any], chunk_rows: int = 100) -> zarr.Array:
    """In-memory zarr array of `values`, chunked along the items."""
    return zarr.create_array(
        store={}, data=values, chunks=(min(chunk_rows, len(values)), *values.shape[1:])
    )
