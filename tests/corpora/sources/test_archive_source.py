"""An extracted folder, a local archive and a URL give the same recordings."""

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from omegaconf import OmegaConf
from pydantic import ValidationError

from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.corpora.sources.places import locate
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource, Corpus
from disentangled_audio.storage.hashing import hash_of
from tests.conftest import REPOSITORY
from tests.corpora.conftest import Answer, Server
from tests.corpora.reading.reading import ingest

NAMES = ["rir_hall_1.wav", "rir_attic_1.wav", "noise_hall_1.wav"]
SUBFOLDER = "TOP/real"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with recordings, and with archives of it: some.zip, some.tar.gz."""
    folder = tmp_path / "made"
    for seed, name in enumerate(NAMES):
        path = folder / SUBFOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, (2000, 2)), 16000)
    (folder / "TOP" / "README").write_text("not a recording", encoding="utf-8")
    with (
        zipfile.ZipFile(folder / "some.zip", "w") as zipped,
        tarfile.open(folder / "some.tar.gz", "w:gz") as tar,
    ):
        for path in sorted((folder / "TOP").rglob("*")):
            zipped.write(path, path.relative_to(folder))
            tar.add(path, path.relative_to(folder), recursive=False)
    return folder


def _corpus(**source: Any) -> Corpus:
    return Corpus.model_validate(
        {
            "sources": [{"members": "*/real/*.wav", "subfolder": SUBFOLDER, **source}],
            "files": "*.wav",
            "name_patterns": r"(?P<kind>rir|noise)_(?P<room>[a-z]+)_\d\.wav",
            "how_to_get": "Ask the person who recorded it.",
            # Longer than the recordings: the filling noise comes from their names.
            "analysis": {"sample_rate_hz": 16000, "duration_s": 0.2, "fill": "noise_floor"},
        }
    )


def _assert_same(one: Ingested, other: Ingested) -> None:
    pd.testing.assert_frame_equal(one.recordings, other.recordings)
    np.testing.assert_array_equal(one.waveforms, other.waveforms)


@pytest.mark.parametrize("archive", ["some.zip", "some.tar.gz"])
def test_url_local_archive_and_extracted_folder_are_interchangeable(
    made: Path, server: Server, tmp_path: Path, archive: str
) -> None:
    url = server.url(archive, Answer((made / archive).read_bytes()))
    corpus = _corpus(url=url, hash=hash_of(made / archive, "md5"))
    places = {name: tmp_path / name for name in ("beside", "below", "shared")}
    shutil.copytree(made / "TOP", places["beside"] / "TOP")
    shutil.copytree(made / "TOP", places["below"] / "some" / "TOP")
    places["shared"].mkdir()
    shutil.copy(made / archive, places["shared"])

    results = {name: ingest(corpus, [tmp_path / "none", places[name]]) for name in places}
    assert not server.requests
    results["read only"] = ingest(corpus, [places["shared"], tmp_path / "own"])
    assert not server.requests
    results["named"] = ingest(_corpus(archive=str(made / archive)), [tmp_path / "named"])
    results["url"] = ingest(corpus, [tmp_path / "url"])
    assert len(server.requests) == 1

    first = results.pop("url")
    assert list(first.recordings["path"]) == [f"{SUBFOLDER}/{name}" for name in sorted(NAMES)]
    for result in results.values():
        _assert_same(result, first)
    assert {path.name for path in places["shared"].iterdir()} == {archive, "extracted"}
    assert not (tmp_path / "none").exists()


def test_extracted_files_are_used_without_the_archive(
    made: Path, server: Server, tmp_path: Path
) -> None:
    for known in (hash_of(made / "some.zip"), None):
        url = server.url("some.zip", Answer((made / "some.zip").read_bytes()))
        folder = tmp_path / f"own {known}"
        first = locate(_corpus(url=url, hash=known), [folder])
        (folder / "downloads" / "some.zip").unlink()

        assert locate(_corpus(url=url, hash=known), [folder]) == first
        assert locate(_corpus(url=url, hash=known), [tmp_path / "no", folder]) == first
        assert len(list((folder / "extracted").iterdir())) == 1
    assert len(server.requests) == 2


def test_a_folder_is_keyed_by_archive_and_patterns(made: Path, tmp_path: Path) -> None:
    for members in (["*/rir*", "*.wav"], ["*.wav", "*/rir*"], ["*/rir*"]):
        for archive in ("some.zip", "some.tar.gz"):
            locate(_corpus(archive=str(made / archive), members=members), [tmp_path])

    assert len(list((tmp_path / "extracted").glob("some-*"))) == 4


def test_a_download_may_have_another_name_than_the_url(
    made: Path, server: Server, tmp_path: Path
) -> None:
    url = server.url("main.zip", Answer((made / "some.zip").read_bytes()))

    locate(_corpus(url=url, archive="digits.zip"), [tmp_path / "own"])

    downloads = {path.name for path in (tmp_path / "own" / "downloads").iterdir()}
    assert downloads == {"digits.zip", "digits.zip.sha256"}


@pytest.mark.parametrize("recorded", [True, False])
def test_a_local_archive_with_another_hash_is_refused_and_kept(
    made: Path, tmp_path: Path, recorded: bool
) -> None:
    known, found = f"sha256:{'0' * 64}", hash_of(made / "some.zip")
    if recorded:
        (made / "some.zip.sha256").write_text(f"{'0' * 64}  some.zip", encoding="utf-8")
    source = {"archive": "some.zip", "subfolder": "real", "hash": None if recorded else known}

    with pytest.raises(UserError) as caught:
        locate(_corpus(**source), [made, tmp_path / "own"])

    for text in (str(made / "some.zip"), known, found, "hash: null", "Delete it to download"):
        assert text in str(caught.value)
    assert (made / "some.zip").exists()
    assert not (tmp_path / "own").exists()


def test_a_missing_archive_names_the_searched_places(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="archive not found") as caught:
        locate(_corpus(archive="some.zip"), [tmp_path / "one", tmp_path / "two"])

    places = [tmp_path / "one/some.zip", tmp_path / "two/downloads/some.zip"]
    for text in [*map(str, places), "Ask the person who recorded it.", "DISENTANGLED_AUDIO_DATA"]:
        assert text in str(caught.value)


def test_a_subfolder_that_the_archive_lacks_is_named(made: Path, tmp_path: Path) -> None:
    corpus = _corpus(archive=str(made / "some.zip"), subfolder="TOP/simulated")

    with pytest.raises(UserError, match="has no folder 'TOP/simulated'"):
        locate(corpus, [tmp_path])


def test_without_a_subfolder_the_label_is_the_archives_name(made: Path, tmp_path: Path) -> None:
    corpus = _corpus(archive=str(made / "some.tar.gz"), subfolder="")
    corpus = corpus.model_copy(update={"files": ["**/*.wav"]})

    names = [file.name for file in locate(corpus, [tmp_path])]
    assert names == [f"some/{SUBFOLDER}/{name}" for name in sorted(NAMES)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "an archive needs archive"),
        ({"url": []}, "an archive needs archive"),
        ({"url": "http://example.invalid/"}, "an archive needs archive"),
        ({"url": "http://example.invalid/a/%2e%2e"}, "an archive needs archive"),
        ({"url": "ftp://example.invalid/a.zip"}, "must start with http"),
        ({"url": ["http://example.invalid/a.zip", "file:///a.zip"]}, "must start with http"),
        ({"archive": "a.zip", "hash": "md5:123"}, "should match pattern"),
        ({"archive": "a.zip", "hash": "crc:1"}, "should match pattern"),
        ({"archive": "a.zip", "subfolder": "../b"}, "must lie inside"),
        ({"archive": "a.zip", "subfolder": "/b"}, "must lie inside"),
        ({"archive": "a.zip", "max_ratio": 0}, "greater than 1"),
        ({"archive": "a.zip", "mirror": "b"}, "unknown key mirror"),
    ],
)
def test_an_invalid_source_is_refused(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ArchiveSource.model_validate(source)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.invalid/a/some%20thing.zip?raw=1#top", "some thing.zip"),
        ("https://example.invalid/..%2f..%2fevil.zip", "evil.zip"),
        ("https://example.invalid/..%5c..%5cevil.zip", "evil.zip"),
    ],
)
def test_a_download_is_named_by_the_last_part_of_its_url(url: str, name: str) -> None:
    assert ArchiveSource(url=url).name == name


def test_the_project_knows_where_slr28_is() -> None:
    corpora = OmegaConf.load(REPOSITORY / "conf" / "base" / "parameters_corpora.yml")
    corpus = Corpus.model_validate(
        OmegaConf.to_container(corpora, resolve=True)["_corpora"]["slr28"]
    )

    (source,) = corpus.sources
    assert isinstance(source, ArchiveSource)
    assert source.name == "rirs_noises.zip"
    assert source.subfolder[0].endswith("/real_rirs_isotropic_noises")
    assert not corpus.simulated
    chosen = OmegaConf.load(REPOSITORY / "conf" / "slr28" / "globals.yml")
    assert chosen == {"corpus_name": "slr28", "protocol_name": "database_by_room"}
