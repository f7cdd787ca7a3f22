"""HTML pages."""

import html

from kedro.io.core import get_filepath_str
from kedro_datasets._typing import HTMLPreview
from kedro_datasets.text import TextDataset

from disentangled_audio.datasets.atomic import AtomicFile


class HtmlDataset(AtomicFile, TextDataset):
    """An HTML page, saved atomically."""

    def preview(self) -> HTMLPreview:
        """Show the page's location in Kedro-Viz; the page itself would restyle the whole graph."""
        path = get_filepath_str(self._get_load_path(), self._protocol)
        n_bytes = self._fs.size(path)
        place = html.escape(str(path))
        return HTMLPreview(
            f"<p>A page of {n_bytes / 1e6:.1f} MB: open <code>{place}</code> in a browser.</p>"
        )
