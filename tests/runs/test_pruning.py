"""What `kedro prune` removes, and what it must never remove."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.project import pipelines
from kedro.io import AbstractVersionedDataset

from disentangled_audio.cli.kedro_commands import cli
from disentangled_audio.errors import UserError
from disentangled_audio.runs.pruning import removables
from disentangled_audio.storage.locks import RUN_LOCK, RunLock
from tests.conftest import load_catalog, make_project

VERSIONS = [f"200{year}-01-01T00.00.00.000Z" for year in range(1, 7)]


def _save(folder: Path, version: str, content: str = "12345") -> Path:
    path = folder / version / folder.name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    return path


def _run(data: Path, version: str, named: dict[str, str], protocol: str = "by_room") -> None:
    folder = data / "07_reporting" / "twin" / protocol / "run_manifest.json"
    _save(folder, version, json.dumps({"dataset_versions": named}))


def _paths(data: Path, keep: int) -> set[str]:
    return {item.path.relative_to(data).as_posix() for item in removables(data, keep)}


def _prune(project: Path, *options: str, monkeypatch: pytest.MonkeyPatch, **more: str) -> Result:
    monkeypatch.chdir(project)
    return CliRunner().invoke(cli, ["prune", *options], **more)


def _left(folder: Path) -> Iterable[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six runs; the newest but one is reporting alone, with the first run's recordings."""
    folder = tmp_path / "data"
    for version in VERSIONS:
        _save(folder / "02_primary" / "twin" / "recordings.parquet", version)
        loaded = VERSIONS[0] if version == VERSIONS[4] else version
        _run(folder, version, {"recordings": loaded})
    return folder


def test_what_a_kept_manifest_names_stays(data: Path) -> None:
    manifests = "07_reporting/twin/by_room/run_manifest.json"
    recordings = "02_primary/twin/recordings.parquet"
    assert _paths(data, 2) == {
        *(f"{manifests}/{version}" for version in VERSIONS[:4]),
        *(f"{recordings}/{version}" for version in VERSIONS[1:4]),
    }
    assert _paths(data, 6) == set()
    assert f"{recordings}/{VERSIONS[0]}" in _paths(data, 1)


def test_what_the_folds_of_a_kept_run_need_stays(data: Path) -> None:
    folder = data / "05_classifier" / "twin" / "by_room" / "0" / "svm.skops"
    for version in VERSIONS[:3]:
        _save(folder, version)
    _run(data, VERSIONS[0], {"svm": VERSIONS[0]}, protocol="by_room/0")
    # It measured the codes of that run, and read no other model of it.
    _run(data, VERSIONS[1], {"run_manifest": VERSIONS[0]}, protocol="by_room/0")
    _run(data, VERSIONS[2], {"svm": VERSIONS[2]}, protocol="by_room/0")
    of_svm = {f"05_classifier/twin/by_room/0/svm.skops/{version}" for version in VERSIONS[:2]}
    assert of_svm <= _paths(data, 1)

    _run(data, "2008-01-01T00.00.00.000Z", {"0.run_manifest": VERSIONS[1]})

    assert of_svm - _paths(data, 1) == {f"05_classifier/twin/by_room/0/svm.skops/{VERSIONS[0]}"}
    assert f"07_reporting/twin/by_room/0/run_manifest.json/{VERSIONS[0]}" not in _paths(data, 1)


def test_every_protocol_keeps_its_runs(data: Path) -> None:
    _run(data, VERSIONS[1], {"recordings": VERSIONS[1]}, protocol="paper")
    assert f"02_primary/twin/recordings.parquet/{VERSIONS[1]}" not in _paths(data, 1)


def test_a_manifest_that_cannot_be_read_stops_everything(data: Path) -> None:
    manifest = data / "07_reporting/twin/by_room/run_manifest.json" / VERSIONS[5]
    (manifest / "run_manifest.json").write_text("{}")
    with pytest.raises(UserError, match="versions that its run needs are unknown"):
        removables(data, 2)


def test_recordings_and_other_folders_are_not_looked_at(data: Path) -> None:
    for version in VERSIONS:
        _save(data / "01_raw" / "own", version)
        (data / "02_primary" / "twin" / "notes" / version[:10]).mkdir(parents=True)
    assert not any("01_raw" in path or "notes" in path for path in _paths(data, 1))


def test_a_file_with_several_names_counts_once_and_only_if_all_of_them_go(data: Path) -> None:
    folder = data / "03_feature" / "twin" / "by_room" / "log_mel.parquet"
    first = _save(folder, VERSIONS[0], "x" * 1000)
    for version in VERSIONS[1:3]:
        (folder / version).mkdir()
        os.link(first, folder / version / folder.name)
    for version in VERSIONS[3:5]:
        _save(folder, version)

    def sizes(keep: int) -> list[int]:
        return [item.n_bytes for item in removables(data, keep) if item.path.parent == folder]

    assert sizes(2) == [1000, 0, 0]
    assert sizes(3) == [0, 0]


def test_unfinished_versions_and_leftovers_are_removed(data: Path) -> None:
    folder = data / "03_feature" / "twin" / "by_room" / "log_mel.zarr"
    (folder / VERSIONS[0] / folder.name / "c").mkdir(parents=True)
    (folder / ".saving-a" / VERSIONS[1]).mkdir(parents=True)
    relative = folder.relative_to(data).as_posix()
    assert {path for path in _paths(data, 6) if path.startswith(relative)} == {
        f"{relative}/{VERSIONS[0]}",
        f"{relative}/.saving-a",
    }


def test_unused_chunk_caches_are_removed(data: Path) -> None:
    chunks = data / "02_primary" / "twin" / ".chunks"
    kept_version = data / "02_primary" / "twin" / "waveforms.parquet" / VERSIONS[5]
    kept_version.mkdir(parents=True)
    for key, year in {"old": 1, "linked": 1, "new": 6}.items():
        (chunks / key).mkdir(parents=True)
        file = chunks / key / "0"
        file.write_text(key)
        seconds = (year - 1 + 31) * 365.25 * 86400 + 86400 * 30
        os.utime(file, (seconds, seconds))
        os.utime(chunks / key, (seconds, seconds))
    os.link(chunks / "linked" / "0", kept_version / "waveforms.parquet")
    caches = {path.rpartition("/")[2] for path in _paths(data, 2) if ".chunks" in path}
    assert caches == {"old"}


def test_old_inference_predictions_are_removed(data: Path) -> None:
    predictions = "08_inference/twin/by_room/inference_predictions.parquet"
    for version in VERSIONS:
        _save(data / predictions, version)
    gone = {path for path in _paths(data, keep=2) if path.startswith("08_inference")}
    assert gone == {f"{predictions}/{version}" for version in VERSIONS[:-2]}
    # Of manifests there are none: inference names no versions, and keeps none of the models.
    assert f"02_primary/twin/recordings.parquet/{VERSIONS[1]}" in _paths(data, keep=2)


def test_it_lists_asks_and_removes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data / "02_primary" / "twin" / "recordings.parquet"
    listed = _prune(data.parent, "--keep=2", monkeypatch=monkeypatch)
    assert listed.exit_code == 0
    assert f"5 B  data/02_primary/twin/recordings.parquet/{VERSIONS[1]}" in listed.output
    assert "Nothing was removed" in listed.output
    assert _left(folder) == VERSIONS

    removed = _prune(data.parent, "--keep=2", "--yes", monkeypatch=monkeypatch)
    assert removed.exit_code == 0, removed.output
    assert "Removed 7 folders" in removed.output
    assert _left(folder) == [VERSIONS[0], *VERSIONS[4:]]
    assert not list(data.rglob(".saving-*"))
    again = _prune(data.parent, "--keep=2", "--yes", monkeypatch=monkeypatch)
    assert "There is nothing to remove" in again.output


@pytest.mark.parametrize(("answer", "n_left"), [("y", 3), ("n", 6), ("", 6)])
def test_nothing_is_removed_without_confirmation(
    answer: str, n_left: int, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("disentangled_audio.cli.kedro_commands._has_terminal", lambda: True)
    _prune(data.parent, "--keep=2", monkeypatch=monkeypatch, input=f"{answer}\n")
    assert len(list(_left(data / "02_primary" / "twin" / "recordings.parquet"))) == n_left


def test_prune_does_not_wait_for_a_run(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunLock(data / "07_reporting" / "twin" / "by_room" / RUN_LOCK, "a run"):
        result = _prune(data.parent, "--keep=2", "--yes", monkeypatch=monkeypatch)
    assert result.exit_code == 1
    assert "a run is still in progress" in result.output
    assert _left(data / "02_primary" / "twin" / "recordings.parquet") == VERSIONS


@pytest.mark.parametrize("keep", ["0", "-1", "three", "1.5"])
def test_an_invalid_number_is_refused(
    keep: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _prune(data.parent, f"--keep={keep}", "--yes", monkeypatch=monkeypatch)
    assert result.exit_code == 2
    assert "--keep" in result.output
    assert keep in result.output
    assert _left(data / "02_primary" / "twin" / "recordings.parquet") == VERSIONS


def test_files_are_named_after_their_catalog_entries(tmp_path: Path) -> None:
    """Pruning finds the versions that a manifest names by this."""
    catalog = load_catalog(make_project(tmp_path / "project"))
    names = {name for name in pipelines["__default__"].datasets() if "param" not in name}
    versioned = {
        name: catalog.get(name)
        for name in names | {"run_manifest"}
        if isinstance(catalog.get(name), AbstractVersionedDataset)
    }
    assert len(versioned) > 20
    for name, dataset in versioned.items():
        assert Path(dataset._filepath).stem == name
