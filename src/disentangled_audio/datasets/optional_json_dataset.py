"""JSON files that may be missing."""

from typing import Any

from kedro.io.core import VersionNotFoundError
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.json_dataset import JSONDataset

_MAX_TEXT = 200


class OptionalJSONDataset(JSONDataset):
    """A JSONDataset that loads an empty mapping if nothing has been saved.

    It is for the optional input of a pipeline. A version requested by name must exist.
    """

    def load(self) -> Any:
        """Load the newest or the requested version; an empty mapping if there are no versions."""
        try:
            return super().load()
        except VersionNotFoundError:
            if self._version is not None and self._version.load:
                raise
            return {}

    def preview(self) -> JSONPreview:
        """Show the values in Kedro-Viz without long texts, such as pictures in base64."""
        return previews.described(self.metadata, _shortened(self.load()))


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_shortened(part) for part in value]
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return f"… {len(value):,} characters"
    return value
