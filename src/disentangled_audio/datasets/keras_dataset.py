"""Keras models."""

from pathlib import Path
from typing import Any

from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicDataset
from disentangled_audio.storage.keras_files import CONFIG, METADATA, read_keras, write_keras
from disentangled_audio.storage.limits import json_member, opened_zip


class KerasDataset(AtomicDataset):
    """A model in `.keras` format, checked and loaded with `safe_mode=True`.

    Parameters
    ----------
    custom_layers
        Module that registers the model's own layers. It is imported before loading, so that a
        fresh process such as a notebook can load the model.
    """

    def __init__(self, *, custom_layers: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._custom_layers = custom_layers

    def _write(self, data: Any, path: Path) -> None:
        write_keras(data, path)

    def _read(self, path: Path) -> Any:
        return read_keras(path.read_bytes(), path, self._custom_layers)

    def preview(self) -> JSONPreview:
        """Show layers and their classes in Kedro-Viz, read without Keras."""
        path = str(self._get_load_path())
        with self._fs.open(path, mode="rb") as file, opened_zip(file, path) as archive:
            config = json_member(archive, CONFIG, path)["config"]
            saved = json_member(archive, METADATA, path)
        layers = {layer["config"]["name"]: layer["class_name"] for layer in config["layers"]}
        return previews.described(self.metadata, {**saved, "layers": layers})
