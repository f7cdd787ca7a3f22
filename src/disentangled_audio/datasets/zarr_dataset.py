"""Arrays in zarr format."""

import json
from pathlib import Path
from typing import Any

from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets.atomic import AtomicDataset


class ZarrDataset(AtomicDataset):
    """One chunked array with its attributes; loaded lazily and read-only.

    Save takes a `zarr.Array` (in memory or on disk), load gives one: slice it to get NumPy
    arrays.
    """

    def _write(self, data: Any, path: Path) -> None:
        import zarr

        zarr.create_array(
            store=str(path),
            data=data[...],
            chunks=data.chunks,
            attributes=dict(data.attrs),
        )

    def _read(self, path: Path) -> Any:
        import zarr

        return zarr.open_array(store=str(path), mode="r")

    def preview(self) -> JSONPreview:
        """Shape, type, chunks and attributes, for Kedro-Viz."""
        array = self.load()
        facts = {"shape": array.shape, "dtype": str(array.dtype), "chunks": array.chunks}
        return JSONPreview(json.dumps({**facts, "attributes": dict(array.attrs)}))
