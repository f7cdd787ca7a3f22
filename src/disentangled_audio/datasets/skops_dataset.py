"""scikit-learn estimators without pickle."""

import json
import zipfile
from pathlib import Path
from typing import Any

from kedro.io import DatasetError
from kedro_datasets._typing import JSONPreview

from disentangled_audio.datasets import previews
from disentangled_audio.datasets.atomic import AtomicDataset

# Our own estimators; everything else in the file must be among skops's known safe types.
TRUSTED = ("disentangled_audio.",)


class SkopsDataset(AtomicDataset):
    """An estimator in skops format; loading refuses types that are not known to be safe."""

    def _write(self, data: Any, path: Path) -> None:
        from skops import io

        io.dump(data, path)

    def _read(self, path: Path) -> Any:
        from skops import io

        unknown = io.get_untrusted_types(file=path)
        foreign = [name for name in unknown if not name.startswith(TRUSTED)]
        if foreign:
            raise DatasetError(
                f"{path} holds types that are not trusted: {', '.join(foreign)}. "
                "It was not written by this project; delete this version."
            )
        return io.load(path, trusted=unknown)

    def preview(self) -> JSONPreview:
        """Class of the estimator for Kedro-Viz, read without making one."""
        path = str(self._get_load_path())
        with self._fs.open(path, mode="rb") as file, zipfile.ZipFile(file) as archive:
            schema = json.loads(archive.read("schema.json"))
        facts = {
            "estimator": f"{schema['__module__']}.{schema['__class__']}",
            "skops": schema["_skops_version"],
        }
        return previews.described(self.metadata, facts)
