"""The simulated twin: its names, its files and its planted shortcuts."""

import csv
import os
import re
import shutil
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from disentangled_audio.corpora.generators import twin as simulate
from disentangled_audio.corpora.generators import twin_table
from disentangled_audio.errors import UserError
from tests.signal.octaves import octave_bands

REPOSITORY = Path(__file__).parents[3]
FACTS = {"frames", "size", "rt60", "distance", "array"}


def shared_data() -> Path:
    """Folder with SLR28's own lists; they are not part of this repository."""
    named = os.environ.get("DISENTANGLED_AUDIO_DATA")
    candidates = [Path(named)] if named else []
    candidates.append(REPOSITORY.parent / "shared" / "data")
    for folder in candidates:
        if (folder / "slr28_meta" / "rir_list").exists():
            return folder
    pytest.skip("SLR28's lists are not here; set DISENTANGLED_AUDIO_DATA to their folder")


def header_bytes(group: twin_table.NameGroup) -> int:
    return 80 if group.n_channels > 2 else 44


def file_of(kind: str, text: str) -> tuple[str, twin_table.NameGroup]:
    return next(
        (name, group)
        for name, group in twin_table.twin_files().items()
        if group.kind == kind and text in name
    )


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("plain.wav", ["plain.wav"]),
        ("{near,far}_{a,b}", ["near_a", "near_b", "far_a", "far_b"]),
        ("{8..11}", ["8", "9", "10", "11"]),
        ("imp{000..090..45}", ["imp000", "imp045", "imp090"]),
        ("{0..5..2}x", ["0x", "2x", "4x"]),
        ("{7,1..2}", ["7", "1", "2"]),
    ],
)
def test_expand_names(pattern: str, names: list[str]) -> None:
    assert twin_table.expand_names(pattern) == names


words = st.text("abcxyz019_-", min_size=1, max_size=4)


@given(st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=4)), max_size=4))
def test_expand_names_makes_every_combination(fields: list[tuple[str, list[str]]]) -> None:
    pattern = "".join(f"{text}{{{','.join(items)}}}" for text, items in fields)
    names = twin_table.expand_names(pattern)
    assert len(names) == np.prod([len(items) for _, items in fields], dtype=int)
    assert names[0] == "".join(text + items[0] for text, items in fields)
    assert names[-1] == "".join(text + items[-1] for text, items in fields)


@given(st.integers(0, 500), st.integers(0, 60), st.integers(1, 40))
def test_expand_names_ranges_agree_with_python(first: int, extent: int, step: int) -> None:
    names = twin_table.expand_names(f"{{{first}..{first + extent}..{step}}}")
    assert [int(name) for name in names] == list(range(first, first + extent + 1, step))


def test_the_names_equal_those_of_slr28() -> None:
    folder = shared_data() / "slr28_meta"
    lines = [
        line
        for listing in ("rir_list", "noise_list")
        for line in (folder / listing).read_text().splitlines()
    ]
    assert sorted(twin_table.twin_files()) == sorted(line.split("/")[-1].strip() for line in lines)


def test_names_are_unique() -> None:
    names = [n for group in twin_table.read_groups() for n in twin_table.expand_names(group.names)]
    assert len(names) == len(set(names)) == 417


def _rows(name: str) -> list[dict[str, str]]:
    table = files(twin_table.__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(table.splitlines()))


def test_every_fact_has_a_reference_and_every_reference_a_kind() -> None:
    references = {row.pop("key"): row for row in _rows("twin_references.csv")}
    used = set()
    for group in _rows("twin_groups.csv"):
        basis = dict(fact.split("=") for fact in group["basis"].split())
        assert basis.keys() == (FACTS if group["kind"] == "rir" else FACTS - {"distance"})
        assert (group["source_distance_m"] == "") == (group["kind"] == "noise")
        used |= set(basis.values())
    assert used == references.keys()
    for key, row in references.items():
        assert row["kind"] in {"cited", "derived", "assumed"}, key
        assert (row["kind"] == "assumed") == (key == "assumed")
        # A publication's key ends with its year.
        if row["kind"] == "cited":
            assert key[-4:] in row["reference"], key


def test_facts_do_not_change_between_the_files_of_a_room() -> None:
    """But for RWCP's rooms with movable panels, whose letter names the state."""
    facts: dict[tuple[str, str], set] = {}
    for group in twin_table.read_groups():
        state = re.search(r"_e[12][abc]_", group.names)
        key = (group.database, state[0] if state else group.room)
        facts.setdefault(key, set()).add((group.dimensions_m, group.rt60_s))
    assert {key: len(found) for key, found in facts.items() if len(found) > 1} == {}


@pytest.fixture(scope="module")
def tiny_twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin") / "simulated"
    simulate.generate_twin(folder, seed=1, files_per_group=1)
    return folder


def test_files_per_group_keeps_the_first_of_each(tiny_twin: Path) -> None:
    kept = twin_table.twin_files(files_per_group=1)
    assert {path.name for path in tiny_twin.iterdir()} == set(kept)
    keys = {(g.database, g.kind, g.room) for g in twin_table.read_groups()}
    assert len(kept) == len(keys)
    assert "RWCP_type1_rir_circle_ane_imp000.wav" in kept


def test_files_have_the_shape_and_header_of_the_real_ones(tiny_twin: Path) -> None:
    for name, group in twin_table.twin_files(files_per_group=1).items():
        path = tiny_twin / name
        info = soundfile.info(path)
        assert (info.channels, info.frames) == (group.n_channels, group.n_frames)
        assert (info.samplerate, info.subtype) == (16_000, "PCM_16")
        assert path.stat().st_size == header_bytes(group) + 2 * group.n_channels * group.n_frames


def test_files_do_not_clip_and_are_not_silent(tiny_twin: Path) -> None:
    for path in tiny_twin.iterdir():
        samples, _ = soundfile.read(path, dtype="int16")
        clipped = np.count_nonzero(np.abs(samples.astype(int)) >= 32767)
        assert clipped <= 1
        assert np.all(np.std(np.atleast_2d(samples.T), axis=1) > 0)


def test_a_file_depends_only_on_the_seed_and_its_name(tiny_twin: Path) -> None:
    """Not on the files before it, on how many there are, or on the thread that makes it."""
    # Of all 417, of which the twin has the first of each room.
    groups = twin_table.twin_files()
    for path in sorted(tiny_twin.iterdir())[::6]:
        written, _ = soundfile.read(path, dtype="int16", always_2d=True)
        for seed, same in ((1, True), (2, False)):
            samples = simulate.synthesise_file(path.name, groups[path.name], seed)
            assert np.array_equal(samples.T, written) == same, path.name


def test_a_file_does_not_depend_on_the_threads_of_the_linear_algebra_library() -> None:
    name, group = file_of("rir", "largeroom2_far")
    files = []
    for n_threads in (1, 4):
        with threadpool_limits(n_threads):
            files.append(simulate.synthesise_file(name, group, seed=42))
    np.testing.assert_array_equal(*files)


def test_generation_reports_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "_write_file", lambda path, group, seed: path.touch())
    reports: list[tuple[int, int]] = []
    simulate.generate_twin(
        tmp_path / "twin", seed=0, progress=lambda done, total: reports.append((done, total))
    )
    assert reports == [(count, 417) for count in range(1, 418)]


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_noise(path: Path, group: twin_table.NameGroup, seed: int) -> None:
        if group.kind == "noise":
            raise RuntimeError("disk full")
        path.touch()

    monkeypatch.setattr(simulate, "_write_file", fail_at_noise)
    with pytest.raises(RuntimeError, match="disk full"):
        simulate.generate_twin(tmp_path / "twin", seed=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*tasks have been successfully executed")
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "_write_file", lambda path, group, seed: path.touch())

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate.generate_twin(tmp_path / "twin", seed=0, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_the_second_of_two_simultaneous_runs_uses_the_files_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_run(done: int, total: int) -> None:
        if done == total:
            (tmp_path / "twin").mkdir()
            (tmp_path / "twin" / "first").touch()

    monkeypatch.setattr(simulate, "_write_file", lambda path, group, seed: path.touch())
    simulate.generate_twin(tmp_path / "twin", seed=0, files_per_group=1, progress=other_run)

    assert [path.name for path in tmp_path.iterdir()] == ["twin"]
    assert (tmp_path / "twin" / "first").exists()


def test_free_space_is_checked_before_generating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))

    with pytest.raises(UserError, match=r"the simulated twin needs [\d.]+ MB"):
        simulate.generate_twin(tmp_path / "twin", seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_filled_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.wav").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        simulate.generate_twin(tmp_path, seed=0)


def acoustic_states() -> dict[str, list[str]]:
    """Files of each room and reverberation time, where there is one."""
    files: dict[str, list[str]] = {}
    for name, group in twin_table.twin_files().items():
        if group.kind == "rir" and group.rt60_s > 0:
            state = f"{group.database}-{group.room}-{group.rt60_s}"
            files.setdefault(state, []).append(name)
    return files


STATES = acoustic_states()


def mid_frequency_t20_s(name: str, seed: int) -> float:
    """Median over microphones, mean of the octaves of 500 Hz and 1 kHz (ISO 3382-1)."""
    samples = simulate.synthesise_file(name, twin_table.twin_files()[name], seed)
    bands = octave_bands(samples, simulate.SAMPLE_RATE_HZ, (500.0, 1000.0))
    return float(np.median([[t20_s(band) for band in channel] for channel in bands], axis=0).mean())


def t20_s(band: np.ndarray) -> float:
    """From a line between -5 and -25 dB of the decay above the noise of the last tenth."""
    noise = np.mean(band[-len(band) // 10 :] ** 2)
    remaining = np.cumsum((band**2 - noise)[::-1])[::-1]
    first, last = (
        int(np.argmax(remaining <= share * remaining[0])) for share in (10**-0.5, 10**-2.5)
    )
    slope, _ = np.polyfit(np.arange(first, last), 10 * np.log10(remaining[first:last]), 1)
    return -60 / slope / simulate.SAMPLE_RATE_HZ


def test_there_are_26_acoustic_states() -> None:
    assert len(STATES) == 26


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(state, marks=() if place % 9 == 0 else pytest.mark.slow)
        for place, state in enumerate(STATES)
    ],
)
def test_t20_of_each_room_is_its_reverberation_time(state: str) -> None:
    names = STATES[state]
    # ISO 3382-1 averages over positions; a room with few files gets them from other seeds.
    measured = [mid_frequency_t20_s(names[i % len(names)], seed=i // len(names)) for i in range(3)]
    expected = twin_table.twin_files()[names[0]].rt60_s
    assert np.mean(measured) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("kinds", [{"rir"}, {"rir", "noise"}])
def test_byte_size_alone_predicts_the_database(kinds: set[str]) -> None:
    groups = [group for group in twin_table.twin_files().values() if group.kind in kinds]
    n_bytes = np.array([2 * g.n_channels * g.n_frames + header_bytes(g) for g in groups])
    databases = np.array([group.database for group in groups])
    predicted = cross_val_predict(
        DecisionTreeClassifier(random_state=0),
        n_bytes[:, None],
        databases,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    )
    assert balanced_accuracy_score(databases, predicted) >= 0.95


def statistics_of(database: str, seed: int) -> dict[str, float]:
    """Level and floor of twelve files that are longer than their decay."""
    names = [
        name
        for name, g in twin_table.twin_files().items()
        if g.database == database and g.kind == "rir" and g.n_channels <= 16
        if g.n_frames > 1.6 * g.rt60_s * simulate.SAMPLE_RATE_HZ
    ]
    peaks, floors = [], []
    for name in names[:: len(names) // 12][:12]:
        samples = simulate.synthesise_file(name, twin_table.twin_files()[name], seed).astype(float)
        peak = np.max(np.abs(samples))
        peaks.append(20 * np.log10(peak / 32768))
        end = samples[:, -samples.shape[1] // 10 :]
        floors.append(20 * np.log10(np.sqrt(np.mean(end**2)) / peak))
    return {"peak_db": float(np.mean(peaks)), "floor_db": float(np.mean(floors))}


@pytest.mark.slow
@pytest.mark.parametrize("database", list(simulate.CHAINS))
def test_two_seeds_give_the_same_statistics(database: str) -> None:
    first, second = statistics_of(database, seed=0), statistics_of(database, seed=1)
    # Three standard errors of a difference of means over twelve files: 4.5 dB scatter of the
    # floor, and of the peak 3 dB where it scatters.
    assert first["floor_db"] == pytest.approx(second["floor_db"], abs=5.5)
    assert first["peak_db"] == pytest.approx(second["peak_db"], abs=3.7)
    assert first["floor_db"] != second["floor_db"]
    # And they are the ones that the docstring documents; AIR's floor nears the dither's -96 dB.
    mean_floor = np.mean([first["floor_db"], second["floor_db"]])
    assert mean_floor == pytest.approx(simulate.CHAINS[database].floor_db, abs=3)


@pytest.mark.slow
def test_two_seeds_give_noises_of_the_same_level() -> None:
    names = [n for n, g in twin_table.twin_files().items() if g.kind == "noise"][:24]
    levels = [
        np.mean(
            [
                20
                * np.log10(
                    np.std(simulate.synthesise_file(n, twin_table.twin_files()[n], seed)) / 32768
                )
                for n in names[::2]
            ]
        )
        for seed in (0, 1)
    ]
    # Three standard errors of a difference of means over twelve files that scatter by 4 dB.
    assert levels[0] == pytest.approx(levels[1], abs=4.9)
    assert np.mean(levels) == pytest.approx(simulate._NOISE_LEVEL_DB, abs=3.5)


@pytest.mark.parametrize(
    ("text", "first_db", "last_db"),
    [
        ("simroom1_near", -0.01, 0),
        ("kitchen", -0.01, 0),
        ("type4", -0.01, 0),
        ("jr1_imp", -18, -1),
    ],
)
def test_responses_peak_at_full_scale_except_rwcps_arrays(
    text: str, first_db: float, last_db: float
) -> None:
    name, group = file_of("rir", text)
    peak = np.max(np.abs(simulate.synthesise_file(name, group, seed=0).astype(float)))
    assert first_db <= 20 * np.log10(peak / 32768) <= last_db


def test_the_anechoic_room_has_no_reverberation() -> None:
    name, group = file_of("rir", "circle_ane_imp000")
    response = simulate.synthesise_file(name, group, seed=0)[0].astype(float)
    arrival = int(np.argmax(np.abs(response)))
    early = np.sum(response[arrival - 40 : arrival + 160] ** 2)
    assert 10 * np.log10(early / np.sum(response[arrival + 160 :] ** 2)) > 20


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("mediumroom1_far", 2000, 2400),  # 2116 and 93 samples of flight
        ("smallroom2_near", 730, 755),  # 717 and 23
        ("jr1_imp", 80, 120),
        ("kitchen", 80, 120),
    ],
)
def test_first_arrivals_are_planted_as_documented(text: str, first: int, last: int) -> None:
    name, group = file_of("rir", text)
    response = np.abs(simulate.synthesise_file(name, group, seed=0)[0].astype(float))
    assert first < int(np.argmax(response > 0.3 * response.max())) < last


@pytest.mark.parametrize("database", simulate.CHAINS)
def test_the_chain_is_stable_however_far_it_scatters(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four times as far as it does, so that few draws go beyond every limit.
    for name in ("_LOW_CUT_SCATTER_OCTAVES", "_RESONANCE_SCATTER_OCTAVES"):
        monkeypatch.setattr(simulate, name, 4 * getattr(simulate, name))
    rng = np.random.default_rng(0)
    for _ in range(200):
        sections = np.concatenate(simulate._draw_chain(simulate.CHAINS[database], rng))
        # The product of a section's poles, and their sum, lie in the triangle of stability.
        assert (np.abs(sections[:, 5]) < 1).all()
        assert (np.abs(sections[:, 4]) < 1 + sections[:, 5]).all()
