"""Arrays in zarr format."""

from pathlib import Path
from typing import Any

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
