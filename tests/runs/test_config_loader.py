"""Projects in folders whose names look like a pattern."""

from pathlib import Path

import pytest
from kedro.io import Version

from disentangled_audio.datasets.json_dataset import JSONDataset
from disentangled_audio.datasets.zarr_dataset import ZarrDataset
from disentangled_audio.runs.config_loader import ConfigLoader

NAMES = ["pro[j]ect", "a[b", "[!x] birds", "what?", "all*"]


@pytest.mark.parametrize("name", NAMES)
def test_configuration_is_found(tmp_path: Path, name: str) -> None:
    conf = tmp_path / name / "conf"
    for file, text in (("base/parameters.yml", "a: 1"), ("own/in/parameters_b.yml", "b: 2")):
        (conf / file).parent.mkdir(parents=True)
        (conf / file).write_text(text)
    # What the name would match as a pattern.
    (tmp_path / "project").mkdir()

    loader = ConfigLoader(str(conf), env="own", base_env="base", default_run_env="own")

    assert loader["parameters"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [JSONDataset, ZarrDataset])
def test_the_newest_version_is_found(tmp_path: Path, name: str, kind: type) -> None:
    path = str(tmp_path / name / "table [1]")
    versions = ["2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"]
    saved = kind(filepath=path, version=Version(None, None))
    for version in versions:
        folder = tmp_path / name / "table [1]" / version
        folder.mkdir(parents=True)
        if kind is JSONDataset:
            (folder / "table [1]").write_text("{}")
        else:
            (folder / "table [1]").mkdir()
            (folder / "table [1]" / "zarr.json").write_text("{}")

    assert saved.resolve_load_version() == versions[1]
