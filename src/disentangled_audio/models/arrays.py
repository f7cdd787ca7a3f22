"""Arrays as the catalog keeps them."""

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

# Attributes of views of clips that were cut into windows.
ITEMS, LOUDEST = "items", "loudest"


def computed(
    name: str,
    source: "zarr.Array[Any]",
    work: "Callable[[NDArray[Any]], NDArray[Any] | dict[str, NDArray[Any]]]",
    parameters: Any,
    chunks: Path,
    parallel: ParallelParameters,
    beside: "NDArray[Any] | None" = None,
) -> "dict[str, zarr.Array[Any]]":
    """Arrays whose rows follow from those of another one, chunk by chunk.

    Parameters
    ----------
    name : str
        Of the array, if `work` gives one; of the folder that keeps its chunks.
    source : zarr.Array
        Stamped; (n_items, ...).
    work : callable
        Gives one array, or several by name, from some rows of the source.
    parameters : anything that JSON can hold
        All that the result depends on beside the source and the code.
    chunks : Path
        Where chunks are kept.
    parallel : ParallelParameters
    beside : (n_items,), optional
        Something of each row that `work` takes as its second argument; hashed with `parameters`.
    """
    from disentangled_audio.storage.chunk_store import stored_arrays
    from disentangled_audio.storage.hashing import code_hash, short_hash

    known = [] if beside is None else beside.tolist()
    key = short_hash([code_hash("features"), stamp_of(source), source.shape, parameters, known])
    with chunk_progress(name, "items") as progress:
        return stored_arrays(
            chunks / f"{name}-{key}",
            source.shape[0],
            source.chunks[0],
            _OfRows(name, source, work, beside),
            parallel,
            progress,
        )


def note_windows(view: "zarr.Array[Any]", windows: "Windows") -> "zarr.Array[Any]":
    """Let an array of views say which of its rows belong together; whole clips need no note."""
    if not windows.are_whole:
        view.attrs.update({ITEMS: windows.items.tolist(), LOUDEST: windows.loudest.tolist()})
    return view


def windows_of(view: "zarr.Array[Any]") -> "Windows":
    """Which clip each row of a view belongs to; whoever indexes views by clips asks here."""
    import numpy as np

    from disentangled_audio.models.windows import Windows

    if ITEMS not in view.attrs:
        return Windows.whole(view.shape[0])
    return Windows(*(np.array(view.attrs[name], dtype=np.intp) for name in (ITEMS, LOUDEST)))


@dataclass(frozen=True)
class NamedRows:
    """A view that names the recording of a row that cannot be used.

    Attributes
    ----------
    name : of the view in the catalog.
    view : (n_rows, ...)
    recording_id : of each row's item.
    """

    name: str
    view: Any
    recording_id: "NDArray[Any]"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the view."""
        return self.view.shape

    def __getitem__(self, rows: slice) -> "NDArray[Any]":
        """Some neighbouring rows."""
        return self._checked(self.view[rows], self.recording_id[rows])

    def where(self, rows: "NDArray[Any]") -> "NDArray[Any]":
        """Rows for which a mask is true."""
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
    """Views by name, whose rows know their recording; the table has a row an item."""
    items = windows_of(next(iter(views.values()))).items
    names = table["recording_id"].to_numpy()[items]
    return {name: NamedRows(name, view, names) for name, view in views.items()}


def in_memory(values: "NDArray[Any]", **attributes: Any) -> "zarr.Array[Any]":
    """A small array in the form of the large ones, in one chunk."""
    import zarr

    chunks = tuple(max(1, length) for length in values.shape)
    return zarr.create_array(store={}, data=values, chunks=chunks, attributes=attributes)


@dataclass(frozen=True)
class _OfRows:
    """Work on some rows of an array; travels to the workers."""

    name: str
    source: Any
    work: Callable[..., Any]
    beside: Any = None

    def __call__(self, rows: slice) -> dict[str, Any]:
        more = [] if self.beside is None else [self.beside[rows]]
        made = self.work(self.source[rows], *more)
        return made if isinstance(made, dict) else {self.name: made}
