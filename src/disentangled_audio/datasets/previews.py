"""What Kedro-Viz shows of a dataset: small, and read without loading all of it."""

import base64
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import ImagePreview, JSONPreview, TablePreview

if TYPE_CHECKING:
    import numpy as np

MAX_COLUMNS = 24
# An item of more values than this is shown from its start.
MAX_VALUES = 100_000
_ITEMS_A_ROW = 2


def described(metadata: dict[str, Any] | None, facts: dict[str, Any]) -> JSONPreview:
    """Facts as JSON, after the catalog's description, for which Kedro-Viz has no place."""
    description = (metadata or {}).get("description")
    first = {"description": description} if description else {}
    return JSONPreview(json.dumps({**first, **facts}))


def table(split: dict[str, Any], n_columns: int) -> TablePreview:
    """A table in pandas's `split` form that says how many of its columns are left out."""
    n_shown = min(len(split["columns"]), MAX_COLUMNS)
    note = f"… {n_columns - n_shown} more columns"
    hidden = [note] if n_columns > n_shown else []
    return TablePreview(
        {
            "index": list(split["index"]),
            "columns": [*split["columns"][:n_shown], *hidden],
            "data": [[*row[:n_shown], *("" for _ in hidden)] for row in split["data"]],
        }
    )


def picture(
    items: "Sequence[np.ndarray]", places: Sequence[int], *, axes: Sequence[str], title: str
) -> ImagePreview:
    """Some items of an array, two a row, as a PNG in base64.

    Parameters
    ----------
    items : each (n_values,) or (n_frames, n_bands)
        Drawn as a line or as an image; none leaves the title alone.
    places
        Where the items are in the whole array.
    axes
        What the axes are: along the values and of the values, or frame and band.
    title
        Stands above all of them.
    """
    from matplotlib.figure import Figure

    n_rows = max(1, -(-len(items) // _ITEMS_A_ROW))
    figure = Figure(figsize=(6.4, 0.6 + 2.2 * n_rows), layout="constrained")
    # A title's `_` and `$` are letters.
    figure.suptitle(title, fontsize=9, parse_math=False, wrap=True)
    first = None
    for number, (place, item) in enumerate(zip(places, items, strict=True)):
        # One scale for all, so that items can be compared.
        panel = figure.add_subplot(n_rows, _ITEMS_A_ROW, number + 1, sharey=first)
        first = first or panel
        panel.set_title(f"item {place}", fontsize=9)
        panel.set_xlabel(axes[0])
        panel.set_ylabel(axes[1])
        panel.tick_params(labelsize=7)
        _draw(panel, item, items)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return ImagePreview(base64.b64encode(png.getvalue()).decode("ascii"))


def _draw(panel: Any, item: "np.ndarray", items: "Sequence[np.ndarray]") -> None:
    if item.ndim == 1:
        panel.plot(item[:MAX_VALUES], linewidth=0.6)
        return
    low, high = min(each.min() for each in items), max(each.max() for each in items)
    panel.imshow(item.T, origin="lower", aspect="auto", vmin=low, vmax=high)
