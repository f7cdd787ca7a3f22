"""Labelled parts of recordings become items; labels that cannot be used are named and counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from disentangled_audio.corpora.reading.expected import expected_items
from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.splits import make_splits
from disentangled_audio.parameters import Corpus, Protocol
from tests.corpora.reading.reading import ingest

RATE_HZ = 8000
LENGTH_S = 10
# Start, end and frequency in Hz of the tones in each recording.
TONES = [(1.0, 2.5, 440), (4.0, 5.5, 1000), (7.0, 8.5, 440)]
CSV = "file,start,end,label\n"


def _long(seed: int) -> np.ndarray:
    time_s = np.arange(LENGTH_S * RATE_HZ) / RATE_HZ
    sound = 0.001 * np.random.default_rng(seed).normal(size=len(time_s))
    for start_s, end_s, frequency_hz in TONES:
        inside = (time_s >= start_s) & (time_s < end_s)
        sound[inside] += 0.3 * np.sin(2 * np.pi * frequency_hz * time_s[inside])
    return sound


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Recordings a.wav, site/b.wav and site/c.flac in a folder `birds`."""
    folder = tmp_path / "birds"
    (folder / "site").mkdir(parents=True)
    for seed, name in enumerate(("a.wav", "site/b.wav", "site/c.flac")):
        soundfile.write(folder / name, _long(seed), RATE_HZ)
    return folder


def _corpus(segments: Any, part: str = "loudest", **changes: Any) -> Corpus:
    analysis = {"sample_rate_hz": RATE_HZ, "duration_s": 1.0, "part": part}
    described = {"sources": [{"folder": "birds"}], "segments": segments, "analysis": analysis}
    return Corpus.model_validate({**described, **changes})


def _ingest(birds: Path, segments: Any, part: str = "loudest", **changes: Any) -> Ingested:
    return ingest(_corpus(segments, part, **changes), [birds.parent])


def _rows(ingested: Ingested) -> list[tuple[str, float, float, str]]:
    columns = ["path", "start_s", "end_s", "label"]
    return list(ingested.recordings[columns].itertuples(index=False, name=None))


def _frequency_hz(clip: np.ndarray) -> int:
    return int(np.argmax(np.abs(np.fft.rfft(clip))) * RATE_HZ / len(clip))


def test_each_label_is_an_item_with_the_sound_between_its_times(birds: Path) -> None:
    (birds / "a.txt").write_text("1.0\t2.5\towl\n4.0\t5.5\twren\n")
    table = "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t1\t2.5\towl\n2\t4\t5.5\twren\n"
    (birds / "site" / "b.Table.1.selections.txt").write_text(table)
    (birds / "labels.csv").write_text(f"{CSV}site/c.flac,1,2.5,owl\nsite/c.flac,4,5.5,wren\n")

    ingested = _ingest(birds, ["**/*.txt", "labels.csv"])

    names = ["birds/a.wav", "birds/site/b.wav", "birds/site/c.flac"]
    parts = [(1.0, 2.5, "owl"), (4.0, 5.5, "wren")]
    assert _rows(ingested) == [(name, *part) for name in names for part in parts]
    assert ingested.recordings["recording_id"].is_unique
    assert ingested.rejected.empty
    assert set(ingested.recordings["duration_s"]) == {1.5}
    assert set(ingested.recordings["heard_s"]) == {1.0}
    heard = [_frequency_hz(clip) for clip in ingested.waveforms]
    assert heard == [440, 1000] * 3


def test_names_of_items_depend_on_nothing_but_file_and_times(birds: Path) -> None:
    (birds / "labels.csv").write_text(f"{CSV}a.wav,1,2.5,owl\na.wav,7,8.5,owl\n")
    before = set(_ingest(birds, "labels.csv").recordings["recording_id"])
    more = f"{CSV}site/b.wav,1,2.5,owl\na.wav,7,8.5,heron\na.wav,4,5.5,wren\na.wav,1,2.5,owl\n"
    (birds / "labels.csv").write_text(more)

    after = set(_ingest(birds, "labels.csv").recordings["recording_id"])

    assert before == {"birds/a.wav@1.000-2.500", "birds/a.wav@7.000-8.500"}
    assert before < after


@pytest.mark.parametrize(
    "written",
    ["a.wav", "./a.wav", "birds/a.wav", "a", "A.WAV", "/home/me/birds/a.wav", r"C:\birds\a.wav"],
)
def test_a_recording_is_found_by_each_of_its_names(birds: Path, written: str) -> None:
    (birds / "labels.csv").write_text(f"{CSV}{written},1,2.5,owl\n")

    assert _rows(_ingest(birds, "labels.csv")) == [("birds/a.wav", 1.0, 2.5, "owl")]


def test_a_table_beside_its_recordings_names_those(birds: Path) -> None:
    soundfile.write(birds / "b.wav", _long(9), RATE_HZ)
    (birds / "site" / "labels.csv").write_text(f"{CSV}b.wav,1,2.5,owl\n")

    assert _rows(_ingest(birds, "**/labels.csv")) == [("birds/site/b.wav", 1.0, 2.5, "owl")]
    (birds.parent / "labels.csv").write_text(f"{CSV}b.wav,1,2.5,owl\n")
    with pytest.raises(UserError, match=r"several recordings.*birds/b.wav and birds/site/b.wav"):
        _ingest(birds, "labels.csv")


def test_columns_of_names_and_of_the_table_are_kept(birds: Path) -> None:
    (birds / "labels.csv").write_text(
        "start,end,species,file,speaker\n1,2.5,owl,a.wav,x\n4,5.5,wren,a.wav,y\n"
    )
    segments = {"files": "labels.csv", "label_column": "species"}

    recordings = _ingest(birds, segments, name_patterns=r"(?P<take>\w)\.\w+").recordings

    assert recordings["species"].tolist() == ["owl", "wren"]
    assert recordings["speaker"].tolist() == ["x", "y"]
    assert recordings["take"].tolist() == ["a", "a"]


FAULTS = {
    "a.wav,3,2,owl": "the label ends before it starts",
    "a.wav,2,2,owl": "the label is a point without duration",
    "a.wav,-1,2,owl": "the label starts before its recording",
    "a.wav,9,12,owl": "the label reaches beyond its recording",
    "site/c.flac,11,12,owl": "the label reaches beyond its recording",
    "a.wav,1,2,": "the label has no text",
    "d.wav,1,2,owl": "the label's recording is not there",
    "other/b.wav,1,2,owl": "the label's recording is not there",
    "a.wav,1,1.01,owl": "too short",
}


@pytest.mark.parametrize("row", FAULTS)
def test_a_label_that_cannot_be_used_is_refused_or_left_out(birds: Path, row: str) -> None:
    good = "a.wav,4,5.5,wren\n"
    (birds / "labels.csv").write_text(f"{CSV}{good}{row}\n")

    with pytest.raises(UserError, match=FAULTS[row]) as caught:
        _ingest(birds, "labels.csv")
    assert "birds/labels.csv, line 3" in str(caught.value)
    assert "invalid: leave_out" in str(caught.value)

    ingested = _ingest(birds, {"files": "labels.csv", "invalid": "leave_out"})
    assert _rows(ingested) == [("birds/a.wav", 4.0, 5.5, "wren")]
    reasons = ingested.rejected["reason"]
    (reason,) = reasons[reasons.str.contains("line 3")]
    assert reason.startswith(f"{FAULTS[row]}: ")


def test_an_absent_recording_is_named_beside_one_that_is_there(birds: Path) -> None:
    (birds / "z.txt").write_text("1\t2\towl\n")

    with pytest.raises(UserError, match=r"birds/z.txt, line 1; there is birds/a.wav"):
        _ingest(birds, "*.txt")
    with pytest.raises(UserError, match="no label belongs to a recording"):
        _ingest(birds, {"files": "*.txt", "invalid": "leave_out"})


def test_a_recording_without_labels_is_left_out_and_listed(birds: Path) -> None:
    (birds / "labels.csv").write_text(f"{CSV}a.wav,1,2.5,owl\n")

    rejected = _ingest(birds, "labels.csv").rejected

    assert rejected["path"].tolist() == ["birds/site/b.wav", "birds/site/c.flac"]
    assert set(rejected["reason"]) == {"no label names it"}


@pytest.mark.parametrize(
    ("overlapping", "kept"),
    [("keep", ["owl", "wren", "wren", "heron"]), ("leave_out", ["wren"])],
)
def test_overlapping_labels_are_kept_or_left_out(
    birds: Path, overlapping: str, kept: list[str]
) -> None:
    rows = "a.wav,1,2.5,owl\na.wav,2,5,wren\na.wav,4,4.9,heron\na.wav,5,6,wren\n"
    (birds / "labels.csv").write_text(CSV + rows)

    with pytest.raises(UserError, match=r"3 × the label overlaps another.*owl .*line 2.*wren"):
        _ingest(birds, "labels.csv")
    ingested = _ingest(birds, {"files": "labels.csv", "overlapping": overlapping})

    assert sorted(row[3] for row in _rows(ingested)) == sorted(kept)
    assert ingested.rejected["reason"].str.startswith("the label overlaps another: ").sum() == (
        4 - len(kept)
    )


def test_overlaps_of_one_label_are_no_fault_and_equal_times_have_different_names(
    birds: Path,
) -> None:
    rows = "a.wav,1,2.5,owl\na.wav,2,3,owl\na.wav,1,2.5,wren\n"
    (birds / "labels.csv").write_text(f"{CSV}a.wav,1,2.5,owl\na.wav,2,3,owl\n")
    assert len(_ingest(birds, "labels.csv").recordings) == 2

    (birds / "labels.csv").write_text(CSV + rows)
    for part in ("loudest", "windows"):
        kept = _ingest(birds, {"files": "labels.csv", "overlapping": "keep"}, part).recordings
        assert kept["recording_id"].is_unique
    assert set(kept["label"]) == {"owl", "wren"}


def test_the_rest_of_labelled_recordings_is_background(birds: Path) -> None:
    rows = "a.wav,1,2.5,owl\na.wav,2.4,3,wren\na.wav,9,12,owl\n"
    (birds / "labels.csv").write_text(CSV + rows)
    (birds / "site" / "b.txt").write_text("")
    how = {"background": "rest", "invalid": "leave_out", "overlapping": "leave_out"}

    ingested = _ingest(birds, {"files": ["labels.csv", "**/*.txt"], **how})

    of_a = [row[1:] for row in _rows(ingested) if row[0] == "birds/a.wav"]
    assert of_a == [(float(s), float(s + 1), "background") for s in (0, 3, 4, 5, 6, 7, 8)]
    assert len([row for row in _rows(ingested) if row[0] == "birds/site/b.wav"]) == LENGTH_S
    assert all(_frequency_hz(clip) not in (440,) for clip in ingested.waveforms[:2])
    # Nobody has listened to the recording without labels.
    assert "birds/site/c.flac" in set(ingested.rejected["path"])


@pytest.mark.parametrize(("minimum_s", "n_parts"), [(None, 1), (0.3, 2), (1.5, 0)])
def test_short_pieces_of_the_rest_are_no_background(
    birds: Path, minimum_s: float | None, n_parts: int
) -> None:
    (birds / "labels.csv").write_text(f"{CSV}a.wav,0.4,8,owl\na.wav,8.6,10,owl\n")
    segments = {"files": "labels.csv", "background": "rest", "minimum_s": minimum_s}

    recordings = _ingest(birds, segments).recordings

    assert (recordings["label"] == "background").sum() == n_parts


def test_parts_of_one_recording_are_a_group(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    folder.mkdir()
    for seed in range(12):
        soundfile.write(folder / f"r{seed}.wav", _long(seed), RATE_HZ)
        (folder / f"r{seed}.txt").write_text("1\t2.5\towl\n4\t5.5\twren\n7\t8.5\towl\n")
    corpus = _corpus("*.txt")
    expected = expected_items(corpus, [tmp_path])
    recordings = _ingest(folder, "*.txt").recordings
    protocol = Protocol.model_validate({"target": "label", "split": {"strategy": "random"}})

    splits = make_splits(recordings, protocol, 7)

    roles = splits.assign(path=recordings["path"]).groupby("path")["role"].nunique()
    assert set(roles) == {1}
    assert set(splits["role"]) == {"train", "validation", "test"}
    assert expected is not None
    assert expected["recording_id"].tolist() == recordings["recording_id"].tolist()
    assert expected["label"].tolist() == recordings["label"].tolist()


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ("nothing.csv", "no file of labels matches 'nothing.csv'"),
        ("**/*.nothing", "no file of labels matches"),
        ({"files": "*.csv", "label_column": "path"}, "label_column.*'path'.*reserved"),
    ],
)
def test_segments_that_cannot_be_used_are_named(birds: Path, segments: Any, message: str) -> None:
    (birds / "labels.csv").write_text(f"{CSV}a.wav,1,2.5,owl\n")

    with pytest.raises(UserError, match=message):
        _ingest(birds, segments)


def test_labels_may_lie_in_a_data_folder_or_anywhere(birds: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "labels.csv").write_text(f"{CSV}a.wav,1,2.5,owl\n")

    for files in ("elsewhere/labels.csv", str(tmp_path / "elsewhere" / "*.csv")):
        assert _rows(_ingest(birds, files)) == [("birds/a.wav", 1.0, 2.5, "owl")]
