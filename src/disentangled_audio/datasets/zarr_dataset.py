"""Arrays in zarr format."""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import ImagePreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicDataset
from disentangled_audio.datasets.zarr_check import (
    MAX_METADATA_BYTES,
    METADATA,
    check_metadata,
    check_on_disk,
)

if TYPE_CHECKING:
    import zarr

logger = logging.getLogger(__name__)


class ZarrDataset(AtomicDataset):
    """One chunked array with its attributes, loaded lazily and read-only.

    Saving takes a `zarr.Array` in memory or on disk, and loading gives one; slice it to get NumPy
    arrays. Chunk files on the same disk are hard-linked, not copied, so the code that wrote them
    must never change them.
    """

    _MARKER = METADATA

    def _write(self, data: Any, path: Path) -> None:
        folder = _folder(data)
        if folder is None:
            _write_chunks(data, path)
            return
        chunks = {key: folder / key for key in _chunk_keys(data) if (folder / key).exists()}
        _link_chunks(chunks, path)
        # Copied, because attributes may later be added to only one of the two.
        shutil.copyfile(folder / METADATA, path / METADATA)
        if self._newest_version_has(chunks):
            logger.info(
                "%s: all %d stored chunks of the newest version are reused",
                self._filepath.name,
                len(chunks),
            )

    def _newest_version_has(self, chunks: dict[str, Path]) -> bool:
        if self._protocol != "file" or not self._version or not chunks:
            return False
        newest = next(iter(self._get_versions()), None)
        if newest is None:
            return False
        with suppress(FileNotFoundError):
            return all(os.path.samefile(Path(newest) / key, file) for key, file in chunks.items())
        return False

    def _read(self, path: Path) -> Any:
        import zarr

        check_on_disk(path)
        # Format 2 has codecs that unpickle.
        return zarr.open_array(store=str(path), mode="r", zarr_format=3)

    def _read_from_store(self, path: PurePosixPath) -> Any:
        import zarr

        file = str(path / METADATA)
        if self._fs.exists(file):
            # One byte more than allowed is enough to recognise a file that is too large.
            check_metadata(self._fs.cat_file(file, start=0, end=MAX_METADATA_BYTES + 1), path)
        store = zarr.storage.FsspecStore.from_url(
            f"{self._protocol}://{path}", storage_options=self._storage_options, read_only=True
        )
        return zarr.open_array(store=store, mode="r", zarr_format=3)

    def preview(self, n_items: int = 4, axes: Sequence[str] = ("place", "value")) -> ImagePreview:
        """Show evenly spaced items as a picture in Kedro-Viz, with these labels of its axes."""
        import numpy as np

        array = self.load()
        last = max(array.shape[0] - 1, 0)
        places = np.unique(np.linspace(0, last, min(n_items, array.shape[0])).astype(int))
        shape = " × ".join(f"{length:,}" for length in array.shape)
        description = (self.metadata or {}).get("description", self._filepath.name)
        return previews.picture(
            [array[place] for place in places],
            places.tolist(),
            axes=axes,
            title=f"{description}\n{shape}, {array.dtype}",
        )


def _folder(data: Any) -> Path | None:
    """Find the folder of an array; None if it is not on a disk."""
    import zarr

    if not isinstance(data, zarr.Array) or data.metadata.zarr_format != 3:
        return None
    if not isinstance(data.store, zarr.storage.LocalStore):
        return None
    return Path(data.store.root) / data.path


def _chunk_keys(data: "zarr.Array") -> Iterator[str]:
    """Yield the names of the chunk files, or of the shard files if there are shards."""
    for index in _grid(data):
        yield data.metadata.encode_chunk_key(index)


def _grid(data: Any) -> Iterator[tuple[int, ...]]:
    import numpy as np

    sizes = zip(data.shape, _stored_chunks(data), strict=True)
    yield from np.ndindex(*(-(-length // chunk) for length, chunk in sizes))


def _stored_chunks(data: Any) -> tuple[int, ...]:
    return getattr(data, "shards", None) or data.chunks


def _link_chunks(chunks: dict[str, Path], path: Path) -> None:
    path.mkdir()
    for key, file in chunks.items():
        target = path / key
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:
            # Another disk, a file system without hard links, or too many links to one file.
            shutil.copyfile(file, target)


def _write_chunks(data: Any, path: Path) -> None:
    """Write an array while holding only one of its chunks in memory."""
    import zarr

    array = zarr.create_array(
        store=str(path),
        shape=data.shape,
        dtype=data.dtype,
        chunks=data.chunks,
        shards=getattr(data, "shards", None),
        attributes=dict(data.attrs),
    )
    sizes = _stored_chunks(data)
    for index in _grid(data):
        corner = zip(index, sizes, strict=True)
        region = tuple(slice(place * size, (place + 1) * size) for place, size in corner)
        array[region] = data[region]
