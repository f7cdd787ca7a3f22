"""Small previews for Kedro-Viz, made without loading the whole dataset."""

import base64
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import ImagePreview, JSONPreview, TablePreview

if TYPE_CHECKING:
    import numpy as np

MAX_COLUMNS = 24
# Only the first values of a longer item are shown.
MAX_VALUES = 100_000
_ITEMS_PER_ROW = 2


def described(metadata: dict[str, Any] | None, facts: dict[str, Any]) -> JSONPreview:
    """Give facts as JSON after the catalog's description, which Kedro-Viz does not show itself."""
    description = (metadata or {}).get("description")
    first = {"description": description} if description else {}
    return JSONPreview(json.dumps({**first, **facts}))


def table(split: dict[str, Any], n_columns: int) -> TablePreview:
    """Convert a table in pandas's `split` form, noting how many of its columns are hidden."""
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
    """Draw some items of an array, two per row, as a PNG in base64.

    Items are (n_values,), drawn as lines, or (n_frames, n_bands), drawn as images; places are their
    indices in the whole array.
    """
    from matplotlib.figure import Figure

    n_rows = max(1, -(-len(items) // _ITEMS_PER_ROW))
    figure = Figure(figsize=(6.4, 0.6 + 2.2 * n_rows), layout="constrained")
    # `_` and `$` in a title are plain characters, not mathematics.
    figure.suptitle(title, fontsize=9, parse_math=False, wrap=True)
    first = None
    for number, (place, item) in enumerate(zip(places, items, strict=True)):
        # One scale for all, so that items can be compared.
        panel = figure.add_subplot(n_rows, _ITEMS_PER_ROW, number + 1, sharey=first)
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
