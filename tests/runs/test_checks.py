"""The check before a run: wrong parameters are named, and nothing is fetched before the lock."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from omegaconf import OmegaConf

from disentangled_audio.corpora.reading.expected import expected_items
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus
from disentangled_audio.runs.checks import check_run
from disentangled_audio.runs.manifest import plain
from disentangled_audio.storage.locks import RUN_LOCK, RunLock
from tests.conftest import load_catalog, make_project, run_kedro
from tests.corpora.conftest import Answer, Server, server  # noqa: F401

# Of the tiny twin, which needs no recordings.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"protocol": {"group_by": ["storey"]}}, r"protocol.group_by 'storey' .* room"),
    ({"protocol": {"split": {"fold": 9}}}, r"fold '9' .* 0 to 3"),
    ({"fourier": {"n_components": 5000}}, r"n_components=5000 .*training rows"),
    ({"seed": -3}, "seed=-3 must be a whole number from 0 to"),
    ({"fuorier": {"n_components": 5}}, "unknown parameter 'fuorier'; .* fourier"),
    ({"seconds": {"train": 5}}, "unknown parameter 'seconds'"),
]
RATE_HZ = 8000
ANALYSIS = {"sample_rate_hz": RATE_HZ, "duration_s": 0.25}
FACTORS = {
    "generator": "factors",
    "content_levels": 2,
    "rhythm_levels": 2,
    "pitch_levels": 2,
    "takes": 2,
}


def _archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        for number in range(16):
            samples = np.random.default_rng(number).normal(0, 0.1, RATE_HZ // 4)
            wav = io.BytesIO()
            soundfile.write(wav, samples, RATE_HZ, format="WAV")
            zipped.writestr(f"{'ab'[number % 2]}/{number}.wav", wav.getvalue())
    return content.getvalue()


def _write_corpus(project: Path, source: dict[str, Any], target: str = "word") -> dict[str, Any]:
    """A corpus file of one source; gives what selects it."""
    corpus = {
        "sources": [source],
        "files": "**/*.wav",
        "analysis": ANALYSIS,
        # A column of the names; neither fetching nor decoding is needed to know it.
        "name_patterns": r"(?P<word>[a-z]+)[/_].*\.wav",
    }
    protocol = {"target": target, "split": {"strategy": "random"}}
    file = project / "mine.yml"
    file.write_text(yaml.safe_dump({"corpora": {"mine": corpus}, "protocols": {"own": protocol}}))
    return {"corpus_file": str(file)}


def _files(project: Path) -> set[str]:
    return {path.name for path in (project / "data").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> DataCatalog:
    """The catalog of a project in which nothing has run."""
    return load_catalog(make_project(tmp_path_factory.mktemp("checks") / "project"))


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_parameters_that_do_not_fit_are_named(
    catalog: DataCatalog, changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = plain(catalog.load("parameters"))
    parameters = OmegaConf.to_container(OmegaConf.merge(given, changes))
    changed = {f"params:{name}": value for name, value in parameters.items()}
    changed["parameters"] = parameters
    load = catalog.load
    monkeypatch.setattr(
        catalog, "load", lambda name: changed[name] if name in changed else load(name)
    )
    asked = {"runtime_params": changes, "load_versions": {}}

    with pytest.raises(UserError, match=message):
        check_run(asked, pipelines["__default__"], catalog)


@pytest.mark.parametrize("made", ["url", "generator"])
def test_nothing_is_fetched_or_made_before_the_run_has_its_lock(
    tmp_path: Path,
    server: Server,  # noqa: F811
    made: str,
) -> None:
    project = make_project(tmp_path / "project")
    url = server.url("some.zip", Answer(_archive()))
    params = _write_corpus(project, {"url": url} if made == "url" else FACTORS)
    lock = project / "data/07_reporting/mine/own" / RUN_LOCK

    with RunLock(lock, "the test"), pytest.raises(UserError, match="the test is still in progress"):
        run_kedro(project, env="folder", pipelines=["ingestion"], params=params)
    assert server.requests == []
    assert _files(project) == {RUN_LOCK}

    if made == "generator":
        return
    run_kedro(project, env="folder", pipelines=["ingestion"], params=params)
    assert len(server.requests) == 1
    assert len(load_catalog(project, env="folder", params=params).load("recordings")) == 16


def test_an_unknown_column_is_named_before_anything_is_fetched(
    tmp_path: Path,
    server: Server,  # noqa: F811
) -> None:
    project = make_project(tmp_path / "project")
    url = server.url("some.zip", Answer(_archive()))
    params = _write_corpus(project, {"url": url}, target="speaker")

    with pytest.raises(UserError, match=r"'speaker' is no column of corpus 'mine'.* word"):
        run_kedro(project, env="folder", params=params)
    assert server.requests == []


@pytest.mark.parametrize("extract", [True, False])
def test_an_archive_read_in_place_lists_its_items(tmp_path: Path, extract: bool) -> None:
    (tmp_path / "some.zip").write_bytes(_archive())
    source = {"archive": "some.zip", "extract": extract}
    pattern = r"(?P<word>[a-z])/.*"
    described = {"sources": [source], "name_patterns": pattern, "analysis": ANALYSIS}
    corpus = Corpus.model_validate(described)

    items = expected_items(corpus, [tmp_path])

    assert (items is None) == extract
    assert {path.name for path in tmp_path.iterdir()} == {"some.zip"}
    if items is not None:
        assert items["word"].value_counts().to_dict() == {"a": 8, "b": 8}


def test_missing_sources_are_named(tmp_path: Path) -> None:
    for source in ({"archive": "some.zip"}, {"folder": "mine"}):
        with pytest.raises(UserError, match="not found; looked at"):
            expected_items(
                Corpus.model_validate({"sources": [source], "analysis": ANALYSIS}), [tmp_path]
            )
