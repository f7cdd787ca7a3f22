"""Plain values as JSON, which nobody has to have saved."""

from typing import Any

from kedro.io.core import VersionNotFoundError

from disentangled_audio.datasets.json_dataset import JSONDataset


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
