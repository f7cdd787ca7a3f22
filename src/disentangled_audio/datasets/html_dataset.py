"""HTML pages."""

import html
import re

from kedro.io.core import get_filepath_str
from kedro_datasets._typing import HTMLPreview
from kedro_datasets.text import TextDataset

from disentangled_audio.datasets.atomic import AtomicFile

# Kedro-Viz puts a preview into its own page: a page's looks would become those of the graph.
OWN_LOOKS = re.compile(r"<(style|script|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
MAX_PREVIEW_BYTES = 2_000_000


class HtmlDataset(AtomicFile, TextDataset):
    """A text file that Kedro-Viz shows as the page it is."""

    def preview(self) -> HTMLPreview:
        """The page without its looks and scripts; of a large one, where it is."""
        path = get_filepath_str(self._get_load_path(), self._protocol)
        n_bytes = self._fs.size(path)
        if n_bytes > MAX_PREVIEW_BYTES:
            place = html.escape(str(path))
            return HTMLPreview(
                f"<p>A page of {n_bytes / 1e6:.1f} MB: open <code>{place}</code> in a browser.</p>"
            )
        with self._fs.open(path, mode="r", encoding="utf-8") as file:
            return HTMLPreview(OWN_LOOKS.sub("", file.read()))
