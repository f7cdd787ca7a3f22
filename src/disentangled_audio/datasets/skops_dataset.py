"""scikit-learn estimators, stored without pickle."""

from pathlib import Path
from typing import Any

from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicDataset
from disentangled_audio.storage.limits import json_member, opened_zip
from disentangled_audio.storage.skops_files import SCHEMA, read_skops, write_skops


class SkopsDataset(AtomicDataset):
    """An estimator in skops format; loading creates only the types that `skops_files` lists."""

    def _write(self, data: Any, path: Path) -> None:
        write_skops(data, path)

    def _read(self, path: Path) -> Any:
        return read_skops(path.read_bytes(), path)

    def preview(self) -> JSONPreview:
        """Show the class of the estimator in Kedro-Viz, without creating an estimator."""
        path = str(self._get_load_path())
        with self._fs.open(path, mode="rb") as file, opened_zip(file, path) as archive:
            schema = json_member(archive, SCHEMA, path)
        facts = {
            "estimator": f"{schema['__module__']}.{schema['__class__']}",
            "skops": schema["_skops_version"],
        }
        return previews.described(self.metadata, facts)
