"""Arrays that are computed and stored chunk by chunk, each chunk only once.

Each chunk is a file that appears complete or not at all. A killed run leaves its finished chunks;
the next run on the same folder computes the missing ones.
"""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from disentangled_audio.parameters import ParallelParameters
from disentangled_audio.storage.parallel import in_parallel
from disentangled_audio.storage.temporaries import temporary_neighbour

logger = logging.getLogger(__name__)

Rows = slice
Progress = Callable[[int, int], None]
Compute = Callable[[Rows], dict[str, NDArray[Any]]]
Files = Callable[[Rows], dict[str, Path]]
# Large enough to be read quickly, small enough for several workers to hold a few.
CHUNK_BYTES = 2**22


def no_files(rows: Rows) -> dict[str, Path]:
    """Offer no file to link as a chunk: the default for `files`."""
    return {}


def unseen(n_done: int, n_all: int) -> None:
    """Show no progress: the default for `progress`."""


def rows_per_chunk(item_bytes: int) -> int:
    """Count the items that fill one chunk of about `CHUNK_BYTES`."""
    return max(1, CHUNK_BYTES // max(item_bytes, 1))


def is_complete(folder: Path) -> bool:
    """Tell whether a folder has arrays and none of their chunks is missing."""
    arrays = _opened(folder)
    first = next(iter(arrays.values()), None)
    return first is not None and all(
        _is_stored(folder, arrays, slice(start, None))
        for start in range(0, first.shape[0], first.chunks[0])
    )


def stored_arrays(
    folder: Path,
    n_items: int,
    chunk_rows: int,
    compute: Compute,
    parallel: ParallelParameters,
    progress: Progress = unseen,
    files: Files = no_files,
) -> dict[str, zarr.Array]:
    """Compute the missing chunks of arrays that have the same number of rows.

    Parameters
    ----------
    folder : Path
        Folder for these arrays alone, named after what they are computed from. All workers must
        see it.
    n_items, chunk_rows : int
        Number of rows of each array and of each chunk.
    compute : callable
        Gives the named arrays for some rows; each row must depend on nothing but itself.
    parallel : ParallelParameters
    progress : callable
        Called with the number of finished rows and of all rows.
    files : callable
        Gives, by array name, files with exactly the values of some rows. A full chunk is
        hard-linked to such a file instead of being computed.

    Returns
    -------
    dict of zarr.Array
        Uncompressed arrays on the disk, each (n_items, ...).
    """
    chunk_rows = min(chunk_rows, n_items)
    arrays = _created(folder, n_items, chunk_rows, compute)
    chunks = [slice(k, min(k + chunk_rows, n_items)) for k in range(0, n_items, chunk_rows)]
    missing = [rows for rows in chunks if not _is_stored(folder, arrays, rows)]
    if len(missing) < len(chunks):
        logger.info(
            "%s: %d of %d stored chunks are reused",
            ", ".join(arrays),
            len(chunks) - len(missing),
            len(chunks),
        )
    for rows in missing:
        if rows.stop - rows.start == chunk_rows:
            _link(folder, arrays, rows, files(rows))
    missing = [rows for rows in missing if not _is_stored(folder, arrays, rows)]
    n_done = n_items - sum(rows.stop - rows.start for rows in missing)
    progress(n_done, n_items)
    for n_rows in in_parallel(_ChunkWriter(folder, compute), missing, parallel):
        n_done += n_rows
        progress(n_done, n_items)
    return arrays


def stored_row(array: zarr.Array, row: int) -> NDArray[Any]:
    """Read one row of an array of `stored_arrays`, without the rest of its chunk."""
    number, place = divmod(row, array.chunks[0])
    position = (number, *[0] * (array.ndim - 1))
    path = Path(array.store.root) / array.path / array.metadata.encode_chunk_key(position)
    n_bytes = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    return np.memmap(path, array.dtype, "r", place * n_bytes, array.shape[1:])


@dataclass(frozen=True)
class _ChunkWriter:
    """Computes some rows and writes them; it is pickled for the workers."""

    folder: Path
    compute: Compute

    def __call__(self, rows: Rows) -> int:
        made = self.compute(rows)
        # A chunk of zeros must become a file too, or it would seem to be missing. An array that
        # is opened obeys only this setting, not the argument of the same name.
        with zarr.config.set({"array.write_empty_chunks": True}):
            for name, array in _opened(self.folder).items():
                # A killed run may have stored this chunk for some of the arrays.
                if not _chunk_file(self.folder, name, array, rows).is_file():
                    array[rows] = made[name]
        return rows.stop - rows.start


def _created(
    folder: Path, n_items: int, chunk_rows: int, compute: Compute
) -> dict[str, zarr.Array]:
    """Open the arrays of an earlier run, or create empty ones."""
    if not folder.is_dir():
        with temporary_neighbour(folder.parent) as temporary:
            unfinished = temporary / folder.name
            for name, values in compute(slice(0, 1)).items():
                zarr.create_array(
                    store=unfinished / name,
                    shape=(n_items, *values.shape[1:]),
                    chunks=(chunk_rows, *values.shape[1:]),
                    dtype=values.dtype,
                    compressors=None,
                )
            # Another run may have created the same arrays first.
            with suppress(OSError):
                unfinished.replace(folder)
    # Pruning removes folders by their age, so each use renews it.
    os.utime(folder)
    return _opened(folder)


def _opened(folder: Path) -> dict[str, zarr.Array]:
    paths = sorted(path.parent for path in folder.glob("*/zarr.json"))
    return {path.name: zarr.open_array(path, mode="r+") for path in paths}


def _link(folder: Path, arrays: dict[str, zarr.Array], rows: Rows, files: dict[str, Path]) -> None:
    for name, file in files.items():
        target = _chunk_file(folder, name, arrays[name], rows)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not every file system has hard links; without one the chunk is computed.
        with suppress(OSError):
            os.link(file, target)


def _is_stored(folder: Path, arrays: dict[str, zarr.Array], rows: Rows) -> bool:
    return all(_chunk_file(folder, name, array, rows).is_file() for name, array in arrays.items())


def _chunk_file(folder: Path, name: str, array: zarr.Array, rows: Rows) -> Path:
    position = (rows.start // array.chunks[0], *[0] * (array.ndim - 1))
    return folder / name / array.metadata.encode_chunk_key(position)
