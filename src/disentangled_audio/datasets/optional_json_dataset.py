"""Plain values as JSON, which nobody has to have saved."""

from typing import Any

from kedro.io.core import VersionNotFoundError
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.json_dataset import JSONDataset

LONGEST_TEXT = 200


class OptionalJSONDataset(JSONDataset):
    """As JSONDataset, but an empty mapping is loaded where nothing has been saved.

    For what one pipeline gives to another that can do without it. A version that is asked for by
    name has to be there.
    """

    def load(self) -> Any:
        """The newest version, or the one asked for; empty if there is none at all."""
        try:
            return super().load()
        except VersionNotFoundError:
            if self._version is not None and self._version.load:
                raise
            return {}

    def preview(self) -> JSONPreview:
        """The values without what is long, such as a picture in base64."""
        return previews.described(self.metadata, _shortened(self.load()))


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_shortened(part) for part in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"… {len(value):,} characters"
    return value
