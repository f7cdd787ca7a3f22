"""The simulated twin: its names, its files, and what was planted in them."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.corpora import simulate

REPOSITORY = Path(__file__).parents[2]
FACTS = {"frames", "size", "rt60", "distance"}


def shared_data() -> Path:
    """Folder with SLR28's own lists; they are not part of this repository."""
    named = os.environ.get("DISENTANGLED_AUDIO_DATA")
    candidates = [Path(named)] if named else []
    candidates.append(REPOSITORY.parent / "shared" / "data")
    for folder in candidates:
        if (folder / "slr28_meta" / "rir_list").exists():
            return folder
    pytest.skip("SLR28's lists are not here; set DISENTANGLED_AUDIO_DATA to their folder")


def file_of(kind: str, text: str) -> tuple[str, simulate.NameGroup]:
    return next(
        (name, group)
        for name, group in simulate.twin_files().items()
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
    assert simulate.expand_names(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a{b", "do not match"),
        ("a}b", "do not match"),
        ("{a{b}}", "do not match"),
        ("{}", "empty item"),
        ("{a,}", "empty item"),
        ("{5..1}", "has no numbers"),
        ("{1..5..0}", "has no numbers"),
        ("{a..c}", "is not a range"),
    ],
)
def test_expand_names_says_what_is_wrong(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate.expand_names(pattern)


words = st.text("abcxyz019_-", min_size=1, max_size=4)


@given(st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=4)), max_size=4))
def test_expand_names_makes_every_combination(fields: list[tuple[str, list[str]]]) -> None:
    pattern = "".join(f"{text}{{{','.join(items)}}}" for text, items in fields)
    names = simulate.expand_names(pattern)
    assert len(names) == np.prod([len(items) for _, items in fields], dtype=int)
    assert names[0] == "".join(text + items[0] for text, items in fields)
    assert names[-1] == "".join(text + items[-1] for text, items in fields)


@given(st.integers(0, 500), st.integers(0, 60), st.integers(1, 40))
def test_expand_names_ranges_agree_with_python(first: int, extent: int, step: int) -> None:
    names = simulate.expand_names(f"{{{first}..{first + extent}..{step}}}")
    assert [int(name) for name in names] == list(range(first, first + extent + 1, step))


def test_the_table_has_slr28s_counts() -> None:
    groups = simulate.twin_files().values()
    counts = Counter((group.kind, group.database) for group in groups)
    assert counts == {
        ("rir", "RWCP"): 182,
        ("rir", "air"): 107,
        ("rir", "RVB2014"): 36,
        ("noise", "RVB2014"): 90,
        ("noise", "RWCP"): 2,
    }


def test_the_names_are_slr28s() -> None:
    folder = shared_data() / "slr28_meta"
    lines = [
        line
        for listing in ("rir_list", "noise_list")
        for line in (folder / listing).read_text().splitlines()
    ]
    assert sorted(simulate.twin_files()) == sorted(line.split("/")[-1].strip() for line in lines)


def test_no_name_is_given_twice() -> None:
    names = [n for group in simulate.read_groups() for n in simulate.expand_names(group.names)]
    assert len(names) == len(set(names)) == 417


def test_every_group_says_how_its_facts_are_known() -> None:
    for group in simulate.read_groups():
        assert group.basis.keys() == (FACTS if group.kind == "rir" else FACTS - {"distance"})
        assert set(group.basis.values()) <= {"documented", "derived", "assumed"}
        assert (group.source_distance_m is None) == (group.kind == "noise")


@pytest.fixture(scope="module")
def tiny_twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin") / "simulated"
    simulate.generate_twin(folder, seed=1, files_per_group=1)
    return folder


def test_files_per_group_keeps_the_first_of_each(tiny_twin: Path) -> None:
    kept = simulate.twin_files(files_per_group=1)
    assert {path.name for path in tiny_twin.iterdir()} == set(kept)
    keys = {(g.database, g.kind, g.room) for g in simulate.read_groups()}
    assert len(kept) == len(keys)
    assert "RWCP_type1_rir_circle_ane_imp000.wav" in kept


def test_files_have_the_shape_and_header_of_the_real_ones(tiny_twin: Path) -> None:
    for name, group in simulate.twin_files(files_per_group=1).items():
        path = tiny_twin / name
        info = soundfile.info(path)
        assert (info.channels, info.frames) == (group.n_channels, group.n_frames)
        assert (info.samplerate, info.subtype) == (16_000, "PCM_16")
        header = 80 if group.n_channels > 2 else 44
        assert path.stat().st_size == header + 2 * group.n_channels * group.n_frames


def test_files_do_not_clip_and_are_not_silent(tiny_twin: Path) -> None:
    for path in tiny_twin.iterdir():
        samples, _ = soundfile.read(path)
        assert np.max(np.abs(samples)) <= simulate.MAX_PEAK + 2 / 32768
        assert np.all(np.std(np.atleast_2d(samples.T), axis=1) > 0)


def test_a_file_depends_only_on_the_seed_and_its_name(tiny_twin: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    simulate.generate_twin(again, seed=1, files_per_group=1, n_jobs=1)
    for path in tiny_twin.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


@pytest.mark.parametrize("kind", ["rir", "noise"])
def test_another_seed_gives_another_file(kind: str) -> None:
    name, group = file_of(kind, "RVB2014")
    first = simulate.synthesise_file(name, group, seed=1)
    assert not np.array_equal(first, simulate.synthesise_file(name, group, seed=2))


def test_generation_reports_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "_write_file", lambda path, group, seed: path.touch())
    reports: list[tuple[int, int]] = []
    simulate.generate_twin(
        tmp_path / "twin", seed=0, progress=lambda done, total: reports.append((done, total))
    )
    assert reports == [(count, 417) for count in range(1, 418)]


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_noise(path: Path, group: simulate.NameGroup, seed: int) -> None:
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


def test_a_filled_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.wav").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        simulate.generate_twin(tmp_path, seed=0)


def test_wrong_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed"):
        simulate.generate_twin(tmp_path / "twin", seed=-1)
    with pytest.raises(ValueError, match="files_per_group"):
        simulate.generate_twin(tmp_path / "twin", seed=0, files_per_group=0)


@pytest.mark.parametrize("text", ["RVB2014_type2_rir_simroom3_far", "_cirline_ofc_imp090"])
def test_a_response_decays_as_its_room_does(text: str) -> None:
    name, group = file_of("rir", text)
    response = simulate.synthesise_file(name, group, seed=0)[:8].astype(float)
    start = int(np.argmax(np.abs(response[0]) > 0.5 * np.max(np.abs(response[0])))) + 800
    energy = np.sum(response[:, start : start + int(0.4 * group.rt60_s * 16_000)] ** 2, axis=0)
    blocks_db = [10 * np.log10(block.mean()) for block in np.array_split(energy, 10)]
    slope_db_s = np.polyfit(np.arange(10) * 0.04 * group.rt60_s, blocks_db, 1)[0]
    # All bands together: they differ from the middle frequencies by up to half.
    assert -60 / slope_db_s == pytest.approx(group.rt60_s, rel=0.4)


def test_the_anechoic_room_has_no_reverberation() -> None:
    name, group = file_of("rir", "circle_ane_imp000")
    response = simulate.synthesise_file(name, group, seed=0)[0].astype(float)
    arrival = int(np.argmax(np.abs(response)))
    early = np.sum(response[arrival - 40 : arrival + 160] ** 2)
    assert 10 * np.log10(early / np.sum(response[arrival + 160 :] ** 2)) > 20


def test_first_arrivals_are_planted_as_documented() -> None:
    arrivals = {}
    for database, text in (("RVB2014", "mediumroom1_far"), ("RWCP", "jr1_imp"), ("air", "kitchen")):
        name, group = file_of("rir", text)
        response = np.abs(simulate.synthesise_file(name, group, seed=0)[0].astype(float))
        arrivals[database] = int(np.argmax(response > 0.3 * response.max()))
    assert arrivals["RVB2014"] > 600
    assert 50 < arrivals["RWCP"] < 160
    assert 50 < arrivals["air"] < 160
