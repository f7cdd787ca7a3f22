"""Arrays of the catalog: computed chunk by chunk, with notes about windows and recordings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ParallelParameters
from disentangled_audio.runs.provenance import stamp_of
from disentangled_audio.storage.progress import chunk_progress

if TYPE_CHECKING:
    import pandas as pd
    import zarr
    from numpy.typing import NDArray

    from disentangled_audio.models.windows import Windows

# Zarr attributes of the views of clips that were cut into windows.
ITEMS, LOUDEST = "items", "loudest"


def computed(
    name: str,
    source: "zarr.Array[Any]",
    work: "Callable[[NDArray[Any]], NDArray[Any] | dict[str, NDArray[Any]]]",
    parameters: Any,
    chunks: Path,
    parallel: ParallelParameters,
    row_values: "NDArray[Any] | None" = None,
    stage: str = "features",
) -> "dict[str, zarr.Array[Any]]":
    """Compute arrays from the rows of another array, chunk by chunk; finished chunks are reused.

    Parameters
    ----------
    name : str
        Name of the array, if `work` returns one, and of the folder of its chunks.
    source : (n_items, ...)
        Stamped array.
    work : callable
        Returns one array, or several by name, for some rows of the source.
    parameters : anything that JSON can hold
        Everything else that the result depends on, except the code.
    chunks : Path
        Folder for finished chunks.
    parallel : ParallelParameters
    row_values : (n_items,), optional
        A value for each row, the second argument of `work`; hashed with `parameters`.
    stage : str
        Stage (storage.hashing) whose code computes it.
    """
    from disentangled_audio.storage.chunk_store import stored_arrays
    from disentangled_audio.storage.hashing import code_hash, short_hash

    known = [] if row_values is None else row_values.tolist()
    key = short_hash([code_hash(stage), stamp_of(source), source.shape, parameters, known])
    with chunk_progress(name, "items") as progress:
        return stored_arrays(
            chunks / f"{name}-{key}",
            source.shape[0],
            source.chunks[0],
            _RowWork(name, source, work, row_values),
            parallel,
            progress,
        )


def note_windows(view: "zarr.Array[Any]", windows: "Windows") -> "zarr.Array[Any]":
    """Store in a view's attributes which rows belong to one clip; whole clips need no note."""
    if not windows.are_whole:
        view.attrs.update({ITEMS: windows.items.tolist(), LOUDEST: windows.loudest.tolist()})
    return view


def windows_of(view: "zarr.Array[Any]") -> "Windows":
    """Read from a view's attributes which clip each of its rows belongs to."""
    import numpy as np

    from disentangled_audio.models.windows import Windows

    if ITEMS not in view.attrs:
        return Windows.whole(view.shape[0])
    return Windows(*(np.array(view.attrs[name], dtype=np.intp) for name in (ITEMS, LOUDEST)))


@dataclass(frozen=True)
class NamedRows:
    """A view whose errors name the recording of the bad row.

    Attributes
    ----------
    name : str
        Catalog entry of the view.
    view : (n_rows, ...)
    recording_id : (n_rows,)
    """

    name: str
    view: Any
    recording_id: "NDArray[Any]"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the view."""
        return self.view.shape

    def __getitem__(self, rows: slice) -> "NDArray[Any]":
        """Read neighbouring rows."""
        return self._checked(self.view[rows], self.recording_id[rows])

    def where(self, rows: "NDArray[Any]") -> "NDArray[Any]":
        """Read the rows for which a mask is true."""
        return self._checked(self.view.oindex[rows], self.recording_id[rows])

    def _checked(self, values: "NDArray[Any]", recording_id: "NDArray[Any]") -> "NDArray[Any]":
        import numpy as np

        bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if bad.any():
            raise UserError(
                f"{self.name} has NaN or infinity for recording '{recording_id[bad.argmax()]}': "
                "the stored view is damaged. Delete the folder .chunks of data/03_feature and run "
                "kedro run --pipelines=feature_engineering, with the same --env and --params"
            )
        return values


def named_views(table: "pd.DataFrame", **views: "zarr.Array[Any]") -> dict[str, NamedRows]:
    """Wrap views as `NamedRows`; the table has one row per item."""
    items = windows_of(next(iter(views.values()))).items
    names = table["recording_id"].to_numpy()[items]
    return {name: NamedRows(name, view, names) for name, view in views.items()}


def in_memory(values: "NDArray[Any]", **attributes: Any) -> "zarr.Array[Any]":
    """Wrap a small array as a zarr array of one chunk."""
    import zarr

    chunks = tuple(max(1, length) for length in values.shape)
    return zarr.create_array(store={}, data=values, chunks=chunks, attributes=attributes)


@dataclass(frozen=True)
class _RowWork:
    """Work on some rows of an array; it is sent to the workers."""

    name: str
    source: "zarr.Array[Any]"
    work: Callable[..., Any]
    row_values: "NDArray[Any] | None"

    def __call__(self, rows: slice) -> "dict[str, NDArray[Any]]":
        values = [] if self.row_values is None else [self.row_values[rows]]
        result = self.work(self.source[rows], *values)
        return result if isinstance(result, dict) else {self.name: result}
