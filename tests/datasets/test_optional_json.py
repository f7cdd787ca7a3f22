"""A JSON dataset that may be missing."""

import json
from pathlib import Path

import pytest
from kedro.io import DatasetError, Version

from disentangled_audio.datasets.optional_json_dataset import OptionalJSONDataset


def dataset(folder: Path, load: str | None = None) -> OptionalJSONDataset:
    version = Version(load, "2026-01-01T00.00.00.000Z")
    return OptionalJSONDataset(filepath=str(folder / "part.json"), version=version)


def test_nothing_saved_is_an_empty_mapping(tmp_path: Path) -> None:
    assert dataset(tmp_path).load() == {}
    assert not dataset(tmp_path).exists()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saving = dataset(tmp_path)
    assert saving.load() == {}
    saving.save({"a": 1})
    assert saving.load() == {"a": 1}
    assert dataset(tmp_path).load() == {"a": 1}


def test_a_version_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    dataset(tmp_path).save({"a": 1})
    with pytest.raises(DatasetError):
        dataset(tmp_path, "2025-01-01T00.00.00.000Z").load()


def test_a_preview_has_no_long_texts(tmp_path: Path) -> None:
    saved = dataset(tmp_path)
    assert saved.preview() == "{}"
    saved.save({"pictures": [{"png": "a" * 5000, "text": "short"}], "n": 3})
    shown = json.loads(saved.preview())
    assert shown == {"pictures": [{"png": "… 5,000 characters", "text": "short"}], "n": 3}
