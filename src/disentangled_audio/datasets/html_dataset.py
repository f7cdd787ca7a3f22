"""HTML pages."""

from kedro_datasets._typing import HTMLPreview
from kedro_datasets.text import TextDataset

from disentangled_audio.datasets.atomic import AtomicFile


class HtmlDataset(AtomicFile, TextDataset):
    """A text file that Kedro-Viz shows as the page it is."""

    def preview(self) -> HTMLPreview:
        """The page itself."""
        return HTMLPreview(self.load())
