"""A recording that is longer than its clip gives its loudest part, its beginning or windows."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from pydantic import ValidationError

from disentangled_audio.corpora.reading.ingest import Ingested
from disentangled_audio.corpora.reading.integrity import not_heard
from disentangled_audio.parameters import Analysis, Corpus
from disentangled_audio.report.sentences import on_not_heard
from disentangled_audio.signal.clip import loudest_start
from tests.corpora.reading.reading import ingest

RATE_HZ = 8000
SHORT_S, LONG_S = 0.8, 6.3


def _noise(duration_s: float, seed: int) -> np.ndarray:
    return 0.01 * np.random.default_rng(seed).normal(size=round(duration_s * RATE_HZ))


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A recording shorter than a clip, and a long one that is loud from 4 s to 4.5 s."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    soundfile.write(folder / "short.wav", _noise(SHORT_S, 0), RATE_HZ)
    long = _noise(LONG_S, 1)
    long[4 * RATE_HZ : round(4.5 * RATE_HZ)] *= 30
    soundfile.write(folder / "long.wav", long, RATE_HZ)
    return tmp_path


def _ingest(data: Path, **analysis: Any) -> Ingested:
    clip = {"sample_rate_hz": RATE_HZ, "duration_s": 1.0, "normalise_energy": False, **analysis}
    corpus = Corpus.model_validate({"sources": [{"folder": "sounds"}], "analysis": clip})
    return ingest(corpus, [data])


def _samples(data: Path, start_s: float, duration_s: float = 1.0) -> np.ndarray:
    first = round(start_s * RATE_HZ)
    length = round(duration_s * RATE_HZ)
    samples, _ = soundfile.read(data / "sounds" / "long.wav", dtype="float32")
    return samples[first : first + length]


def test_the_loudest_part_is_found_to_a_hundredth_of_its_length(sounds: Path) -> None:
    ingested = _ingest(sounds)

    long, short = ingested.waveforms
    assert ingested.recordings["recording_id"].tolist() == ["sounds/long.wav", "sounds/short.wav"]
    assert ingested.recordings["heard_s"].tolist() == [1.0, SHORT_S]
    assert ingested.recordings["end_s"].tolist() == [LONG_S, SHORT_S]
    loud = _samples(sounds, 4, 0.5)
    position = np.argmax(np.correlate(long, loud, mode="valid"))
    np.testing.assert_array_equal(long[position : position + len(loud)], loud)
    assert not short[round(SHORT_S * RATE_HZ) :].any()


@pytest.mark.parametrize("length", [1, 7, 80, 8000])
def test_no_part_is_clearly_louder_than_the_loudest(length: int) -> None:
    rng = np.random.default_rng(length)
    signal = (rng.normal(size=20_000) * np.abs(rng.normal(size=20_000)) ** 3).astype(np.float32)
    step = max(1, length // 100)

    start = loudest_start(signal, length)

    energy = np.append(0, np.cumsum(signal.astype(float) ** 2))
    of_parts = energy[length:] - energy[:-length]
    assert 0 <= start <= len(signal) - length
    assert of_parts[start] >= of_parts[: -step or None : step].max() * (1 - step / length) - 1e-6


def test_a_part_that_fits_starts_at_the_beginning() -> None:
    signal = np.linspace(0, 1, 100, dtype=np.float32)

    assert loudest_start(signal, 100) == loudest_start(signal, 200) == 0
    assert loudest_start(signal, 99) == 1


def test_a_beginning_is_what_it_was(sounds: Path) -> None:
    long, short = _ingest(sounds, part="beginning").waveforms

    np.testing.assert_array_equal(long, _samples(sounds, 0))
    np.testing.assert_array_equal(short, _ingest(sounds).waveforms[1])


@pytest.mark.parametrize(
    ("hop_s", "starts_s"),
    [(None, [*np.arange(0, 5.3, 0.5), 5.3]), (1.0, [0, 1, 2, 3, 4, 5, 5.3])],
)
def test_windows_cover_a_recording(
    sounds: Path, hop_s: float | None, starts_s: list[float]
) -> None:
    ingested = _ingest(sounds, part="windows", hop_s=hop_s)

    recordings = ingested.recordings
    long = recordings["path"] == "sounds/long.wav"
    np.testing.assert_allclose(recordings.loc[long, "start_s"], starts_s)
    np.testing.assert_allclose(recordings.loc[long, "end_s"], np.add(starts_s, 1.0))
    assert recordings["recording_id"].is_unique
    assert recordings.loc[~long, "recording_id"].tolist() == ["sounds/short.wav"]
    for clip, start_s in zip(ingested.waveforms, starts_s, strict=False):
        np.testing.assert_array_equal(clip, _samples(sounds, start_s))
    assert not_heard(recordings, _analysis(part="windows"))["seconds"] == 0


@pytest.mark.parametrize(
    ("ending", "subtype"),
    [
        *(("wav", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT", "ULAW")),
        *(("aiff", "PCM_16"), ("flac", "PCM_16"), ("flac", "PCM_24"), ("ogg", "VORBIS")),
    ],
)
def test_parts_of_a_file_are_the_same_read_alone_or_cut_from_the_whole(
    sounds: Path, ending: str, subtype: str
) -> None:
    (sounds / "sounds" / "short.wav").unlink()
    file = sounds / "sounds" / "long.wav"
    long, _ = soundfile.read(file)
    file.unlink()
    soundfile.write(file.with_suffix(f".{ending}"), long, RATE_HZ, subtype)
    whole, _ = soundfile.read(file.with_suffix(f".{ending}"), dtype="float32")
    clip = {"sample_rate_hz": RATE_HZ, "duration_s": 1.0, "normalise_energy": False}
    described = {"sources": [{"folder": "sounds"}], "files": "*", "analysis": clip}
    corpus = Corpus.model_validate({**described, "analysis": {**clip, "part": "windows"}})

    ingested = ingest(corpus, [sounds])

    for clip_found, start_s in zip(ingested.waveforms, ingested.recordings["start_s"], strict=True):
        first = round(start_s * RATE_HZ)
        np.testing.assert_array_equal(clip_found, whole[first : first + RATE_HZ])


def test_a_silent_window_is_left_out_and_listed(sounds: Path) -> None:
    long = _noise(LONG_S, 1)
    long[2 * RATE_HZ : 4 * RATE_HZ] = 0
    soundfile.write(sounds / "sounds" / "long.wav", long, RATE_HZ)

    ingested = _ingest(sounds, part="windows", hop_s=1.0)

    assert ingested.rejected["path"].tolist() == [
        "sounds/long.wav@2.000-3.000",
        "sounds/long.wav@3.000-4.000",
    ]
    assert ingested.rejected["reason"].str.startswith("silent").all()
    assert 2.0 not in ingested.recordings["start_s"].tolist()


def test_every_channel_of_a_window_is_an_item(sounds: Path) -> None:
    stereo = np.stack([_noise(2.0, 1), _noise(2.0, 2)], axis=1)
    soundfile.write(sounds / "sounds" / "long.wav", stereo, RATE_HZ)

    recordings = _ingest(sounds, part="windows", hop_s=1.0, channel="each").recordings

    assert recordings["recording_id"].tolist()[:4] == [
        f"sounds/long.wav@{times}#{channel}"
        for times in ("0.000-1.000", "1.000-2.000")
        for channel in (0, 1)
    ]


def _analysis(**changes: Any) -> Analysis:
    return Analysis.model_validate({"sample_rate_hz": RATE_HZ, "duration_s": 1.0, **changes})


def test_what_is_not_heard_is_counted_and_said(sounds: Path) -> None:
    ingested = _ingest(sounds)

    unheard = not_heard(ingested.recordings, _analysis())

    assert unheard == {
        "recordings": 1,
        "seconds": pytest.approx(LONG_S - 1),
        "of_seconds": pytest.approx(LONG_S + SHORT_S),
    }
    (sentence,) = on_not_heard(unheard, _analysis())
    assert sentence.startswith("1 recording is longer than the clips, which take its loudest part")
    assert "5.3 s of 7.1 s" in sentence
    assert on_not_heard({**unheard, "recordings": 0}, _analysis()) == []


def test_the_end_of_a_response_is_left_out_on_purpose() -> None:
    rows = {"path": ["a", "b"], "start_s": 0.0, "end_s": 3.0, "duration_s": 3.0, "heard_s": 1.0}
    recordings = pd.DataFrame({**rows, "kind": ["rir", "noise"]})

    assert not_heard(recordings, _analysis(align="direct_sound"))["recordings"] == 1


def test_a_hop_beyond_the_clip_is_refused() -> None:
    with pytest.raises(ValidationError, match="parts between windows would be lost"):
        _analysis(part="windows", hop_s=1.5)


def test_a_label_in_a_long_recording_reads_no_more_than_its_part(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    minutes = 10
    soundfile.write(tmp_path / "sounds" / "a.wav", np.tile(_noise(60, 3), minutes), RATE_HZ)
    (tmp_path / "sounds" / "a.txt").write_text("100\t101\towl\n500\t501\twren\n")
    n_bytes = (tmp_path / "sounds" / "a.wav").stat().st_size
    corpus = {"sources": [{"folder": "sounds"}], "segments": "*.txt", "analysis": _analysis()}
    ingest(Corpus.model_validate(corpus), [tmp_path])

    tracemalloc.start()
    ingest(Corpus.model_validate(corpus), [tmp_path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # The bytes are read for their hash; as float32 the samples would take twice as much again.
    assert peak < 2 * n_bytes
