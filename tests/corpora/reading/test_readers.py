"""Formats with and without a header, recordings in several files, and their errors."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.io import savemat

from disentangled_audio.corpora.reading.decode import read_samples
from disentangled_audio.corpora.sources.folder import RejectedError
from disentangled_audio.corpora.sources.places import locate
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import AudioFormat, Corpus, MatFormat, RawFormat
from tests.corpora.reading.reading import ingest

MAT = MatFormat(reader="mat", samples="h", sample_rate="info.fs")


def _raw(encoding: str) -> RawFormat:
    return RawFormat.model_validate({"reader": "raw", "encoding": encoding, "sample_rate_hz": 48})


def _mat(**variables: Any) -> bytes:
    content = io.BytesIO()
    savemat(content, variables)
    return content.getvalue()


@given(arrays(np.int16, st.integers(1, 50)))
def test_raw_whole_numbers_are_scaled_to_one(samples: np.ndarray) -> None:
    read, rate_hz = read_samples(samples.astype("<i2").tobytes(), _raw("int16"))

    assert rate_hz == 48
    np.testing.assert_array_equal(read[:, 0] * 2**15, samples)


@given(arrays(np.float32, st.integers(1, 50), elements=st.floats(-1e6, 1e6, width=32)))
def test_raw_and_matlab_floats_come_back_exactly(samples: np.ndarray) -> None:
    raw, _ = read_samples(samples.astype("<f4").tobytes(), _raw("float32"))
    mat, rate_hz = read_samples(_mat(h=samples[np.newaxis], info={"fs": 44100.0}), MAT)

    np.testing.assert_array_equal(raw[:, 0], samples)
    np.testing.assert_array_equal(mat[:, 0], samples)
    assert rate_hz == 44100


@given(st.binary(max_size=200))
def test_any_bytes_are_samples_or_rejected(content: bytes) -> None:
    for file_format in (AudioFormat(), MAT, _raw("float64"), _raw("int32")):
        try:
            samples, rate_hz = read_samples(content, file_format)
        except RejectedError:
            continue
        assert samples.ndim == 2
        assert rate_hz > 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not MATLAB", "not a readable MATLAB file of level 5"),
        (_mat(g=[1.0, 2.0], info={"fs": 8000}), "has no variable 'h'; it has g, info"),
        (_mat(h=[1.0, 2.0], info=8000), "variable 'info.fs' has no field 'fs'"),
        (_mat(h=[[1.0, 2.0], [3.0, 4.0]], info={"fs": 8000}), "is not a single signal: shape"),
        (_mat(h="text", info={"fs": 8000}), "is not a single signal"),
        (_mat(h=[1.0, 2.0], info={"fs": [1, 2]}), "is not a sampling rate in hertz"),
        (_mat(h=[1.0, 2.0], info={"fs": 0.5}), "is not a sampling rate in hertz"),
        (_mat(h=[1.0, 2.0], info={"fs": float("nan")}), "is not a sampling rate in hertz"),
    ],
)
def test_an_unusable_matlab_file_is_rejected_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(RejectedError, match=reason) as caught:
        read_samples(content, MAT)
    assert caught.value.what_to_do


def test_raw_bytes_with_a_partial_sample_are_rejected() -> None:
    with pytest.raises(RejectedError, match="7 bytes are not a whole number of float32 samples"):
        read_samples(b"1234567", _raw("float32"))


@pytest.mark.parametrize("suffix", ["ogg", "mp3", "flac", "WAV"])
def test_common_formats_are_found_by_default(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "mine").mkdir()
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    soundfile.write(tmp_path / "mine" / f"a.{suffix}", tone, 16000)
    corpus = Corpus.model_validate(
        {"sources": [{"folder": "mine"}], "analysis": {"sample_rate_hz": 16000, "duration_s": 0.5}}
    )

    ingested = ingest(corpus, [tmp_path])

    assert len(ingested.recordings) == 1
    spectrum = np.abs(np.fft.rfft(ingested.waveforms[0]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=2)


def _channels_corpus(**source: Any) -> Corpus:
    described = {
        "folder": "mine",
        "files": "**/*.[0-9]*",
        "channel_files": r"(?P<channel>\.\d+)$",
        "format": {"reader": "raw", "encoding": "float32", "sample_rate_hz": 8000},
        **source,
    }
    analysis = {"channel": "each", "sample_rate_hz": 8000, "duration_s": 0.1}
    return Corpus.model_validate(
        {"sources": [described], "max_rejected_share": 0.9, "analysis": analysis}
    )


def _write_channels(folder: Path, name: str, lengths: dict[int, int]) -> None:
    folder.mkdir(exist_ok=True)
    for channel, length in lengths.items():
        samples = np.resize([channel / 100, -channel / 100], length).astype("<f4")
        (folder / f"{name}.{channel}").write_bytes(samples.tobytes())


def test_channels_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    _write_channels(tmp_path / "mine", "a", dict.fromkeys((10, 9, 8), 800))
    corpus = _channels_corpus()

    recordings = ingest(corpus, [tmp_path]).recordings

    assert recordings["recording_id"].tolist() == ["mine/a#0", "mine/a#1", "mine/a#2"]
    assert recordings["peak"].tolist() == pytest.approx([0.08, 0.09, 0.1])
    assert recordings["sha256"].nunique() == 1
    assert set(recordings["n_bytes"]) == {3 * 800 * 4}


def test_channels_that_differ_in_length_are_rejected(tmp_path: Path) -> None:
    _write_channels(tmp_path / "mine", "a", {1: 800, 2: 799})
    _write_channels(tmp_path / "mine", "b", {1: 800, 2: 800})

    (row,) = ingest(_channels_corpus(), [tmp_path]).rejected.to_dict("records")

    assert row["path"] == "mine/a"
    assert row["reason"] == "its channels differ in length: 800, 799 samples"


def test_channels_that_differ_in_rate_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name, rate_hz in (("a_0", 8000), ("a_1", 16000), ("b_0", 8000), ("b_1", 8000)):
        tone = np.sin(np.arange(1600))
        (tmp_path / "mine" / f"{name}.mat").write_bytes(_mat(h=tone, info={"fs": rate_hz}))
    corpus = _channels_corpus(
        files="*.mat", channel_files=r"(?P<channel>_[01])\.mat", format=MAT.model_dump()
    )

    ingested = ingest(corpus, [tmp_path])

    assert ingested.recordings["path"].unique().tolist() == ["mine/b.mat"]
    (reason,) = ingested.rejected["reason"]
    assert reason == "its channels differ in rate: 8000, 16000 Hz"


@pytest.mark.parametrize(
    ("channel_files", "message"),
    [("(", "is not a regular expression"), (r"\d", r"needs a group \(\?P<channel>")],
)
def test_an_invalid_channel_pattern_is_named(
    tmp_path: Path, channel_files: str, message: str
) -> None:
    _write_channels(tmp_path / "mine", "a", {1: 800})

    with pytest.raises(UserError, match=message):
        locate(_channels_corpus(channel_files=channel_files), [tmp_path])


def test_a_source_has_its_own_label_columns_patterns_and_rights(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "HALL_1.wav", np.sin(np.arange(2000)), 8000)
    corpus = Corpus.model_validate(
        {
            "sources": [
                {"folder": "one"},
                {
                    "folder": "two",
                    "label": "second",
                    "columns": {"site": "abroad", "kind": "noise"},
                    "name_patterns": r"(?P<room>[a-z]+)_(?P<take>\d)\.wav",
                    "licence": "CC0",
                },
            ],
            "lower_case_names": True,
            "name_patterns": r"(?P<room>[a-z]+)_\d\.wav",
            "licence": "MIT",
            "citation": "Somebody",
            "analysis": {"sample_rate_hz": 8000, "duration_s": 0.1},
        }
    )

    recordings = ingest(corpus, [tmp_path]).recordings

    columns = ["path", "room", "take", "site", "kind", "licence", "citation"]
    rows = recordings[columns].astype(object).where(recordings[columns].notna(), None)
    assert rows.to_numpy().tolist() == [
        ["one/HALL_1.wav", "hall", None, None, "recording", "MIT", "Somebody"],
        ["second/HALL_1.wav", "hall", "1", "abroad", "noise", "CC0", "Somebody"],
    ]


def test_max_files_takes_evenly_spaced_recordings(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for number in range(10):
        soundfile.write(tmp_path / "mine" / f"{number}.wav", np.sin(np.arange(2000)), 8000)
    corpus = Corpus.model_validate(
        {
            "sources": [{"folder": "mine", "max_files": 4}],
            "analysis": {"sample_rate_hz": 8000, "duration_s": 0.1},
        }
    )

    taken = [item.relative for item in locate(corpus, [tmp_path])]

    assert taken == ["0.wav", "3.wav", "6.wav", "9.wav"]


@pytest.mark.parametrize(
    ("channels", "known", "missing"),
    [((1, 3), None, "2"), ((2, 3), None, "1"), ((1, 2), 3, "3"), ((1,), 3, "2, 3")],
)
def test_a_recording_that_lacks_a_channel_is_rejected(
    tmp_path: Path, channels: tuple[int, ...], known: int | None, missing: str
) -> None:
    _write_channels(tmp_path / "mine", "a", dict.fromkeys(channels, 800))
    _write_channels(tmp_path / "mine", "b", dict.fromkeys((1, 2, 3), 800))

    ingested = ingest(_channels_corpus(n_channel_files=known), [tmp_path])

    assert ingested.recordings["path"].unique().tolist() == ["mine/b"]
    (row,) = ingested.rejected.to_dict("records")
    assert (row["path"], row["reason"]) == ("mine/a", f"channel {missing} is missing")


def test_a_stray_file_does_not_change_the_channels_of_others(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write_channels(tmp_path / "mine", name, dict.fromkeys((1, 2), 800))
    (tmp_path / "mine" / "a.1.bak").write_bytes(np.arange(800, dtype="<f4").tobytes())

    ingested = ingest(_channels_corpus(), [tmp_path])

    assert set(ingested.recordings["path"]) == {"mine/a", "mine/b", "mine/a.1.bak"}
    assert ingested.rejected.empty
