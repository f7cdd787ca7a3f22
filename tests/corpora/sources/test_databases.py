"""The real databases, read from archives built in their documented formats."""

import csv
import io
import re
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf
from scipy.io import savemat

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.generators.twin_table import twin_files
from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.corpora.reading.integrity import integrity_report, linked_recordings
from disentangled_audio.corpora.sources.places import locate
from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.splits import make_splits
from disentangled_audio.parameters import Corpus, FourierParameters, Protocol
from disentangled_audio.settings import CONFIG_LOADER_ARGS
from disentangled_audio.storage.hashing import hash_of
from tests.conftest import REPOSITORY, load_catalog, make_project, run_kedro
from tests.corpora.conftest import Server
from tests.corpora.reading.reading import ingest

# Clips that keep every sample of the files.
UNTOUCHED = {
    "channel": "each",
    "duration_s": 0.05,
    "min_duration_s": 0.01,
    "align": "start",
    "fill": "zeros",
    "normalise_energy": False,
}
N_SAMPLES = {48000: 2400, 16000: 800}
SLR28_COLUMNS = ["database", "kind", "room", "array", "angle", "distance", "position"]


@cache
def _configuration() -> dict[str, Any]:
    """Corpora and protocols as the base environment defines them."""
    base = REPOSITORY / "conf" / "base"
    files = (OmegaConf.load(base / f"parameters_{part}.yml") for part in ("corpora", "protocols"))
    merged = OmegaConf.merge({"globals": OmegaConf.load(base / "globals.yml")}, *files)
    # What the globals say of it; the splits do not depend on it.
    del merged._protocols.paper.analysis
    return OmegaConf.to_container(merged, resolve=True)


def _described(name: str) -> dict[str, Any]:
    described = deepcopy(_configuration()["_corpora"][name])
    for source in described["sources"]:
        # The archives of the tests differ from the published ones.
        source.pop("hash", None)
    return described


def _corpus(name: str, sample_rate_hz: int, **changes: Any) -> Corpus:
    analysis = {**UNTOUCHED, "sample_rate_hz": sample_rate_hz}
    return Corpus.model_validate({**_described(name), "analysis": analysis, **changes})


def _samples(name: str, sample_rate_hz: int) -> np.ndarray:
    rng = np.random.default_rng(list(name.encode()))
    return rng.uniform(-0.9, 0.9, N_SAMPLES[sample_rate_hz]).astype(np.float32)


def _air_name(slr28_name: str) -> str:
    """Name in AIR's archive with `{}` for the channel."""
    stem = slr28_name.removeprefix("air_type1_").removesuffix(".wav")
    if "phone" in stem:
        return f"{stem.replace('phone_bt', 'phone_BT')}_{{}}.mat"
    head, room, rest = re.fullmatch(r"(air_binaural_)([a-z_]+?)_(\d.*)", stem).groups()
    return f"{head}{room}_{{}}_{rest}.mat"


def _rwcp_folder(slr28_name: str) -> str:
    kind, array, room, recording = re.fullmatch(
        r"RWCP_type(\d)_(?:rir|noise)_(circle|cirline)_([a-z0-9]+)_(.+)\.wav", slr28_name
    ).groups()
    number = {"1": 1, "2": 3, "3": 5, "5": 6}[kind]
    # Case is not documented; the published names are in lower case.
    return f"RWCP/micarray/MICARRAY/data{number}/{array}/{room.upper()}/{recording}"


def _of(database: str, kind: str = "") -> list[str]:
    return [
        name
        for name, group in twin_files().items()
        if group.database == database and group.kind.startswith(kind)
    ]


def _wav(samples: np.ndarray, subtype: str = "PCM_16") -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, 16000, format="WAV", subtype=subtype)
    return content.getvalue()


def _tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)


def _air_members() -> dict[str, bytes]:
    members = {"AIR_1_4/load_air.m": b"% a script"}
    for slr28_name in _of("air"):
        for channel in (0, 1):
            name = _air_name(slr28_name).format(channel)
            content = io.BytesIO()
            information = {"fs": 48000.0, "rir_type": 1.0, "room": "a room"}
            samples = _samples(name, 48000).astype(np.float64)[np.newaxis]
            savemat(content, {"h_air": samples, "air_info": information})
            members[f"AIR_1_4/{name}"] = content.getvalue()
    return members


def _rwcp_members() -> dict[str, bytes]:
    members = {"RWCP/README": b"read me", "RWCP/micarray/MICARRAY/data2/x/x.1": b"not needed"}
    for name in _of("RWCP"):
        if "type4" in name:
            path = f"RWCP/robot/data/non/{name.removeprefix('RWCP_type4_rir_')[:-4]}.dat"
            members[path] = _samples(path, 48000).astype("<f4").tobytes()
            continue
        folder = _rwcp_folder(name)
        # Eleven, so that the order is that of numbers and not of text.
        n_channels = 11 if "e1a" in name or "ambient1" in name else 2
        for channel in range(1, n_channels + 1):
            path = f"{folder}/{folder.rpartition('/')[2]}.{channel}"
            samples = _samples(path, 48000)
            if "noise" in name:
                members[path] = np.round(samples * 2**15).astype("<i2").tobytes()
            else:
                # Responses are not limited to full scale.
                members[path] = (1000 * samples).astype("<f4").tobytes()
    return members


def _reverb_members(number: int) -> dict[str, bytes]:
    top = {1: "reverb_tools_for_Generate_mcTrainData", 2: "reverb_tools_for_Generate_SimData"}
    members = {f"{top[number]}/bin/tool.wav": b"not a recording"}
    for name in _of("RVB2014"):
        if f"type{number}" not in name:
            continue
        own = re.sub(r"RVB2014_type\d_", "", name).replace("room", "Room").replace("angl", "Angl")
        folder, own = ("RIR", own.replace("rir", "RIR")) if "rir" in own else ("NOISE", own)
        samples = np.stack([_samples(f"{own}{channel}", 16000) for channel in (0, 1)], axis=1)
        members[f"{top[number]}/{folder}/{own}"] = _wav(samples)
    return members


def _simulated_members(top: str) -> dict[str, bytes]:
    members = {f"{top}/smallroom/room_info": b"sizes"}
    for size in ("small", "medium", "large"):
        for room in range(1, 5):
            for position in range(1, 4):
                name = f"{size}room/Room{room:03d}/Room{room:03d}-{position:05d}.wav"
                members[f"{top}/{name}"] = _wav(_samples(name, 16000))
    return members


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with every archive, as somebody may have downloaded them."""
    folder = tmp_path_factory.mktemp("archives")
    _zip(folder / "air_database_release_1_4.zip", _air_members())
    _tar(folder / "RWCP.tar.gz", _rwcp_members())
    _tar(folder / "reverb_tools_for_Generate_mcTrainData.tgz", _reverb_members(1))
    _tar(folder / "reverb_tools_for_Generate_SimData.tgz", _reverb_members(2))
    _zip(folder / "sim_rir_16k.zip", _simulated_members("simulated_rirs_16k"))
    real = {
        f"RIRS_NOISES/real_rirs_isotropic_noises/{name}": _wav(_samples(name, 16000))
        for name in twin_files()
    }
    simulated = _simulated_members("RIRS_NOISES/simulated_rirs")
    noises = {"RIRS_NOISES/pointsource_noises/noise-0.wav": _wav(_samples("n", 16000))}
    _zip(folder / "rirs_noises.zip", {**real, **simulated, **noises})
    digits = {
        f"free-spoken-digit-dataset-master/recordings/{digit}_{speaker}_{take}.wav": _wav(
            _samples(f"{digit}{speaker}{take}", 16000)
        )
        for digit in range(10)
        for speaker in ("anna", "bert", "cleo")
        for take in range(2)
    }
    _zip(folder / "free-spoken-digit-dataset-master.zip", digits)
    sounds = {
        # The content of a file, not its name, tells how it is coded.
        f"ESC-10-master/{name}": _wav(_samples(name, 16000))
        for name in ("001 - Dog bark/1-100032-A.ogg", "010 - Fire crackling/5-215658-B.ogg")
    }
    _zip(folder / "ESC-10-master.zip", {**sounds, "ESC-10-master/README.md": b"read me"})
    return folder


@pytest.fixture(scope="module")
def ingested(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ingested]:
    """Reads a corpus from the archives at the rate that its files have; each once."""
    own = tmp_path_factory.mktemp("own")
    rates_hz = {"air": 48000, "rwcp": 48000}
    return cache(lambda name: ingest(_corpus(name, rates_hz.get(name, 16000)), [archives, own]))


def _by_path(ingested: Ingested) -> dict[str, np.ndarray]:
    """Channels of each recording, in order, (n_channels, n_samples)."""
    table = ingested.recordings.assign(number=ingested.recordings["channel"].astype(int))
    return {
        path: ingested.waveforms[rows.sort_values("number").index]
        for path, rows in table.groupby("path")
    }


@cache
def _slr28_rows() -> pd.DataFrame:
    grammar = NameGrammar(_corpus("slr28", 16000), [])
    return pd.DataFrame({"path": name, **grammar.parse(name)} for name in twin_files())


def _columns_of(table: pd.DataFrame) -> Counter:
    """How often each combination of SLR28's columns occurs; a column may be missing."""
    columns = table.reindex(columns=SLR28_COLUMNS).astype(object).fillna("")
    return Counter(map(tuple, columns.to_numpy().tolist()))


def test_air_is_read_sample_by_sample(ingested: Callable[[str], Ingested]) -> None:
    air = ingested("air")

    recordings = _by_path(air)
    assert len(recordings) == 107
    assert air.rejected.empty
    for slr28_name in _of("air"):
        name = _air_name(slr28_name)
        written = np.stack([_samples(name.format(channel), 48000) for channel in (0, 1)])
        found = recordings[f"AIR_1_4/{name.replace('_{}', '')}"]
        np.testing.assert_array_equal(found, written, err_msg=name)
    assert set(air.recordings["sample_rate_hz"]) == {48000}
    assert set(air.recordings["n_channels"]) == {2}


def test_rwcp_is_read_sample_by_sample(ingested: Callable[[str], Ingested]) -> None:
    recordings = _by_path(ingested("rwcp"))

    assert len(recordings) == 184
    assert ingested("rwcp").rejected.empty
    for path, content in _rwcp_members().items():
        if path.endswith(("README", "x.1")):
            continue
        recording, _, channel = path.rpartition(".")
        noise = "data6" in path
        found = recordings[path if channel == "dat" else recording]
        written = np.frombuffer(content, "<i2" if noise else "<f4") / (2**15 if noise else 1)
        number = 0 if channel == "dat" else int(channel) - 1
        np.testing.assert_array_equal(found[number], written.astype(np.float32), err_msg=path)


def test_reverb2014_is_read_sample_by_sample(ingested: Callable[[str], Ingested]) -> None:
    recordings = _by_path(ingested("reverb2014"))

    assert len(recordings) == 126
    for number in (1, 2):
        for path, content in _reverb_members(number).items():
            if "/bin/" in path:
                continue
            written = soundfile.read(io.BytesIO(content), dtype="float32")[0].T
            np.testing.assert_array_equal(recordings[path], written, err_msg=path)


@pytest.mark.parametrize("name", ["air", "rwcp", "reverb2014", "databases"])
def test_the_archives_give_the_columns_that_slr28s_names_give(
    ingested: Callable[[str], Ingested], name: str
) -> None:
    rows = _slr28_rows()
    of_database = {"air": ["air"], "rwcp": ["RWCP"], "reverb2014": ["RVB2014"]}
    expected = rows[rows["database"].isin(of_database.get(name, ["air", "RWCP", "RVB2014"]))]
    found = ingested(name).recordings.drop_duplicates("path")
    assert _columns_of(found) == _columns_of(expected)


def test_the_three_archives_are_one_corpus_with_the_rights_of_each(
    ingested: Callable[[str], Ingested],
) -> None:
    recordings = ingested("databases").recordings

    rights = recordings.groupby("database")["licence"].unique().map(list).to_dict()
    assert rights == {
        database: [_described(corpus)["licence"]]
        for database, corpus in {"air": "air", "RWCP": "rwcp", "RVB2014": "reverb2014"}.items()
    }
    assert recordings["citation"].str.contains(r"\d{4}").all()


@pytest.mark.parametrize(
    ("name", "n_recordings"),
    [("slr28", 417), ("sim_rir", 36), ("slr28_simulated", 36), ("real_and_simulated", 453)],
)
def test_the_archives_of_openslr_are_read(
    ingested: Callable[[str], Ingested], name: str, n_recordings: int
) -> None:
    found = ingested(name)

    assert len(found.recordings) == n_recordings
    assert found.rejected.empty
    for _, row in found.recordings.iloc[::50].iterrows():
        simulated = re.search(r"[a-z]+room/Room.*", row["path"])
        own = simulated[0] if simulated else row["path"].rpartition("/")[2]
        written = soundfile.read(io.BytesIO(_wav(_samples(own, 16000))), dtype="float32")[0]
        np.testing.assert_array_equal(found.waveforms[row.name], written, err_msg=own)


def test_simulated_rooms_of_the_same_number_differ_by_size(
    ingested: Callable[[str], Ingested],
) -> None:
    recordings = ingested("sim_rir").recordings

    assert recordings["room"].nunique() == 12
    assert recordings.groupby("room")["size"].nunique().max() == 1


@pytest.mark.parametrize("separator", ["/", "_"])
def test_rwcps_folders_may_be_flat_or_deep(separator: str) -> None:
    """Each underscore of SLR28's names may be that of a name, or stand for a folder."""
    corpus = _corpus("rwcp", 48000)
    grammar = NameGrammar(corpus, [])
    rows = _slr28_rows().set_index("path")
    for name in _of("RWCP"):
        if "type4" in name:
            continue
        array, room, recording = _rwcp_folder(name).split("/")[-3:]
        own = separator.join([array, room, recording.replace("imp_", f"imp{separator}")])
        noise = "noise" in name

        found = grammar.parse(
            f"micarray/MICARRAY/data{6 if noise else 1}/{own}/x", "RWCP", corpus.sources[2 * noise]
        )

        assert found is not None, own
        for column in ("kind", "array", "room", "angle"):
            assert found.get(column) in (rows.loc[name, column], None), (own, column)
        assert found["room"] == rows.loc[name, "room"]


@pytest.mark.parametrize("top", ["simulated_rirs_16k", "simulated_rirs"])
def test_sim_rir_is_the_same_under_either_name(tmp_path: Path, top: str) -> None:
    name = "sim_rir_16k.zip" if top.endswith("16k") else "sim_rir.zip"
    _zip(tmp_path / name, _simulated_members(top))
    with zipfile.ZipFile(tmp_path / name) as zipped:
        zipped.extractall(tmp_path / "beside")
    corpus = _corpus("sim_rir", 16000)

    first, other = (ingest(corpus, [folder]) for folder in (tmp_path, tmp_path / "beside"))

    assert len(first.recordings) == 36
    columns = first.recordings.columns.drop(["recording_id", "path"])
    pd.testing.assert_frame_equal(other.recordings[columns], first.recordings[columns])
    assert list(other.recordings["path"]) == list(first.recordings["path"])
    np.testing.assert_array_equal(other.waveforms, first.waveforms)


@pytest.mark.parametrize("name", ["air", "rwcp", "reverb2014"])
def test_a_database_extracted_by_hand_is_the_same_corpus(
    archives: Path, ingested: Callable[[str], Ingested], tmp_path: Path, name: str
) -> None:
    archived = ingested(name)
    corpus = _corpus(name, int(archived.recordings["sample_rate_hz"].max()))
    for archive in {source.name for source in corpus.sources}:
        shutil.unpack_archive(archives / archive, tmp_path / "by hand")

    by_hand = ingest(corpus, [tmp_path / "by hand", tmp_path / "nothing"])

    assert not (tmp_path / "nothing").exists()
    pd.testing.assert_frame_equal(by_hand.recordings, archived.recordings)
    np.testing.assert_array_equal(by_hand.waveforms, archived.waveforms)


def test_a_missing_archive_names_all_its_urls(server: Server, tmp_path: Path) -> None:
    (source,) = _corpus("sim_rir", 16000).sources
    urls = [f"{server.address}/{name}" for name in source.mirrors]
    corpus = _corpus("sim_rir", 16000).model_copy(
        update={"sources": [source.model_copy(update={"url": urls})]}
    )

    with pytest.raises(UserError) as caught:
        locate(corpus, [tmp_path])
    assert all(url in str(caught.value) for url in urls)


@pytest.mark.parametrize("own", ["fsdd/recordings", "free-spoken-digit-dataset/recordings"])
def test_fsdd_is_read_from_its_archive_or_from_its_folder(
    archives: Path, ingested: Callable[[str], Ingested], tmp_path: Path, own: str
) -> None:
    archived = ingested("fsdd")
    folder = tmp_path / "data" / own
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archives / "free-spoken-digit-dataset-master.zip") as zipped:
        for member in zipped.namelist():
            (folder / member.rpartition("/")[2]).write_bytes(zipped.read(member))

    by_hand = ingest(_corpus("fsdd", 16000), [tmp_path / "data"])

    assert len(archived.recordings) == 60
    pd.testing.assert_frame_equal(archived.recordings, by_hand.recordings)
    np.testing.assert_array_equal(archived.waveforms, by_hand.waveforms)


def test_names_of_esc10_give_the_sound_its_source_and_the_published_fold(
    ingested: Callable[[str], Ingested],
) -> None:
    recordings = ingested("esc10").recordings

    columns = recordings[["event", "published_fold", "clip", "take", "kind"]].to_numpy().tolist()
    assert sorted(columns) == [
        ["Dog bark", "1", "100032", "A", "event"],
        ["Fire crackling", "5", "215658", "B", "event"],
    ]


@pytest.mark.parametrize("name", ["slr28", "real_and_simulated"])
def test_the_zip_read_in_place_gives_the_same_and_writes_nothing(
    archives: Path, ingested: Callable[[str], Ingested], tmp_path: Path, name: str
) -> None:
    corpus = _corpus(name, 16000)
    sources = [source.model_copy(update={"extract": False}) for source in corpus.sources]
    in_place = corpus.model_copy(update={"sources": sources})

    extracted = ingested(name)
    read = ingest(in_place, [archives, tmp_path / "nothing"])

    pd.testing.assert_frame_equal(extracted.recordings, read.recordings)
    np.testing.assert_array_equal(extracted.waveforms, read.waveforms)
    assert not (tmp_path / "nothing").exists()


def test_only_a_zip_can_be_read_in_place(archives: Path, tmp_path: Path) -> None:
    described = _described("reverb2014")
    for source in described["sources"]:
        source["extract"] = False

    with pytest.raises(UserError, match=r"tgz is not a zip archive.*extract: true"):
        locate(Corpus.model_validate(described), [archives, tmp_path])


def test_missing_recordings_are_counted_by_class_and_kind(
    ingested: Callable[[str], Ingested],
) -> None:
    corpus = _corpus("databases", 16000)
    recordings, rejected = ingested("databases").recordings, ingested("databases").rejected
    target = recordings["database"].astype("string")
    splits = recordings[["recording_id"]].assign(target=target, role="train")

    def report(kept: pd.Series) -> dict[str, Any]:
        return integrity_report(recordings[kept], splits, rejected, corpus)

    complete = report(pd.Series(True, index=target.index))
    lacking = report(~recordings["path"].str.contains("stairway"))

    assert complete["complete"]
    assert complete["findings"] == []
    assert {"class": "RVB2014", "kind": "noise", "recordings": 90} in complete["found"]
    assert not lacking["complete"]
    (finding,) = lacking["findings"]
    assert finding.startswith(f"{107 - 39 - 7} of 107 expected recordings were found (air")


def test_noises_are_linked_to_the_responses_of_their_rooms() -> None:
    rows = _slr28_rows().rename(columns={"path": "recording_id"})
    pairs = linked_recordings(rows, _corpus("slr28", 16000).link)

    rooms = rows.set_index("recording_id")[["database", "room", "kind"]]
    one, other = rooms.loc[pairs["recording_id"]], rooms.loc[pairs["linked_id"]]
    assert set(one["kind"]) == {"noise"}
    assert set(other["kind"]) == {"rir"}
    assert (one["room"].to_numpy() == other["room"].to_numpy()).all()
    assert (one["database"].to_numpy() == other["database"].to_numpy()).all()
    counts = pairs["recording_id"].str[:4].value_counts().to_dict()
    # Four responses in each of REVERB's rooms, fifteen in RWCP's office.
    assert counts == {"RVB2": 90 * 4, "RWCP": 2 * 15}


def test_a_noise_has_the_room_that_slr28_links_it_to(real_data: Path) -> None:
    grammar = NameGrammar(_corpus("slr28", 16000), [])
    lines = (real_data / "slr28_meta" / "noise_list").read_text(encoding="utf-8").splitlines()
    for entry in filter(None, map(str.split, lines)):
        row = grammar.parse(entry[-1].rpartition("/")[2])
        database, _, room = entry[entry.index("--room-linkage") + 1].rpartition("_")
        assert database.startswith(row["database"])
        assert room == row["room"]


def test_rooms_and_counts_are_those_of_the_groups(real_data: Path) -> None:
    with (real_data / "slr28_groups.csv").open(encoding="utf-8") as file:
        groups = list(csv.DictReader(file))
    expected: Counter = Counter()
    for group in groups:
        expected[group["database"], group["kind"], group["room"]] += int(group["count"])

    rows = _slr28_rows()

    assert Counter(map(tuple, rows[["database", "kind", "room"]].to_numpy().tolist())) == expected


def test_the_hashes_of_slr28_fit_its_files(real_data: Path) -> None:
    described = _described("slr28")
    source = {"folder": str(real_data / "slr28_real")}
    corpus = Corpus.model_validate(
        {
            **described,
            "sources": [source],
            "files": [
                "RVB2014_type2_rir_simroom1_near_angla.wav",
                "RWCP_type4_rir_p30r.wav",
                "air_*.wav",
            ],
            "hashes": str(real_data / "slr28_meta" / "sha256_and_bytes.tsv"),
        }
    )

    assert ingest(corpus, []).rejected.empty


@cache
def _simulated_rows() -> pd.DataFrame:
    grammar = NameGrammar(_corpus("sim_rir", 16000), [])
    return pd.DataFrame(
        {"path": name, **grammar.parse(name)}
        for name in _simulated_members("x")
        if name.endswith(".wav")
    )


def _room_cases() -> list[tuple[str, str]]:
    """Corpus and protocol of every environment whose groups are rooms."""
    by_room = {
        name
        for name, protocol in _configuration()["_protocols"].items()
        if protocol.get("group_by") in (["room"], ["database", "room"])
    }
    chosen = map(OmegaConf.load, sorted((REPOSITORY / "conf").glob("*/globals.yml")))
    cases = {(each.corpus_name, each.protocol_name) for each in chosen}
    # The other protocol that the docs name for it.
    cases.add(("real_and_simulated", "database_by_room"))
    return sorted(case for case in cases if case[1] in by_room)


def _split_by_room(
    case: tuple[str, str], seed: int, fold: int, kept: list[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    corpus, name = case
    rows = _simulated_rows() if corpus == "sim_rir" else _slr28_rows().iloc[sorted(kept)]
    if corpus == "real_and_simulated":
        rows = pd.concat([rows, _simulated_rows().assign(database="simulated")])
    rows = rows.assign(recording_id=rows["path"]).reset_index(drop=True)
    described = deepcopy(_configuration()["_protocols"][name])
    described["split"] |= {"n_folds": 4, "fold": fold, "allow_missing_classes": True}
    return rows, make_splits(rows, Protocol.model_validate(described), seed)


def test_every_environment_with_rooms_is_split_here_and_none_is_refused() -> None:
    cases = _room_cases()
    environments = {"twin", "twin_tiny", "slr28", "databases", "real_and_simulated", "sim_rir"}
    assert {corpus for corpus, _ in cases} == environments
    for case, fold in product(cases, range(4)):
        _, splits = _split_by_room(case, seed=fold, fold=fold, kept=list(range(417)))
        assert set(splits["role"]) >= {"train", "validation", "test"}, case


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from(_room_cases()),
    seed=st.integers(0, 2**31 - 1),
    fold=st.integers(0, 3),
    kept=st.lists(st.integers(0, 416), min_size=300, max_size=417, unique=True),
)
def test_no_physical_room_is_ever_on_two_sides(
    case: tuple[str, str], seed: int, fold: int, kept: list[int]
) -> None:
    try:
        rows, splits = _split_by_room(case, seed, fold, kept)
    except UserError as error:
        # A class without a room for training cannot be split, and is refused by name.
        if "no training row of class" not in str(error):
            raise
        return

    rooms = rows["room"].str.cat(rows.get("database", rows["room"]).fillna(""), sep=" of ")
    used = splits["role"] != "unused"
    sides = splits.loc[used, "role"].groupby(rooms[used]).unique()
    assert used.all()
    for roles in sides:
        assert len(roles) == 1, sides


def test_a_zip_read_in_place_may_have_unnormalised_names(tmp_path: Path) -> None:
    names = list(twin_files())[:3]
    real = {
        f"./RIRS_NOISES//real_rirs_isotropic_noises/{name}": _wav(_samples(name, 16000))
        for name in names
    }
    _zip(tmp_path / "rirs_noises.zip", real)
    described = _described("slr28")
    described["sources"][0]["extract"] = False
    analysis = {**UNTOUCHED, "sample_rate_hz": 16000}

    recordings = ingest(Corpus.model_validate({**described, "analysis": analysis}), [tmp_path])

    label = "RIRS_NOISES/real_rirs_isotropic_noises"
    paths = recordings.recordings["path"].tolist()
    assert paths == sorted(f"{label}/{name}" for name in names)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ("slr28", "database_by_room"),
        ("slr28", "paper"),
        ("air", "air_room_by_position"),
        ("rwcp", "rwcp_room_by_angle"),
        ("reverb2014", "room_near_to_far"),
        ("reverb2014", "room_far_to_near"),
    ],
)
@pytest.mark.parametrize("seed", [7, 42])
def test_the_protocols_split_the_complete_databases(environment: str, name: str, seed: int) -> None:
    rows = _slr28_rows().rename(columns={"path": "recording_id"})
    rows = rows.assign(path=rows["recording_id"])
    described = _configuration()["_protocols"][name]
    if name.startswith("room"):
        rows = rows[rows["database"] == "RVB2014"].reset_index(drop=True)

    splits = make_splits(rows, Protocol.model_validate(described), seed)

    used = splits[splits["role"] != "unused"]
    assert set(used["role"]) == {"train", "validation", "test"}
    assert used.groupby("role")["target"].nunique().nunique() == 1
    # Enough rows for the environment's PCA; REVERB's eight channels are a row each.
    n_training = (used["role"] == "train").sum() * (8 if environment == "reverb2014" else 1)
    assert n_training >= _n_components(environment)


def _n_components(environment: str) -> int:
    file = REPOSITORY / "conf" / environment / "parameters.yml"
    own = OmegaConf.load(file) if file.is_file() else {}
    return FourierParameters(**own.get("fourier", {})).n_components


def test_an_environment_reads_its_archives_and_its_manifest_has_their_hashes(
    archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISENTANGLED_AUDIO_DATA", str(archives))
    project = make_project(tmp_path / "project")

    run_kedro(project, env="databases", pipelines=["ingestion"])

    catalog = load_catalog(project, env="databases")
    assert catalog.load("integrity")["complete"]
    assert catalog.load("recordings")["licence"].nunique() == 3
    assert len(catalog.load("linked_recordings")) == 90 * 4 + 2 * 15
    sources = catalog.load("run_manifest")["sources"]
    assert [source["label"] for source in sources] == [
        "AIR_1_4",
        *["RWCP"] * 3,
        "reverb_tools_for_Generate_mcTrainData",
        "reverb_tools_for_Generate_SimData",
    ]
    for source in sources:
        assert f"sha256:{source['sha256']}" == hash_of(Path(source["archive"]))


@pytest.mark.parametrize(
    "environment",
    sorted(
        path.name
        for path in (REPOSITORY / "conf").iterdir()
        if (path / "globals.yml").is_file() and path.name != "folder"
    ),
)
def test_every_environment_has_a_corpus_with_licence_and_citation_and_a_protocol(
    environment: str,
) -> None:
    conf = str(REPOSITORY / "conf")
    found = OmegaConfigLoader(conf, env=environment, **CONFIG_LOADER_ARGS)["parameters"]

    corpus = Corpus.model_validate(found["corpus"])
    protocol = Protocol.model_validate(found["protocol"])
    assert corpus.description
    for source in corpus.sources:
        assert (source.licence or corpus.licence) != "unknown"
        assert source.citation or corpus.citation
    assert protocol.target in NameGrammar(corpus, []).columns
    page = (REPOSITORY / "docs" / "corpora.md").read_text(encoding="utf-8")
    assert f"`{environment}`" in page
    assert f"`{found['corpus_name']}`" in page or environment == "test"
