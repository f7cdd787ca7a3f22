"""Keras models."""

import json
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

from kedro.io import DatasetError, Version
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicDataset

STAMP_MEMBER = "stamp.json"


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
        data.save(path)
        # Keras keeps no attributes of a functional model, so the stamp travels beside it.
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(STAMP_MEMBER, json.dumps(getattr(data, "stamp_", {})))

    def _read(self, path: Path) -> Any:
        try:
            import_module(self._custom_layers)
            from keras.saving import load_model
        except ModuleNotFoundError as error:
            raise DatasetError(
                f"{error.name} is missing, so {path} cannot be loaded: "
                "pip install 'disentangled-audio[cpu]' (or [gpu])"
            ) from error
        model = load_model(path, safe_mode=True)
        with zipfile.ZipFile(path) as archive:
            model.stamp_ = json.loads(archive.read(STAMP_MEMBER))
        return model

    def preview(self) -> JSONPreview:
        """Layers and their classes for Kedro-Viz, read without Keras."""
        path = str(self._get_load_path())
        with self._fs.open(path, mode="rb") as file, zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))["config"]
            saved = json.loads(archive.read("metadata.json"))
        layers = {layer["config"]["name"]: layer["class_name"] for layer in config["layers"]}
        return previews.described(self.metadata, {**saved, "layers": layers})
