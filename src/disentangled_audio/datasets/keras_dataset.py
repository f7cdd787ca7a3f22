"""Keras models."""

from pathlib import Path
from typing import Any

from kedro.io import Version
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicDataset
from disentangled_audio.storage.keras_files import CONFIG, METADATA, read_keras, write_keras
from disentangled_audio.storage.limits import json_member, opened_zip


class KerasDataset(AtomicDataset):
    """A model in `.keras` format, loaded with `safe_mode=True`.

    Parameters
    ----------
    filepath
        Where the model is kept, a path or a URL; ends in `.keras`.
    custom_layers
        Module that registers the model's own layers; imported before loading, so that a
        fresh process (a notebook, say) can load the model.
    version
        Kedro's load and save version.
    credentials
        What the store asks for, as in kedro-datasets.
    fs_args
        Further arguments of the store's fsspec class.
    metadata
        Free-form description, as used by Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        custom_layers: str,
        version: Version | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            filepath=filepath,
            version=version,
            credentials=credentials,
            fs_args=fs_args,
            metadata=metadata,
        )
        self._custom_layers = custom_layers

    def _write(self, data: Any, path: Path) -> None:
        write_keras(data, path)

    def _read(self, path: Path) -> Any:
        return read_keras(path.read_bytes(), path, self._custom_layers)

    def preview(self) -> JSONPreview:
        """Layers and their classes for Kedro-Viz, read without Keras."""
        path = str(self._get_load_path())
        with self._fs.open(path, mode="rb") as file, opened_zip(file, path) as archive:
            config = json_member(archive, CONFIG, path)["config"]
            saved = json_member(archive, METADATA, path)
        layers = {layer["config"]["name"]: layer["class_name"] for layer in config["layers"]}
        return previews.described(self.metadata, {**saved, "layers": layers})
