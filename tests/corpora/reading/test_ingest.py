"""Ingestion turns folders of recordings into rows and clips, and names rejected files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from disentangled_audio.corpora.generators import twin_table
from disentangled_audio.corpora.reading.expected import expected_recordings
from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.corpora.sources.generated import TWIN_VERSION
from disentangled_audio.corpora.sources.places import locate
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus, TwinSource
from tests.corpora.reading.reading import ingest

SAMPLE_RATE_HZ = 16000
PATTERN = r"(?P<kind>rir|noise)_(?P<room>[a-z]+)_\d\.(?:wav|flac)"
GOOD = ["rir_hall_1.wav", "rir_hall_2.flac", "noise_hall_1.wav", "rir_attic_1.wav"]


def _corpus(**changes: Any) -> Corpus:
    clip = {"sample_rate_hz": SAMPLE_RATE_HZ, "duration_s": 0.1, "part": "beginning"}
    analysis = {**clip, **changes.pop("analysis", {})}
    described = {
        "sources": [{"folder": "mine"}],
        "name_patterns": PATTERN,
        "kind": "rir",
        "max_rejected_share": 1.0,
        "analysis": analysis,
        **changes,
    }
    return Corpus.model_validate(described)


def _response(seed: int, n_channels: int = 2, delay: int = 500) -> np.ndarray:
    rng = np.random.default_rng(seed)
    response = rng.normal(0, 1e-4, (4000, n_channels))
    decay = np.exp(-np.arange(4000 - delay) / 400)[:, None]
    response[delay:] += 0.1 * decay * rng.normal(size=(4000 - delay, n_channels))
    response[delay] = 0.8
    return response


def _write(path: Path, samples: np.ndarray, **how: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, SAMPLE_RATE_HZ, **how)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four good recordings in a folder `mine`."""
    for seed, name in enumerate(GOOD):
        _write(tmp_path / "mine" / name, _response(seed))
    return tmp_path


def _assert_same(one: Ingested, other: Ingested) -> None:
    pd.testing.assert_frame_equal(one.recordings, other.recordings)
    np.testing.assert_array_equal(one.waveforms, other.waveforms)


def test_a_file_that_matches_no_pattern_says_which_parameters_to_change(data: Path) -> None:
    _write(data / "mine" / "other.wav", _response(7))

    (row,) = ingest(_corpus(), [data]).rejected.to_dict("records")

    assert row["reason"] == "matches no name pattern"
    what_to_do = row["what_to_do"]
    assert "corpus.name_patterns" in what_to_do
    assert "corpus.files" in what_to_do


def test_a_row_has_the_measured_facts_of_its_clip(data: Path) -> None:
    ingested = ingest(_corpus(analysis={"normalise_energy": False}), [data])

    recordings = ingested.recordings.set_index("recording_id")
    assert list(recordings.index) == sorted(f"mine/{name}" for name in GOOD)
    row = recordings.loc["mine/rir_hall_1.wav"]
    samples, _ = soundfile.read(data / "mine" / "rir_hall_1.wav")
    assert row["path"] == "mine/rir_hall_1.wav"
    assert (row["room"], row["kind"], row["folder"]) == ("hall", "rir", "mine")
    assert (row["channel"], row["n_channels"]) == ("0", 2)
    assert (row["sample_rate_hz"], row["duration_s"]) == (SAMPLE_RATE_HZ, 0.25)
    assert row["n_bytes"] == (data / "mine" / "rir_hall_1.wav").stat().st_size
    assert row["peak"] == pytest.approx(np.abs(samples[:, 0]).max())
    assert row["rms_dbfs"] == pytest.approx(10 * np.log10(np.mean(samples[:, 0] ** 2)))
    position = list(recordings.index).index("mine/rir_hall_1.wav")
    np.testing.assert_allclose(ingested.waveforms[position], samples[:1600, 0], atol=1e-6)
    assert ingested.waveforms.shape == (4, 1600)
    assert ingested.waveforms.dtype == np.float32


def test_the_same_files_give_the_same_result(data: Path) -> None:
    corpus = _corpus(analysis={"fill": "noise_floor", "duration_s": 0.5})

    _assert_same(ingest(corpus, [data]), ingest(corpus, [data]))


def test_fill_noise_differs_from_file_to_file(data: Path) -> None:
    corpus = _corpus(analysis={"fill": "noise_floor", "duration_s": 0.5})

    filled = ingest(corpus, [data]).waveforms[:, 4000:]

    correlations = np.corrcoef(filled)[np.triu_indices(len(filled), 1)]
    assert np.abs(correlations).max() < 0.1


@pytest.mark.parametrize(
    ("policy", "ids", "channel"),
    [
        ("first", ["mine/noise_hall_1.wav"], ["0"]),
        ("mean", ["mine/noise_hall_1.wav"], ["mean"]),
        ("each", ["mine/noise_hall_1.wav#0", "mine/noise_hall_1.wav#1"], ["0", "1"]),
    ],
)
def test_the_channel_policy_decides_what_an_item_is(
    data: Path, policy: str, ids: list[str], channel: list[str]
) -> None:
    corpus = _corpus(files="noise*.wav", analysis={"channel": policy, "normalise_energy": False})

    ingested = ingest(corpus, [data])

    samples, _ = soundfile.read(data / "mine" / "noise_hall_1.wav")
    wanted = {"first": samples.T[:1], "mean": samples.T.mean(axis=0)[None], "each": samples.T}
    assert list(ingested.recordings["recording_id"]) == ids
    assert list(ingested.recordings["channel"]) == channel
    assert set(ingested.recordings["path"]) == {"mine/noise_hall_1.wav"}
    np.testing.assert_allclose(ingested.waveforms, wanted[policy][:, :1600], atol=1e-6)


def test_a_silent_channel_rejects_the_whole_file(data: Path) -> None:
    samples = _response(3)
    samples[:, 1] = 0.0
    _write(data / "mine" / "rir_dead_1.wav", samples)

    ingested = ingest(_corpus(analysis={"channel": "each"}), [data])

    assert ingested.rejected["reason"].item() == "the analysed channel is silent"
    assert len(ingested.recordings) == 2 * len(GOOD)
    assert not ingested.recordings["path"].str.contains("dead").any()


def test_responses_are_aligned_and_noises_are_not(data: Path) -> None:
    def clips(align: str) -> dict[str, np.ndarray]:
        ingested = ingest(_corpus(analysis={"align": align}), [data])
        return dict(zip(ingested.recordings["recording_id"], ingested.waveforms, strict=True))

    aligned, from_start = clips("direct_sound"), clips("start")

    for name in GOOD:
        peak = np.abs(aligned[f"mine/{name}"]).argmax()
        assert peak == (500 if name.startswith("noise") else 40), name
        assert np.abs(from_start[f"mine/{name}"]).argmax() == 500


def test_clips_have_unit_energy_and_the_common_band(data: Path) -> None:
    times_s = np.arange(4000) / SAMPLE_RATE_HZ
    for name, frequency_hz in {"noise_low_1.wav": 50, "noise_mid_1.wav": 1000}.items():
        _write(data / "mine" / name, 0.1 * np.sin(2 * np.pi * frequency_hz * times_s))
    limited = {"band_hz": (300, 3000), "duration_s": 0.25}
    files = ["noise_low*.wav", "noise_mid*.wav"]

    raw = ingest(_corpus(files=files, analysis={**limited, "normalise_energy": False}), [data])
    unit = ingest(_corpus(files=files, analysis=limited), [data])

    low, mid = np.sqrt(np.mean(raw.waveforms[:, 1000:3000] ** 2, axis=1))
    assert mid == pytest.approx(0.1 / np.sqrt(2), rel=0.01)
    assert low < 0.01 * mid
    np.testing.assert_allclose(np.sqrt(np.mean(unit.waveforms**2, axis=1)), 1.0, rtol=1e-5)


def test_a_metadata_table_gives_columns(data: Path) -> None:
    table = "file,mood\n" + "\n".join(f"{name},{name[:3]}" for name in GOOD[:3])
    (data / "moods.csv").write_text(table, encoding="utf-8")

    ingested = ingest(_corpus(name_patterns=[], metadata="moods.csv"), [data])

    moods = dict(zip(ingested.recordings["path"], ingested.recordings["mood"], strict=True))
    assert moods == {f"mine/{name}": name[:3] for name in GOOD[:3]}
    assert ingested.rejected["path"].item() == f"mine/{GOOD[3]}"


def test_too_many_rejected_files_stop_the_run_and_name_share_and_first_file(data: Path) -> None:
    (data / "mine" / "rir_empty_1.wav").touch()
    (data / "mine" / "rir_empty_2.wav").touch()
    _write(data / "mine" / "rir_short_1.wav", _response(1)[:100])

    with pytest.raises(UserError) as caught:
        ingest(_corpus(max_rejected_share=0.4), [data])

    message = str(caught.value)
    assert "3 of 7 files are rejected (2 × the file is empty; 1 × too short)" in message
    assert "corpus.max_rejected_share=0.4" in message
    assert "First: mine/rir_empty_1.wav: the file is empty (copy or record it again)" in message


def test_the_allowed_share_itself_is_allowed(data: Path) -> None:
    (data / "mine" / "rir_empty_1.wav").touch()

    assert len(ingest(_corpus(max_rejected_share=0.2), [data]).rejected) == 1


def test_no_usable_recording_is_an_error_for_any_allowed_share(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for number in (1, 2):
        (tmp_path / "mine" / f"rir_empty_{number}.wav").touch()

    with pytest.raises(UserError, match="no usable recording remains: all 2 files") as caught:
        ingest(_corpus(max_rejected_share=1.0), [tmp_path])
    assert "First: mine/rir_empty_1.wav: the file is empty" in str(caught.value)


def test_a_missing_folder_names_the_places_and_how_to_get_it(tmp_path: Path) -> None:
    corpus = _corpus(how_to_get="Ask the person who recorded it.")

    with pytest.raises(UserError, match="recordings not found") as caught:
        locate(corpus, [tmp_path / "one", tmp_path / "two"])

    lines = str(caught.value).splitlines()
    places = [f"  {tmp_path / folder / 'mine'}" for folder in ("one", "two")]
    assert lines[1:4] == [*places, "Ask the person who recorded it."]
    assert "DISENTANGLED_AUDIO_DATA" in lines[4]


def test_a_folder_without_a_matching_file_is_named(data: Path) -> None:
    with pytest.raises(UserError, match=r"no file matches \['\*\.mp3'\]") as caught:
        locate(_corpus(files="*.mp3"), [data])
    assert str(data / "mine") in str(caught.value)


@pytest.mark.parametrize("pattern", ["**.wav", "/x/*.wav", ""])
def test_an_invalid_files_pattern_is_named(data: Path, pattern: str) -> None:
    with pytest.raises(UserError, match=r"corpus\.files") as caught:
        locate(_corpus(files=pattern), [data])
    assert repr(pattern) in str(caught.value)


def test_the_first_folder_that_has_the_source_is_used(data: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    _write(later / "mine" / "rir_hall_9.wav", _response(0))

    located = locate(_corpus(), [tmp_path / "none", data, later])

    assert [file.name for file in located] == sorted(f"mine/{name}" for name in GOOD)
    assert all(file.files[0].path.is_file() for file in located)


def test_an_absolute_folder_is_labelled_by_its_last_part(data: Path) -> None:
    corpus = _corpus(sources=[{"folder": str(data / "mine")}])

    assert {file.name for file in locate(corpus, [])} == {f"mine/{name}" for name in GOOD}


def test_several_sources_and_sub_folders_are_one_corpus(data: Path) -> None:
    _write(data / "more" / "deep" / "rir_cellar_1.wav", _response(5))
    corpus = _corpus(sources=[{"folder": "more"}, {"folder": "mine"}])

    names = [file.name for file in locate(corpus, [data])]

    assert names == [*sorted(f"mine/{name}" for name in GOOD), "more/deep/rir_cellar_1.wav"]


def test_a_file_that_several_patterns_match_is_taken_once(data: Path) -> None:
    assert len(locate(_corpus(files=["*.wav", "rir*", "**/*"]), [data])) == len(GOOD)


def test_two_files_of_one_name_are_refused(data: Path, tmp_path: Path) -> None:
    twice = tmp_path / "elsewhere" / "mine" / GOOD[0]
    _write(twice, _response(1))
    corpus = _corpus(sources=[{"folder": "mine"}, {"folder": str(twice.parent)}])

    with pytest.raises(UserError, match=f"two sources give mine/{GOOD[0]}") as caught:
        locate(corpus, [data])
    for path in (data / "mine" / GOOD[0], twice):
        assert str(path) in str(caught.value)


def test_the_twin_is_generated_once_in_the_last_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def generate(
        folder: Path, *, seed: int, files_per_group: int | None, progress: Callable[..., None]
    ) -> None:
        progress(1, 1)
        made.append((folder.name, seed, files_per_group))
        _write(folder / "RVB2014_type1_rir_smallroom1_far_angla.wav", _response(0))

    monkeypatch.setattr("disentangled_audio.corpora.generators.twin.generate_twin", generate)
    corpus = _corpus(sources=[{"generator": "twin", "seed": 3, "files_per_group": 2}])
    folders = [tmp_path / "read_only", tmp_path / "own" / "raw"]

    first, second = locate(corpus, folders), locate(corpus, folders)

    assert made == [(f"twin{TWIN_VERSION}_seed3_2_per_group", 3, 2)]
    assert first == second
    assert first[0].files[0].path.is_relative_to(tmp_path / "own" / "raw")
    assert first[0].name == "twin/RVB2014_type1_rir_smallroom1_far_angla.wav"
    assert not (tmp_path / "read_only").exists()


@pytest.mark.parametrize("files_per_group", [None, 1])
def test_the_twin_is_counted_without_being_generated(files_per_group: int | None) -> None:
    source = TwinSource(generator="twin", files_per_group=files_per_group)

    expected = 417 if files_per_group is None else len(twin_table.twin_files(1))
    assert len(expected_recordings(_corpus(sources=[source.model_dump()]), [])) == expected
