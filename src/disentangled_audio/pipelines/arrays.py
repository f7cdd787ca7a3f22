"""Arrays as the catalog keeps them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

CHUNK_BYTES = 2**22


def chunked(values: "NDArray[Any]", **attributes: Any) -> "zarr.Array":
    """In-memory zarr array of `values`, chunked along the items, with attributes."""
    import zarr

    item_bytes = max(values[:1].nbytes, 1)
    items = max(1, min(len(values), CHUNK_BYTES // item_bytes))
    return zarr.create_array(
        store={}, data=values, chunks=(items, *values.shape[1:]), attributes=attributes
    )
