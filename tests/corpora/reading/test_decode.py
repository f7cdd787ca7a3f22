"""Decoding, channels, resampling and alignment of one file, and its possible rejections."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disentangled_audio.corpora.reading.decode import Decoded, decode
from disentangled_audio.corpora.reading.items import channels, to_clip
from disentangled_audio.corpora.sources.folder import File, RejectedError
from disentangled_audio.parameters import Analysis, AudioFormat
from disentangled_audio.signal.clip import direct_sound_index

SAMPLE_RATE_HZ = 16000
MIN_DURATION_S = 0.05


def _signal(n_samples: int = 4000, n_channels: int = 2) -> np.ndarray:
    return np.random.default_rng(2).uniform(-0.9, 0.9, (n_samples, n_channels))


def _tone(frequency_hz: float, sample_rate_hz: int, duration_s: float = 0.5) -> np.ndarray:
    times_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * times_s)).astype(np.float32)


def _write(path: Path, samples: np.ndarray, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype=subtype)
    return path


def _decode(path: Path) -> Decoded:
    return decode([File(path, path.name)], AudioFormat(), MIN_DURATION_S)


def _clip(
    signal: np.ndarray,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    *,
    aligned: bool = False,
    **analysis: object,
) -> np.ndarray:
    clip = {"sample_rate_hz": SAMPLE_RATE_HZ, "duration_s": 0.25, "part": "beginning"}
    described = {**clip, **analysis}
    return to_clip(
        signal.astype(np.float32),
        sample_rate_hz,
        Analysis.model_validate(described),
        aligned=aligned,
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize(
    ("name", "subtype", "resolution"),
    [
        ("a.wav", "PCM_U8", 2**-7),
        ("a.wav", "PCM_16", 2**-15),
        ("a.wav", "PCM_24", 2**-23),
        ("a.wav", "PCM_32", 2**-24),
        ("a.wav", "FLOAT", 2**-24),
        ("a.wav", "DOUBLE", 2**-24),
        ("a.flac", "PCM_S8", 2**-7),
        ("a.flac", "PCM_16", 2**-15),
        ("a.flac", "PCM_24", 2**-23),
    ],
)
def test_samples_and_facts_of_every_format(
    tmp_path: Path, name: str, subtype: str, resolution: float
) -> None:
    samples = _signal()
    path = _write(tmp_path / name, samples, subtype)

    decoded = _decode(path)

    assert decoded.samples.dtype == np.float32
    np.testing.assert_allclose(decoded.samples, samples, atol=resolution)
    assert decoded.sample_rate_hz == SAMPLE_RATE_HZ
    assert decoded.duration_s == 0.25
    assert decoded.n_bytes == path.stat().st_size
    assert decoded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_format_is_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.flac", _signal())
    renamed = path.rename(tmp_path / "a.wav")

    assert _decode(renamed).samples.shape == (4000, 2)


def _truncated(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def _unusable(folder: Path, fault: str) -> Path:
    path = folder / ("a.flac" if "flac" in fault else "a.wav")
    good = _signal()
    if fault in ("nan", "infinity"):
        good[1000, 1] = np.nan if fault == "nan" else np.inf
        return _write(path, good, "FLOAT")
    match fault:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("this is a note\n" * 100, encoding="utf-8")
        case "silent":
            _write(path, np.zeros((4000, 1)))
        case "short":
            _write(path, good[:799])
        case "no samples":
            _write(path, good[:0])
        case "half wav" | "half flac":
            _truncated(_write(path, good), 0.5)
        case "almost whole wav" | "almost whole flac":
            _truncated(_write(path, good), 0.999)
        case "folder":
            path.mkdir()
    return path


@pytest.mark.parametrize(
    ("fault", "reason", "what_to_do"),
    [
        ("empty", "the file is empty", "copy or record it again"),
        ("text", "not audio that can be decoded: Format not recognised", "convert it to wav"),
        ("silent", "silent: every sample is zero", "record it again, or leave it out"),
        ("short", "too short: 0.04994 s, the minimum is 0.05 s", "lower corpus.analysis.min_dur"),
        ("no samples", "too short: 0 s", "lower corpus.analysis.min_duration_s"),
        ("half wav", "the file is truncated: 2006 of 4000 samples are missing", "copy it again"),
        (
            "almost whole wav",
            "the file is truncated: 5 of 4000 samples are missing",
            "copy it again",
        ),
        ("half flac", "the file is truncated or damaged: ", "copy it again from its source"),
        ("almost whole flac", "the file is truncated or damaged: ", "copy it again"),
        ("nan", "holds NaN or infinity", "export it again from its source"),
        ("infinity", "holds NaN or infinity", "export it again from its source"),
        ("folder", "cannot be read: Is a directory", "check the file and its permissions"),
    ],
)
def test_an_unusable_file_is_rejected_with_reason_and_advice(
    tmp_path: Path, fault: str, reason: str, what_to_do: str
) -> None:
    with pytest.raises(RejectedError, match=f"^{re.escape(reason)}") as caught:
        _decode(_unusable(tmp_path, fault))
    assert caught.value.what_to_do.startswith(what_to_do)


def test_a_recording_of_the_minimum_duration_is_accepted(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.wav", _signal(800))

    assert _decode(path).duration_s == MIN_DURATION_S


@pytest.mark.parametrize(
    ("policy", "expected"), [("first", [0]), ("each", [0, 1, 2]), ("mean", [None])]
)
def test_channel_policies(tmp_path: Path, policy: str, expected: list[int | None]) -> None:
    samples = _signal(n_channels=3)
    decoded = _decode(_write(tmp_path / "a.wav", samples, "FLOAT"))

    taken = channels(decoded, policy)

    assert [channel for channel, _ in taken] == expected
    for channel, signal in taken:
        wanted = samples.mean(axis=1) if channel is None else samples[:, channel]
        np.testing.assert_allclose(signal, wanted, atol=1e-6)


@pytest.mark.parametrize("sample_rate_hz", [8000, 16000, 44100, 48000])
def test_resampling_keeps_the_frequency_and_level_of_a_tone(sample_rate_hz: int) -> None:
    clip = _clip(_tone(1000, sample_rate_hz), sample_rate_hz)

    # A quarter of a second: bins are 4 Hz apart.
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    assert len(clip) == 4000
    assert spectrum.argmax() * 4 == 1000
    assert np.abs(clip[1000:3000]).max() == pytest.approx(0.5, rel=0.01)


def test_resampling_does_not_alias() -> None:
    clip = _clip(_tone(11000, 48000), 48000)

    # Sampled at 16 kHz without a filter it would be 5 kHz, at full level.
    assert np.abs(clip[500:3500]).max() < 1e-3


def _late_response() -> np.ndarray:
    rir = np.zeros(6000, np.float32)
    rir[2000:] = np.exp(-np.arange(4000) / 500) * np.random.default_rng(1).normal(0, 0.1, 4000)
    rir[2000] = 1.0
    return rir


def test_an_aligned_clip_starts_just_before_the_direct_sound() -> None:
    rir = _late_response()

    clip = _clip(rir, aligned=True, pre_direct_s=0.0025)

    assert direct_sound_index(clip) == 40
    np.testing.assert_array_equal(clip, rir[1960:5960])


def test_alignment_is_done_at_the_rate_of_the_clip() -> None:
    clip = _clip(_late_response(), 48000, aligned=True, pre_direct_s=0.005)

    assert direct_sound_index(clip) == pytest.approx(80, abs=3)


def test_a_clip_that_is_not_aligned_starts_with_the_file() -> None:
    rir = _late_response()

    np.testing.assert_array_equal(_clip(rir), rir[:4000])


def test_an_early_direct_sound_is_preceded_by_zeros() -> None:
    rir = _late_response()[2000:]

    clip = _clip(rir, aligned=True, pre_direct_s=0.0025)

    np.testing.assert_array_equal(clip[:40], 0.0)
    np.testing.assert_array_equal(clip[40:], rir[:3960])


def test_a_short_signal_is_filled_with_zeros_or_noise() -> None:
    short = _signal(1000, 1)[:, 0]

    assert not _clip(short)[1000:].any()
    assert _clip(short, fill="noise_floor")[1000:].all()


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_silent_channel_is_rejected(value: float) -> None:
    with pytest.raises(RejectedError, match="the analysed channel is silent") as caught:
        _clip(np.full(4000, value))
    assert caught.value.what_to_do == "choose another channel policy"


def test_a_signal_that_overflows_when_it_is_resampled_is_rejected() -> None:
    square = np.float32(3.4e38) * np.where(np.arange(4000) // 7 % 2, 1, -1)

    with pytest.raises(RejectedError, match="its values are too large"):
        _clip(square, 8000)


def test_a_signal_that_resampling_removes_is_rejected() -> None:
    with pytest.raises(RejectedError, match="nothing is left of it at 16000 Hz"):
        _clip(np.array([0.5, -0.5]), 192_000)


def test_a_signal_that_begins_after_the_clip_is_rejected() -> None:
    late = np.zeros(8000)
    late[5000:] = 0.1

    with pytest.raises(RejectedError, match=r"silent in the first 0\.25 s") as caught:
        _clip(late)
    assert "raise corpus.analysis.duration_s" in caught.value.what_to_do
