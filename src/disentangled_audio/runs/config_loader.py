"""Kedro's configuration loader for projects of strangers."""

from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from disentangled_audio.storage.yaml_files import read_yaml


class LimitedConfigLoader(OmegaConfigLoader):
    """Loads configuration whose files are within the limits of `read_yaml`.

    Otherwise a file whose aliases stand for billions of values would stop a run without a word.
    """

    def __init__(self, conf_source: str, *args: Any, **options: Any) -> None:
        for ending in ("yml", "yaml"):
            for file in sorted(Path(conf_source).rglob(f"*.{ending}")):
                read_yaml(file)
        super().__init__(conf_source, *args, **options)
