"""Round trips through versions, refused content, and previews for Kedro-Viz."""

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import zarr
from kedro.io import DatasetError, Version
from matplotlib.image import imread
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from disentangled_audio.datasets.atomic import AtomicDataset
from disentangled_audio.datasets.csv_dataset import CSVDataset
from disentangled_audio.datasets.html_dataset import HtmlDataset
from disentangled_audio.datasets.json_dataset import JSONDataset
from disentangled_audio.datasets.keras_dataset import KerasDataset
from disentangled_audio.datasets.local_folder import LocalFolder
from disentangled_audio.datasets.parquet_dataset import ParquetDataset
from disentangled_audio.datasets.recording_folders import RecordingFolders
from disentangled_audio.datasets.skops_dataset import SkopsDataset
from disentangled_audio.datasets.zarr_dataset import ZarrDataset
from disentangled_audio.storage.keras_files import STAMP_MEMBER

LAYERS = "disentangled_audio.models.layers"
STAMP = {"corpus_hash": "0123456789abcdef", "split_hash": "fedcba9876543210"}
FIRST, SECOND = "2001-01-01T00.00.00.000Z", "2002-02-02T00.00.00.000Z"


class _Text(AtomicDataset):
    """A minimal dataset."""

    def _write(self, data: Any, path: Path) -> None:
        path.write_text(data[: len(data) // 2], encoding="utf-8")
        if "fail" in data:
            raise RuntimeError("the disk is full")
        path.write_text(data, encoding="utf-8")

    def _read(self, path: Path) -> Any:
        return path.read_text(encoding="utf-8")


def _array(content: np.ndarray, chunks: tuple[int, ...] = (3, 4), **attributes: Any) -> Any:
    array = zarr.create_array(
        store=zarr.storage.MemoryStore(),
        shape=content.shape,
        dtype=content.dtype,
        chunks=chunks,
        attributes=attributes,
    )
    array[...] = content
    return array


def _content(offset: float = 0.0) -> np.ndarray:
    return (np.arange(40, dtype=np.float32) + np.float32(offset)).reshape(10, 4)


def _model() -> keras.Model:
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_version_is_never_written_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "a.txt")
    _Text(filepath=path, version=Version(None, FIRST)).save("first")

    with pytest.raises(DatasetError, match="must not exist"):
        _Text(filepath=path, version=Version(None, FIRST)).save("again")
    assert _Text(filepath=path, version=Version(FIRST, None)).load() == "first"


def test_without_versions_the_newest_text_replaces_the_old(tmp_path: Path) -> None:
    dataset = _Text(filepath=str(tmp_path / "deep" / "a.txt"))
    assert not dataset.exists()

    for text in ("long text", "text"):
        dataset.save(text)

    assert dataset.load() == "text"
    assert dataset.exists()
    assert _files(tmp_path) == {"a.txt"}


def test_a_write_that_fails_leaves_no_version(tmp_path: Path) -> None:
    path = str(tmp_path / "a.txt")
    _Text(filepath=path, version=Version(None, FIRST)).save("good")

    with pytest.raises(DatasetError, match="the disk is full"):
        _Text(filepath=path, version=Version(None, SECOND)).save("to fail")

    assert _Text(filepath=path, version=Version(None, None)).load() == "good"
    assert not _Text(filepath=path, version=Version(SECOND, None)).exists()
    assert _files(tmp_path) == {"a.txt"}


def test_a_failed_overwrite_keeps_the_old_content(tmp_path: Path) -> None:
    dataset = _Text(filepath=str(tmp_path / "a.txt"))
    dataset.save("good")

    with pytest.raises(DatasetError):
        dataset.save("to fail")

    assert dataset.load() == "good"


def test_metadata_is_kept_for_the_graph(tmp_path: Path) -> None:
    metadata = {"kedro-viz": {"layer": "primary"}}

    assert _Text(filepath=str(tmp_path / "a"), metadata=metadata).metadata == metadata


def test_an_array_keeps_content_chunks_and_attributes_through_versions(tmp_path: Path) -> None:
    path = str(tmp_path / "a.zarr")
    for offset, version in enumerate((FIRST, SECOND)):
        array = _array(_content(offset), sample_rate_hz=8000, **STAMP)
        ZarrDataset(filepath=path, version=Version(None, version)).save(array)

    newest = ZarrDataset(filepath=path, version=Version(None, None)).load()
    first = ZarrDataset(filepath=path, version=Version(FIRST, None)).load()

    np.testing.assert_array_equal(newest[...], _content(1))
    np.testing.assert_array_equal(first[2:5], _content(0)[2:5])
    assert newest.dtype == np.float32
    assert newest.chunks == (3, 4)
    assert dict(newest.attrs) == {"sample_rate_hz": 8000, **STAMP}


def test_a_loaded_array_can_be_saved_again_and_not_be_changed(tmp_path: Path) -> None:
    first = ZarrDataset(filepath=str(tmp_path / "a.zarr"))
    first.save(_array(_content(), note="kept"))
    second = ZarrDataset(filepath=str(tmp_path / "b.zarr"))

    second.save(first.load())

    np.testing.assert_array_equal(second.load()[...], _content())
    assert dict(second.load().attrs) == {"note": "kept"}
    with pytest.raises(ValueError, match="read-only"):
        first.load()[0, 0] = 1.0


def test_an_unversioned_array_is_replaced_whole(tmp_path: Path) -> None:
    dataset = ZarrDataset(filepath=str(tmp_path / "a.zarr"))
    dataset.save(_array(_content(), old=True))

    dataset.save(_array(_content(5)[:2], chunks=(2, 4), new=True))

    assert dataset.load().shape == (2, 4)
    np.testing.assert_array_equal(dataset.load()[...], _content(5)[:2])
    assert dict(dataset.load().attrs) == {"new": True}


def _picture(preview: str) -> np.ndarray:
    """Pixels of an image preview: (row, column, red green blue alpha), 0 to 1."""
    return imread(io.BytesIO(base64.b64decode(preview)), format="png")


@pytest.mark.parametrize("shape", [(10, 4), (10, 4, 6), (1, 4, 6)])
def test_the_preview_of_an_array_is_a_picture_of_some_items(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    dataset = ZarrDataset(filepath=str(tmp_path / "a.zarr"))
    dataset.save(_array(values, chunks=shape))
    shown = _picture(dataset.preview(axes=["frame", "band"]))
    dataset.save(_array(-values, chunks=shape))

    assert len(np.unique(shown.reshape(-1, 4), axis=0)) > 10
    # Axes run along with the values, and images share one scale: the mirrored one differs.
    assert not np.array_equal(shown, _picture(dataset.preview(axes=["frame", "band"])))


def test_a_preview_reads_only_the_shown_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    class Items:
        shape, dtype = (10**9, 4), np.dtype(np.float32)

        def __getitem__(self, place: int) -> np.ndarray:
            read.append(place)
            return np.zeros(4, dtype=np.float32)

    dataset = ZarrDataset(filepath=str(tmp_path / "a.zarr"))
    monkeypatch.setattr(dataset, "load", Items)
    dataset.preview(n_items=3)

    assert read == [0, (10**9 - 1) // 2, 10**9 - 1]


def test_an_empty_array_has_a_preview(tmp_path: Path) -> None:
    dataset = ZarrDataset(
        filepath=str(tmp_path / "a.zarr"), metadata={"description": "costs $5 or $6_a"}
    )
    dataset.save(_array(np.zeros((0, 4), dtype=np.float32)))

    assert _picture(dataset.preview()).size


def test_the_preview_of_a_page_says_where_it_is(tmp_path: Path) -> None:
    dataset = HtmlDataset(filepath=str(tmp_path / "<b>.html"))
    dataset.save("<style>p {color: red}</style>" + "x" * 300_000)

    shown = dataset.preview()
    assert "0.3 MB" in shown
    assert "&lt;b&gt;.html" in shown
    assert "<style>" not in shown


def test_tables_are_previewed_by_their_first_rows_and_columns(tmp_path: Path) -> None:
    wide = pd.DataFrame({f"c{place}": [place, place + 0.5, None] for place in range(60)})
    for dataset in (
        ParquetDataset(filepath=str(tmp_path / "a.parquet")),
        CSVDataset(filepath=str(tmp_path / "a.csv"), save_args={"index": False}),
    ):
        dataset.save(wide)
        shown = dataset.preview(nrows=2)

        assert shown["columns"] == [*wide.columns[:24], "… 36 more columns"]
        assert shown["data"] == [[*row[:24], ""] for row in wide.head(2).to_numpy().tolist()]
        dataset.save(wide.head(0))
        assert dataset.preview()["data"] == []


def test_models_and_values_are_previewed_after_their_description(tmp_path: Path) -> None:
    metadata = {"description": "what it is"}
    network = KerasDataset(
        filepath=str(tmp_path / "a.keras"), custom_layers=LAYERS, metadata=metadata
    )
    network.save(_model())
    estimator = SkopsDataset(filepath=str(tmp_path / "a.skops"), metadata=metadata)
    estimator.save(StandardScaler())
    values = JSONDataset(filepath=str(tmp_path / "a.json"), metadata=metadata)
    values.save([1, 2])

    shown = [json.loads(dataset.preview()) for dataset in (network, estimator, values)]
    assert [next(iter(facts.items())) for facts in shown] == [("description", "what it is")] * 3
    assert "Dense" in shown[0]["layers"].values()
    assert shown[1]["estimator"].endswith(".StandardScaler")
    assert shown[2]["values"] == [1, 2]


def test_folder_previews_have_description_and_path(tmp_path: Path) -> None:
    metadata = {"description": "what it is for"}
    work = LocalFolder(filepath=str(tmp_path), metadata=metadata)
    raw = RecordingFolders(filepath=str(tmp_path / "raw"), read_only="/data", metadata=metadata)

    assert json.loads(work.preview()) == {**metadata, "folder": str(tmp_path)}
    assert json.loads(raw.preview()) == {**metadata, "folders": ["/data", str(tmp_path / "raw")]}


class Foreign(LogisticRegression):
    """A type that is not trusted."""


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (Foreign(), "Foreign"),
        (make_pipeline(Foreign()), "Foreign"),
        (FunctionTransformer(subprocess.getoutput), "subprocess.getoutput"),
    ],
)
def test_foreign_types_are_refused_by_name_before_they_are_made(
    tmp_path: Path, estimator: Any, name: str
) -> None:
    dataset = SkopsDataset(filepath=str(tmp_path / "a.skops"))
    dataset.save(estimator)

    with pytest.raises(DatasetError, match="types that are not trusted") as caught:
        dataset.load()
    assert name in str(caught.value)
    assert "a.skops" in str(caught.value)


def test_a_model_without_a_stamp_has_an_empty_one(tmp_path: Path) -> None:
    dataset = KerasDataset(filepath=str(tmp_path / "model.keras"), custom_layers=LAYERS)

    dataset.save(_model())

    assert dataset.load().stamp_ == {}


def test_the_stamp_is_readable_without_keras(tmp_path: Path) -> None:
    model = _model()
    model.stamp_ = dict(STAMP)
    KerasDataset(filepath=str(tmp_path / "model.keras"), custom_layers=LAYERS).save(model)

    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert json.loads(archive.read(STAMP_MEMBER)) == STAMP


def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "model.keras")
    KerasDataset(filepath=path, custom_layers=LAYERS).save(_model())
    monkeypatch.setitem(sys.modules, "keras.src.saving.saving_lib", None)

    with pytest.raises(DatasetError, match=r"pip install 'disentangled-audio\[cpu\]'"):
        KerasDataset(filepath=path, custom_layers=LAYERS).load()


def test_the_users_folder_is_searched_first(tmp_path: Path) -> None:
    own, read_only = tmp_path / "raw", tmp_path / "elsewhere"

    both = RecordingFolders(filepath=str(own), read_only=str(read_only))

    assert both.load() == [read_only, own]
    assert RecordingFolders(filepath=str(own)).load() == [own]


def test_a_users_folder_may_start_at_home_or_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    for written in ("~/audio", "audio"):
        folders = RecordingFolders(filepath="raw", read_only=written).load()
        assert folders == [tmp_path / "audio", Path("raw")]


def test_recording_folders_exist_where_one_of_them_does(tmp_path: Path) -> None:
    folders = RecordingFolders(filepath=str(tmp_path / "raw"), read_only=str(tmp_path / "other"))
    assert not folders.exists()

    (tmp_path / "other").mkdir()

    assert folders.exists()


def test_recording_folders_are_not_written_through_the_catalog(tmp_path: Path) -> None:
    folders = RecordingFolders(filepath=str(tmp_path / "raw"))

    with pytest.raises(DatasetError, match="not written through the catalog"):
        folders.save([tmp_path])
    assert not (tmp_path / "raw").exists()


def test_a_local_folder_is_loaded_but_not_saved_through_the_catalog(
    tmp_path: Path,
) -> None:
    dataset = LocalFolder(filepath=str(tmp_path / ".training"))

    assert dataset.load() == tmp_path / ".training"
    assert dataset.exists(), "an earlier pipeline would be asked to make it"
    assert not (tmp_path / ".training").exists()
    with pytest.raises(DatasetError, match="not written through the catalog"):
        dataset.save("state")
