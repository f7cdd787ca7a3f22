"""Every format of the catalog saves complete versions or none: on disks, in stores, when killed."""

import json
import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import keras
import numpy as np
import pandas as pd
import pytest
import zarr
from kedro.io import DatasetError, Version
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from disentangled_audio.datasets.csv_dataset import CSVDataset
from disentangled_audio.datasets.html_dataset import HtmlDataset
from disentangled_audio.datasets.json_dataset import JSONDataset
from disentangled_audio.datasets.keras_dataset import KerasDataset
from disentangled_audio.datasets.matplotlib_dataset import MatplotlibDataset
from disentangled_audio.datasets.parquet_dataset import ParquetDataset
from disentangled_audio.datasets.skops_dataset import SkopsDataset
from disentangled_audio.datasets.zarr_dataset import ZarrDataset
from tests.conftest import remount

FIRST, SECOND = "2001-01-01T00.00.00.000Z", "2002-02-02T00.00.00.000Z"
LAYERS = "disentangled_audio.models.layers"


def _numbers(size: int) -> np.ndarray:
    return np.random.default_rng(size).random(size)


def _array(size: int) -> Any:
    return zarr.create_array(store={}, data=_numbers(size), chunks=(100,), attributes={"n": size})


def _model(size: int) -> keras.Model:
    return keras.Sequential([keras.Input((max(size // 10, 1),)), keras.layers.Dense(10)])


def _estimator(size: int) -> LogisticRegression:
    x = _numbers(4 * size).reshape(4, size)
    return LogisticRegression().fit(x, [0, 1, 0, 1])


def _figure(size: int) -> Figure:
    figure = Figure()
    figure.subplots().imshow(_numbers(size - size % 10).reshape(-1, 10), aspect="auto")
    return figure


# Class, its arguments, and content that takes about eight times `size` bytes or more.
Format = tuple[type, dict[str, Any], Callable[[int], Any]]
FORMATS: dict[str, Format] = {
    "a.parquet": (ParquetDataset, {}, lambda size: pd.DataFrame({"a": _numbers(size)})),
    "a.csv": (
        CSVDataset,
        {"save_args": {"index": False}},
        lambda size: pd.DataFrame({"a": _numbers(size)}),
    ),
    "a.json": (JSONDataset, {}, lambda size: {"a": _numbers(size).tolist()}),
    "a.html": (HtmlDataset, {}, lambda size: "<p>ü</p>" * size),
    "a.png": (MatplotlibDataset, {}, _figure),
    "a.zarr": (ZarrDataset, {}, _array),
    "a.skops": (SkopsDataset, {}, _estimator),
    "a.keras": (KerasDataset, {"custom_layers": LAYERS}, _model),
}
every_format = pytest.mark.parametrize("name", FORMATS)


def _dataset(folder: Path | str, name: str, version: Version | None = None, **more: Any) -> Any:
    kind, arguments, _ = FORMATS[name]
    return kind(filepath=f"{folder}/{name}", version=version, **arguments, **more)


def _content(name: str, size: int = 20) -> Any:
    return FORMATS[name][2](size)


def _plain(name: str, dataset: Any) -> Any:
    """What a dataset loads, as something that can be compared."""
    if name == "a.png":
        return dataset.preview()
    loaded = dataset.load()
    if isinstance(loaded, pd.DataFrame):
        return loaded.to_dict("list")
    if name == "a.zarr":
        return loaded[...].tolist(), dict(loaded.attrs)
    if name == "a.skops":
        return loaded.coef_.tolist()
    if name == "a.keras":
        return [weight.tolist() for weight in loaded.get_weights()]
    return loaded


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@every_format
@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_urls_work_like_paths(name: str, scheme: str, tmp_path: Path) -> None:
    folder = f"memory:///{uuid.uuid4().hex}" if scheme == "memory" else tmp_path.as_uri()
    assert not _dataset(folder, name, Version(None, None)).exists()
    _dataset(folder, name, Version(None, FIRST)).save(_content(name, 20))
    second = _dataset(folder, name, Version(None, SECOND))
    second.save(_content(name, 30))

    local = _dataset(tmp_path / "local", name)
    local.save(_content(name, 20))
    first = _dataset(folder, name, Version(FIRST, None))
    newest = _dataset(folder, name, Version(None, None))

    if name != "a.keras":  # its weights are drawn
        assert _plain(name, first) == _plain(name, local)
    assert _plain(name, newest) == _plain(name, second) != _plain(name, first)
    assert newest.exists()
    assert newest.list_versions(full_path=False) == [SECOND, FIRST]


def test_options_reach_the_store_and_previews_come_from_it(tmp_path: Path) -> None:
    folder = f"memory:///{uuid.uuid4().hex}"
    options = {"fs_args": {"region": "here"}, "credentials": {"key": "k"}}
    for name in ("a.parquet", "a.zarr"):
        dataset = _dataset(folder, name, Version(None, FIRST), **options)
        assert dataset._fs.storage_options == {"region": "here", "key": "k"}
        dataset.save(_content(name))
    assert len(_dataset(folder, "a.parquet", Version(None, None)).preview(nrows=3)["data"]) == 3


def test_a_partly_uploaded_array_is_not_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = f"memory:///{uuid.uuid4().hex}"
    _dataset(folder, "a.zarr", Version(None, FIRST)).save(_content("a.zarr"))
    memory = fsspec.filesystem("memory")
    upload, uploaded = memory.put_file, []

    def torn(local: str, remote: str, **more: Any) -> None:
        if len(uploaded) == 2:
            raise ConnectionError("the network is down")
        uploaded.append(remote)
        upload(local, remote, **more)

    monkeypatch.setattr(memory, "put_file", torn)
    with pytest.raises(DatasetError, match="the network is down"):
        _dataset(folder, "a.zarr", Version(None, SECOND)).save(_content("a.zarr", 300))
    monkeypatch.undo()

    newest = _dataset(folder, "a.zarr", Version(None, None))
    assert all("/c/" in remote for remote in uploaded)
    assert newest.load().attrs["n"] == 20
    assert not _dataset(folder, "a.zarr", Version(SECOND, None)).exists()

    again = _dataset(folder, "a.zarr", Version(None, SECOND))
    again.save(_content("a.zarr", 100))
    np.testing.assert_array_equal(again.load()[...], _numbers(100))


def test_an_interrupted_upload_leaves_no_file_in_a_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = f"memory:///{uuid.uuid4().hex}"
    memory = fsspec.filesystem("memory")
    upload = memory.put_file

    def torn(local: str, remote: str, **more: Any) -> None:
        upload(local, remote, **more)
        raise ConnectionError("the network is down")

    monkeypatch.setattr(memory, "put_file", torn)
    with pytest.raises(DatasetError, match="the network is down"):
        _dataset(folder, "a.csv", Version(None, FIRST)).save(_content("a.csv"))
    assert not _dataset(folder, "a.csv", Version(None, None)).exists()


def test_a_run_loads_the_version_that_it_saved(tmp_path: Path) -> None:
    _dataset(tmp_path, "a.json", Version(None, SECOND)).save({"by": "another run"})
    mine = _dataset(tmp_path, "a.json", Version(None, FIRST))

    mine.save({"by": "this run"})

    assert mine.load() == {"by": "this run"}


def test_a_file_where_the_folder_of_versions_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DatasetError, match="a file with the same name already exists"):
        _dataset(tmp_path, "a.json", Version(None, FIRST)).save({})


KILLED = """
import sys, time
import numpy as np
from kedro.io import Version
from disentangled_audio.datasets.csv_dataset import CSVDataset
from disentangled_audio.datasets.parquet_dataset import ParquetDataset
from disentangled_audio.datasets.zarr_dataset import ZarrDataset

def wait():
    print("half", flush=True)
    time.sleep(60)

class Table:
    def to_parquet(self, file, **_):
        file.write(b"PAR1 and half of the rest")
        file.flush()
        wait()
    def to_csv(self, path_or_buf, **_):
        path_or_buf.write("a,b")
        path_or_buf.flush()
        wait()

class Array:
    shape, chunks, dtype, attrs = (4, 2), (1, 2), np.dtype("float32"), {}
    def __getitem__(self, region):
        if region[0].start == 2:
            wait()
        return np.ones((1, 2), np.float32)

kind = {"a.parquet": ParquetDataset, "a.csv": CSVDataset, "a.zarr": ZarrDataset}[sys.argv[2]]
dataset = kind(filepath=f"{sys.argv[1]}/{sys.argv[2]}", version=Version(None, sys.argv[3]))
dataset.save(Array() if sys.argv[2] == "a.zarr" else Table())
"""


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.zarr"])
def test_a_killed_save_leaves_the_old_version_and_is_tidied_by_the_next(
    name: str, tmp_path: Path
) -> None:
    _dataset(tmp_path, name, Version(None, FIRST)).save(_content(name))
    before = _plain(name, _dataset(tmp_path, name, Version(None, None)))

    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), name, SECOND],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
            # While it writes, others leave its temporary folder alone.
            third = "2003-03-03T00.00.00.000Z"
            _dataset(tmp_path, name, Version(None, third)).save(_content(name))
            assert len(list((tmp_path / name).glob(".saving-*/"))) == 1
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert len(list((tmp_path / name).glob(".saving-*/*/*"))) == 1

    newest = _dataset(tmp_path, name, Version(None, None))
    assert newest.list_versions(full_path=False) == [third, FIRST]
    assert _plain(name, newest) == before

    _dataset(tmp_path, name, Version(None, SECOND)).save(_content(name))
    assert _names(tmp_path / name) == {FIRST, SECOND, third}


@every_format
def test_a_full_disk_is_named_and_loses_nothing(name: str, small_disk: Path) -> None:
    _dataset(small_disk, name, Version(None, FIRST)).save(_content(name))
    before = _plain(name, _dataset(small_disk, name, Version(None, None)))
    # Pictures are small whatever is in them.
    ballast = small_disk / "ballast"
    if name == "a.png":
        free = os.statvfs(small_disk)
        ballast.write_bytes(b"0" * ((free.f_bavail - 1) * free.f_frsize))

    with pytest.raises(DatasetError, match=r"the disk is full.*make prune") as caught:
        _dataset(small_disk, name, Version(None, SECOND)).save(_content(name, 50_000))

    assert f"{small_disk}/{name}/{SECOND}/{name}" in str(caught.value)
    assert _names(small_disk / name) == {FIRST}
    assert _plain(name, _dataset(small_disk, name, Version(None, None))) == before


@every_format
def test_a_read_only_disk_is_named_and_loses_nothing(name: str, small_disk: Path) -> None:
    _dataset(small_disk, name, Version(None, FIRST)).save(_content(name))
    remount(small_disk, "ro")

    with pytest.raises(DatasetError, match="the disk is read-only") as caught:
        _dataset(small_disk, name, Version(None, SECOND)).save(_content(name))

    assert f"{small_disk}/{name}/{SECOND}/{name}" in str(caught.value)
    assert _dataset(small_disk, name, Version(None, None)).exists()


def _on_disk(path: Path, **more: Any) -> Any:
    array = zarr.create_array(
        store=str(path), shape=(1000, 2), chunks=(7, 2), dtype="float32", **more
    )
    array[:990] = np.arange(1980, dtype=np.float32).reshape(990, 2) + 1
    return array


def _inodes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_ino
        for path in folder.rglob("*")
        if path.is_file() and path.name != "zarr.json"
    }


@pytest.mark.parametrize("shards", [None, (70, 2)])
def test_chunks_on_disk_are_linked_and_not_read(
    shards: tuple[int, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = _on_disk(tmp_path / "store", shards=shards, attributes={"rate_hz": 8000})
    (tmp_path / "store" / "notes.partial").write_text("not a chunk")
    expected = array[...]

    def read(*_: Any) -> None:
        raise AssertionError("the array was read")

    dataset = _dataset(tmp_path, "a.zarr", Version(None, FIRST))
    with monkeypatch.context() as patched:
        patched.setattr(zarr.Array, "__getitem__", read)
        dataset.save(array)

    stored = tmp_path / "a.zarr" / FIRST / "a.zarr"
    chunks = _inodes(tmp_path / "store")
    chunks.pop("notes.partial")
    assert _inodes(stored) == chunks
    loaded = dataset.load()
    np.testing.assert_array_equal(loaded[...], expected)
    assert (loaded.chunks, loaded.shards) == (array.chunks, array.shards)

    array.attrs["later"] = True
    assert dict(dataset.load().attrs) == {"rate_hz": 8000}


def test_reused_chunks_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = _on_disk(tmp_path / "store")
    messages = []
    for version, given in [
        (FIRST, array),
        (SECOND, array),
        ("2003-03-03T00.00.00.000Z", _on_disk(tmp_path / "other")),
    ]:
        caplog.clear()
        with caplog.at_level(logging.INFO, "disentangled_audio"):
            _dataset(tmp_path, "a.zarr", Version(None, version)).save(given)
        messages.append([record.message for record in caplog.records])
    assert messages == [
        [],
        ["a.zarr: all 142 stored chunks of the newest version are reused"],
        [],
    ]


def test_chunks_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = _on_disk(tmp_path / "store")

    def refuse(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    dataset = _dataset(tmp_path, "a.zarr", Version(None, FIRST))
    dataset.save(array)
    np.testing.assert_array_equal(dataset.load()[...], array[...])
    assert not set(_inodes(tmp_path / "store").values()) & set(
        _inodes(tmp_path / "a.zarr").values()
    )


def test_chunks_on_disk_reach_a_store_too(tmp_path: Path) -> None:
    array = _on_disk(tmp_path / "store")
    dataset = _dataset(f"memory:///{uuid.uuid4().hex}", "a.zarr", Version(None, FIRST))
    dataset.save(array)
    np.testing.assert_array_equal(dataset.load()[...], array[...])


def test_an_array_in_memory_is_written_chunk_by_chunk(tmp_path: Path) -> None:
    values = np.arange(50, dtype=np.int16).reshape(10, 5)
    asked: list[tuple[int, ...]] = []

    class Array:
        shape, dtype, chunks, attrs = values.shape, values.dtype, (4, 2), {"a": 1}

        def __getitem__(self, region: Any) -> np.ndarray:
            asked.append(values[region].shape)
            return values[region]

    dataset = _dataset(tmp_path, "a.zarr")
    dataset.save(Array())

    np.testing.assert_array_equal(dataset.load()[...], values)
    assert len(asked) == 9
    assert max(np.prod(shape) for shape in asked) <= 8


def test_previews_are_as_kedro_datasets_make_them(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv"):
        dataset = _dataset(tmp_path, name)
        dataset.save(pd.DataFrame({"a": range(9)}))
        assert dataset.preview(nrows=2)["data"] == [[0], [1]]
    dataset = _dataset(tmp_path, "a.json")
    dataset.save({"a": 1})
    assert json.loads(dataset.preview()) == {"a": 1}
