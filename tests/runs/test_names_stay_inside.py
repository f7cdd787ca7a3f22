"""Names that people give lead nowhere: not by a parameter, a file, a manifest, or a link."""

import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from pydantic import ValidationError

from disentangled_audio.cli.console import app
from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.propose import propose_corpus
from disentangled_audio.corpora.reading.integrity import KnownHashes
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource, Corpus
from disentangled_audio.parameters.names import RULE, checked_name, is_file_name, is_name
from disentangled_audio.runs.checks import check_places
from disentangled_audio.runs.inference_models import OUTPUT, prepare_inference
from disentangled_audio.runs.pruning import removables, remove
from disentangled_audio.runs.selection import selected_definition, selected_name
from disentangled_audio.runs.trained_runs import (
    REFERENCES,
    TrainedRun,
    find_run,
    models_of,
    read_manifest,
    trained_runs,
)
from disentangled_audio.storage.locks import RUN_LOCK, RunLock
from tests.conftest import load_catalog, make_project, run_kedro

PROBABILITIES = ("svm_probabilities", "hybrid_probabilities")
CLASSIFYING = (*PROBABILITIES, *models_of(PROBABILITIES), *REFERENCES)
VERSION = "2026-01-01T00.00.00.000Z"
HOSTILE = {
    "here": ".",
    "above": "..",
    "far above": "../../../x",
    "temporary": ".saving-x",
    "hidden": ".chunks",
    "slash": "a/b",
    "absolute": "/etc",
    "backslash": "a\\b",
    "backslashes above": "..\\..\\x",
    "NUL": "a\0b",
    "line end": "a\nb",
    "return": "a\rb",
    "tab": "a\tb",
    "escape sequence": "\x1b[31mred",
    "C1 control": "a\x9bb",
    "blanks": "   ",
    "leading blank": " a",
    "trailing blank": "a ",
    "inner blank": "a b",
    "no-break blank": "a\xa0b",
    "long": "a" * 300,
    "long in bytes": "\U00020000" * 64,
    "device": "CON",
    "device with suffix": "nul.txt",
    "device in other digits": "COM¹",
    "drive": "a:b",
    "home": "~",
    "someone's home": "~root",
    "variable": "$HOME",
    "interpolation": "${oc.env:HOME}",
    "star": "*",
    "brackets": "[old]",
    "question mark": "a?",
    "bidi override": "a\u202eb",
    "zero width": "a\u200bb",
    "unseen letter": "a\u3164",
    "variation selector": "a\ufe0f",
    "wide slash": "a\uff0fb",
    "wide dots": "\uff0e\uff0e",
    "option": "-rf",
    "surrogate": "a\ud800",
    "encoded": "%2e%2e",
    "last dot": "a.",
    "comma": "a,b",
    "quotes": "a'b\"",
}
GOOD = ["birds", "my-corpus_2", "vögel", "鳥", "v1.2", "पक्षी", "_own", "2024", "conger", "a" * 64]
hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)


_BIRDS = {
    "description": "",
    "sources": [{"folder": "birds"}],
    "analysis": {"sample_rate_hz": 16000, "duration_s": 1.0},
}


def _corpus_file(folder: Path, section: str, name: Any) -> str:
    content = {"corpora": {"birds": {}}, "protocols": {"species": {}}} | {section: {name: {}}}
    path = folder / "my.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def _inference(folder: Path, name: str) -> None:
    asked = {"recordings": ["a.wav"], "model_version": name}
    catalog = DataCatalog({"params:inference": MemoryDataset(asked)})
    outputs = [OUTPUT, f"{OUTPUT}_csv"]
    prepare_inference(
        folder, Pipeline([node(list, "params:inference", outputs, name="n")]), catalog
    )


def _own(section: str) -> Callable[[Path, str], Any]:
    return lambda folder, name: selected_name(
        section, _corpus_file(folder, section, name), "", "twin"
    )


WAYS: dict[str, Callable[[Path, str], Any]] = {
    "corpus_name in --params": lambda _, name: selected_name("corpora", "", name, "twin"),
    "protocol_name in --params": lambda _, name: selected_name("protocols", "", name, "paper"),
    "corpus_name in globals.yml": lambda _, name: selected_name("corpora", "", "", name),
    "protocol_name in globals.yml": lambda _, name: selected_name("protocols", "", "", name),
    "corpora in corpus file": _own("corpora"),
    "protocols in corpus file": _own("protocols"),
    "corpora in conf": lambda _, name: selected_definition(
        "corpora", "", "twin", {"twin": {}, name: {}}
    ),
    "--load-versions=recordings": lambda folder, name: check_places(
        folder, {"recordings": name}, Pipeline([]), DataCatalog()
    ),
    "inference.model_version": _inference,
    "version of a run": find_run,
    "name of a corpus": lambda folder, name: find_run(folder, None, name),
    "name of a protocol": lambda folder, name: find_run(folder, None, None, name),
}


@hostile
@pytest.mark.parametrize("way", WAYS)
def test_a_hostile_name_is_refused_by_the_rule(name: str, way: str, tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()

    with pytest.raises(UserError) as caught:
        WAYS[way](place, name)

    message = str(caught.value)
    assert message.isprintable()
    # No YAML file can hold a surrogate.
    if not ("corpus file" in way and name == HOSTILE["surrogate"]):
        assert message.startswith(way)
        assert RULE in message
    assert [path.name for path in tmp_path.rglob("*")] in (["project"], ["project", "my.yml"])


@pytest.mark.parametrize("way", ["corpora in corpus file", "protocols in corpus file"])
@pytest.mark.parametrize("name", ["", None, -1, 1e300], ids=str)
def test_keys_that_are_not_text_are_refused(name: Any, way: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be used as a name"):
        WAYS[way](tmp_path, name)


@hostile
@pytest.mark.parametrize(
    "command",
    [
        lambda name: ["classify", "a.wav", f"--model={name}"],
        lambda name: ["classify", "a.wav", f"--corpus={name}"],
        lambda name: ["classify", "a.wav", f"--protocol={name}"],
        lambda name: ["compare", "--", name, VERSION],
        lambda name: ["compare", "--", VERSION, name],
    ],
    ids=["--model", "--corpus", "--protocol", "first RUN", "second RUN"],
)
def test_commands_refuse_a_hostile_name(
    name: str, command: Callable[[str], list[str]], manifests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(manifests)
    before = sorted(manifests.parent.rglob("*"))

    result = CliRunner().invoke(app, command(name))

    assert result.exit_code == 1, result.output
    assert "cannot be used as a name" in result.output
    assert "fault of the program" not in result.output
    assert sorted(manifests.parent.rglob("*")) == before


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the manifest of a run."""
    project = make_project(tmp_path_factory.mktemp("manifests") / "project")
    _manifest(project / "data")
    return project


@pytest.mark.parametrize("name", GOOD)
def test_good_names_pass_every_way(name: str, tmp_path: Path) -> None:
    assert selected_name("corpora", "", name, "twin") == name
    for section in ("corpora", "protocols"):
        # A corpus file is read once in a process.
        folder = tmp_path / section
        folder.mkdir()
        chosen = selected_name(section, _corpus_file(folder, section, name), name, "x")
        assert chosen == name


def test_a_name_is_one_folder_however_it_is_typed(tmp_path: Path) -> None:
    apart, composed = "vo\u0308gel", "vögel"
    file = _corpus_file(tmp_path, "corpora", apart)

    assert selected_name("corpora", file, "", "x") == composed
    assert selected_name("corpora", file, apart, "x") == composed
    assert selected_definition("corpora", file, composed, {}) == {}

    Path(file).write_text(f"corpora: {{{apart}: {{}}, {composed}: {{}}}}", encoding="utf-8")
    with pytest.raises(UserError, match="differ only in how Unicode writes them"):
        selected_name("corpora", _copy(file), "", "x")


def _copy(file: str) -> str:
    """Under another path: a corpus file is read once in a process."""
    other = Path(file).with_name("other.yml")
    other.write_bytes(Path(file).read_bytes())
    return str(other)


def test_a_corpus_called_like_a_version_would_be_pruned() -> None:
    with pytest.raises(UserError, match="looks like the version of a run"):
        checked_name(VERSION, "corpus_name")


@given(st.text(max_size=80) | st.text("./\\~ aA1-:\0\u202e", max_size=8))
@example("..")
@example("a/../..")
def test_any_text_is_refused_or_is_one_part_of_a_path(text: str) -> None:
    try:
        name = checked_name(text, "corpus_name")
    except UserError:
        return
    layer = Path("/project/data/02_primary")
    assert Path(os.path.normpath(layer / name)).parent == layer
    assert PurePosixPath(layer, name).parts[-1] == name
    assert PureWindowsPath("C:/data", name).parts == ("C:\\", "data", name)
    assert not PureWindowsPath(name).is_reserved()
    assert name.isprintable()


@pytest.mark.parametrize(
    "params",
    [
        {"corpus_name": "../../../x"},
        {"protocol_name": "${oc.env:HOME}"},
        {"corpus_file": "protocols"},
    ],
    ids=str,
)
def test_a_run_stops_before_anything_is_made(params: dict[str, str], tmp_path: Path) -> None:
    project = make_project(tmp_path / "a" / "b" / "project")
    if "corpus_file" in params:
        section = params["corpus_file"]
        params = {"corpus_file": _corpus_file(project, section, "../../../x")}
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(Exception, match=r"cannot be used as a name|oc\.env"):
        run_kedro(project, pipelines=["ingestion"], params=params)

    assert sorted(tmp_path.rglob("*")) == before


def test_a_load_version_stays_inside_too(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    for pipeline in ("reporting", "inference"):
        with pytest.raises(UserError, match=r"--load-versions=splits: '\.\./\.\./x' cannot"):
            run_kedro(project, pipelines=[pipeline], load_versions={"splits": "../../x"})


def _check(project: Path, params: dict[str, str] | None = None) -> None:
    catalog = load_catalog(project, params=params)
    check_places(project, {}, pipelines["ingestion"], catalog)


def test_a_catalog_path_may_not_lead_up(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    _check(project)
    _catalog_entry(project, "data/02_primary/../../../x/recordings.parquet")

    with pytest.raises(UserError, match="'recordings' would lie outside its folder"):
        _check(project)


def test_a_catalog_path_may_be_elsewhere_on_purpose(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    _catalog_entry(project, f"{tmp_path}/scratch/recordings.parquet")

    _check(project)


def _catalog_entry(project: Path, filepath: str) -> None:
    kind = "disentangled_audio.datasets.parquet_dataset.ParquetDataset"
    entry = {"recordings": {"type": kind, "filepath": filepath, "versioned": True}}
    (project / "conf/test/catalog.yml").write_text(yaml.safe_dump(entry))


def test_a_link_may_lead_a_layer_elsewhere_but_no_name(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    disk = tmp_path / "disk"
    (disk / "primary").mkdir(parents=True)
    (project / "data").mkdir()
    (project / "data/02_primary").symlink_to(disk / "primary")
    _check(project)
    (disk / "primary/twin_tiny").symlink_to(tmp_path)

    with pytest.raises(UserError, match="would lie outside its layer"):
        _check(project)


def test_a_protocol_may_not_be_called_like_a_dataset(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    described = {"target": "database", "split": {"strategy": "random"}}
    content = {"corpora": {"birds": _BIRDS}, "protocols": {"recordings.parquet": described}}
    (project / "my.yml").write_text(yaml.safe_dump(content))

    with pytest.raises(UserError, match="would lie inside 'recordings'"):
        _check(project, {"corpus_file": str(project / "my.yml")})


def _manifest(data: Path, version: str = VERSION, **changed: Any) -> Path:
    named = dict.fromkeys((*CLASSIFYING, "metrics"), version)
    models = dict.fromkeys(CLASSIFYING, "")
    content = {
        "run_id": version,
        "packages": {},
        "files": models,
        "file_sha256": models,
        "feature_schema": {},
        "feature_code": "",
        "dataset_versions": named,
        "parameters": {},
    }
    file = data / "07_reporting/birds/species/run_manifest.json" / version / "run_manifest.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content | changed))
    return file


@pytest.mark.parametrize(
    "changed",
    [
        {"run_id": "../../../x"},
        {"dataset_versions": {"metrics": "../../../x"}},
        {"dataset_versions": {"../metrics": VERSION}},
        {"dataset_versions": {"metrics": ["a"]}},
        {"dataset_versions": {"metrics": "*"}},
    ],
    ids=str,
)
def test_a_forged_manifest_is_left_out(
    changed: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if "dataset_versions" in changed:
        known = dict.fromkeys(CLASSIFYING, VERSION)
        changed = {"dataset_versions": known | changed["dataset_versions"]}
    file = _manifest(tmp_path, **changed)

    assert trained_runs(tmp_path) == []
    assert "is ignored" in caplog.text
    assert read_manifest(file) is None


def test_a_valid_manifest_is_read(tmp_path: Path) -> None:
    _manifest(tmp_path)
    (run,) = trained_runs(tmp_path)
    assert isinstance(run, TrainedRun)
    assert run.result("metrics.json") is None


def _version(folder: Path, version: str) -> Path:
    path = folder / version / folder.name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    return path


def test_prune_removes_nothing_that_a_forged_manifest_or_a_link_leads_to(tmp_path: Path) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    versions = [f"200{year}-01-01T00.00.00.000Z" for year in range(1, 5)]
    kept = [_version(outside / "recordings.parquet", version) for version in versions]
    kept += [outside / ".chunks/a/0", outside / ".saving-x/0"]
    for file in kept[-2:]:
        file.parent.mkdir(parents=True)
        file.write_text("mine")
        os.utime(file, (0, 0))
        os.utime(file.parent, (0, 0))
    named = {"recordings": "../../../../outside", "../../../outside": versions[0]}
    for version in versions[2:]:
        _manifest(data, version, dataset_versions=named)
    place = data / "02_primary/birds"
    (place / "recordings.parquet").mkdir(parents=True)
    (place / "linked.parquet").symlink_to(outside / "recordings.parquet")
    (place / ".chunks").symlink_to(outside / ".chunks")
    (place / ".saving-x").symlink_to(outside / ".saving-x")
    (data / "03_feature").symlink_to(outside)
    for version in versions:
        link = place / "recordings.parquet" / version
        link.symlink_to(outside / "recordings.parquet" / version)

    listed = removables(data, 1)
    left = remove(listed)

    assert [item.path.parent.name for item in listed] == ["run_manifest.json"]
    assert left == []
    assert all(file.read_text() == "mine" for file in kept)
    assert (place / "recordings.parquet" / versions[0]).is_symlink()


def test_a_link_in_place_of_a_lock_leads_to_nobody_s_file(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    diary.write_text("mine")
    lock = tmp_path / "data" / RUN_LOCK
    lock.parent.mkdir()
    lock.symlink_to(diary)

    with pytest.raises(UserError, match="is a link, not a lock file"):
        RunLock(lock, "a run").acquire()

    assert diary.read_text() == "mine"


FILE_NAMES = ["..", ".saving-x.zip", "a\0.zip", "a\n.zip", "CON.zip", "a:b.zip", " .zip"]


@pytest.mark.parametrize("name", [*FILE_NAMES, "~", "-rf.zip", "a\u202egpj.zip", "x" * 300])
def test_an_archive_is_kept_under_a_plain_name(name: str) -> None:
    assert not is_file_name(name)
    for archive in (name, f"below/{name}"):
        with pytest.raises(ValidationError, match="is not a safe file name"):
            ArchiveSource(archive=archive, url="https://example.org/a.zip")


@pytest.mark.parametrize(
    "last", ["%2e%2e", "a%2f..", "a%5c..", "a%00.zip", "%2esaving-x", "a%0a", "."]
)
def test_an_address_cannot_lead_elsewhere(last: str) -> None:
    with pytest.raises(ValidationError):
        ArchiveSource(url=f"https://example.org/{last}")


@pytest.mark.parametrize(
    "name", ["rirs_noises.zip", "Aufnahme (1)+2.tar.gz", "鳥.zip", "AIR 1.4.zip"]
)
def test_ordinary_archive_names_are_accepted(name: str) -> None:
    assert ArchiveSource(archive=name).name == name


@pytest.mark.parametrize("folder", ["CON", "...", "\u3164", "a" * 200, "鳥 2024", "-rf", "$HOME"])
def test_proposed_names_follow_the_rule(folder: str, tmp_path: Path) -> None:
    place = tmp_path / folder
    for kind in ("owl", "lark"):
        (place / kind).mkdir(parents=True)
        for take in range(3):
            soundfile.write(place / kind / f"{take}.wav", np.zeros(1600), 16000)

    content = yaml.safe_load(propose_corpus(place).text)

    names = [*content["corpora"], *content["protocols"]]
    assert len(names) == 2
    assert all(map(is_name, names)), names


def test_rows_of_tables_lead_nowhere(tmp_path: Path) -> None:
    """They are looked up by the names of files that are there, and never opened."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"mine")
    folder = tmp_path / "data"
    folder.mkdir()
    rows = "file,kind\n../secret.wav,x\n/etc/passwd,y\na.wav,z\n"
    (folder / "table.csv").write_text(rows)
    (folder / "hashes.csv").write_text(f"name,sha256\n../secret.wav,{'0' * 64}\n")
    corpus = Corpus.model_validate(_BIRDS | {"metadata": "table.csv"})

    grammar = NameGrammar(corpus, [folder])
    KnownHashes("hashes.csv", [folder])

    assert grammar.parse("a.wav")["kind"] == "z"
    assert grammar.parse("secret.wav") is None
