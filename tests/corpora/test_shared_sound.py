"""Copies, changed copies and overlapping cuts are found; sounds that are only alike are not."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from scipy import signal

from disentangled_audio.corpora.shared_sound import shared_sound, sound_groups
from disentangled_audio.parameters import ParallelParameters
from disentangled_audio.storage.chunk_store import stored_arrays

RATE_HZ = 16_000
CLIP_S = 2.0
N_CLIP = round(CLIP_S * RATE_HZ)
N_SOUNDS = 6
ONE_JOB = ParallelParameters(n_jobs=1)
Samples = np.ndarray


def _events(seed: int, seconds: float = 4.0) -> Samples:
    """Decaying tones over noise: what a room full of things sounds like."""
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * RATE_HZ)
    heard = 0.03 * signal.lfilter([1], [1, -0.8], rng.standard_normal(n_samples))
    for start in rng.integers(0, n_samples, round(4 * seconds)):
        times_s = np.arange(n_samples - start) / RATE_HZ
        decay = np.exp(-times_s / rng.uniform(0.05, 0.3))
        heard[start:] += 0.5 * decay * np.sin(2 * np.pi * rng.uniform(200, 3000) * times_s)
    return heard.astype(np.float32)


def _found(
    folder: Path, clips: list[Samples], paths: list[str] | None = None, **columns: Any
) -> pd.DataFrame:
    """Pairs among clips, which zeros fill; names are their numbers."""
    table = np.stack([np.pad(clip, (0, N_CLIP - len(clip))) for clip in clips]).astype(np.float32)
    names = [str(number) for number in range(len(clips))]
    recordings = pd.DataFrame({"recording_id": names, "path": paths or names, "sha256": names})
    lengths = [len(clip) / RATE_HZ for clip in clips]
    waveforms = stored_arrays(
        folder / "clips", len(clips), 5, lambda rows: {"waveforms": table[rows]}, ONE_JOB
    )["waveforms"]
    waveforms.attrs.update({"sample_rate_hz": RATE_HZ, "corpus_hash": "made"})
    recordings = recordings.assign(duration_s=lengths, **columns)
    return shared_sound(waveforms, recordings, folder / "store", ONE_JOB)


def _compressed(samples: Samples) -> Samples:
    file = io.BytesIO()
    soundfile.write(file, samples / np.abs(samples).max(), RATE_HZ, format="MP3")
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def _filtered(samples: Samples, low_hz: float, high_hz: float) -> Samples:
    band = signal.butter(4, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    return signal.sosfilt(band, samples)


def _resampled(samples: Samples, rate_hz: float) -> Samples:
    return soxr.resample(soxr.resample(samples, RATE_HZ, rate_hz), rate_hz, RATE_HZ)


def _noise(samples: Samples, below_db: float) -> Samples:
    level = np.sqrt(np.square(samples).mean()) * 10 ** (-below_db / 20)
    # The same noise in two clips would be sound that they share.
    rng = np.random.default_rng(zlib.crc32(samples.tobytes()))
    return level * rng.standard_normal(len(samples))


def _faded(samples: Samples) -> Samples:
    n_fade = RATE_HZ // 2
    ramp = np.ones(N_CLIP)
    ramp[:n_fade] = np.linspace(0, 1, n_fade)
    return samples[:N_CLIP] * ramp * ramp[::-1]


CHANGES: dict[str, Callable[[Samples], Samples]] = {
    "none": lambda samples: samples,
    "level": lambda samples: 0.01 * samples,
    "polarity": np.negative,
    "rate": lambda samples: _resampled(samples, 9000),
    "offset": lambda samples: samples + 0.5,
    "noise 30 dB below": lambda samples: samples + _noise(samples, 30),
    "MP3": _compressed,
    "telephone": lambda samples: _filtered(samples, 300, 3400),
    "low-pass": lambda samples: _filtered(samples, 20, 2500),
    "fades": _faded,
    "clipped": lambda samples: np.clip(samples, -0.3, 0.3),
    "8 bits": lambda samples: np.round(samples * 64) / 64,
    "silence before": lambda samples: np.concatenate([np.zeros(5000), samples]),
    "mono of stereo": lambda samples: samples + 0.3 * np.roll(samples, 7) + _noise(samples, 20),
}


@pytest.mark.parametrize("shift_s", [0.0, 0.8])
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_and_a_changed_overlapping_cut_are_found(
    name: str, shift_s: float, tmp_path: Path
) -> None:
    sounds = [_events(seed) for seed in range(N_SOUNDS)]
    # Not a multiple of the frames' hop.
    n_shift = round(shift_s * RATE_HZ) + 77
    changed = [CHANGES[name](sounds[k][n_shift:])[:N_CLIP] for k in range(N_SOUNDS)]
    pairs = _found(tmp_path, [*(sound[:N_CLIP] for sound in sounds), *changed])
    expected = {(str(k), str(k + N_SOUNDS)) for k in range(N_SOUNDS)}
    assert set(zip(pairs["recording_id"], pairs["other_id"], strict=True)) == expected
    late_s = pairs["start_s"] - pairs["other_start_s"]
    delay_s = {"silence before": 5000 / RATE_HZ, "MP3": 0}.get(name, 0)
    # An encoder delays by some frames of its own.
    tolerance_s = 0.08 if name == "MP3" else 0.002
    np.testing.assert_allclose(late_s, n_shift / RATE_HZ - delay_s, atol=tolerance_s)
    np.testing.assert_allclose(pairs["shared_s"], CLIP_S - late_s.abs(), atol=1e-6)


def _note(seed: int) -> Samples:
    """A note played again: the same harmonics, with other phases and other breath."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(N_CLIP) / RATE_HZ
    harmonics = sum(
        np.sin(2 * np.pi * 220 * k * times_s + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 12)
    )
    return 0.2 * harmonics * np.exp(-times_s) + 0.005 * rng.standard_normal(N_CLIP)


def _response(seed: int) -> Samples:
    """Another position of a room: the same direct sound of the loudspeaker, another tail."""
    decay = np.exp(-6.9 * np.arange(N_CLIP) / RATE_HZ / 0.8)
    response = 0.1 * decay * np.random.default_rng(seed).standard_normal(N_CLIP)
    response[:300] += np.hanning(300) * np.random.default_rng(0).standard_normal(300)
    return response


def _distorted(seed: int) -> Samples:
    """A response of a dry room over what the equipment adds to each measurement."""
    decay = np.exp(-6.9 * np.arange(N_CLIP) / RATE_HZ / 0.2)
    response = decay * np.random.default_rng(seed).standard_normal(N_CLIP)
    return response + 0.005 * _events(1, CLIP_S)


ALIKE: dict[str, Callable[[int], Samples]] = {
    "notes": _note,
    "impulse responses": _response,
    "responses over one distortion": _distorted,
    "noises": lambda seed: 0.1 * np.random.default_rng(seed).standard_normal(N_CLIP),
    "tones": lambda seed: np.sin(2 * np.pi * 1000 * np.arange(N_CLIP) / RATE_HZ + seed),
    "silence": lambda seed: np.zeros(N_CLIP),
    "clicks": lambda seed: np.eye(1, N_CLIP, 8000 + 10 * seed)[0],
    "hum over noises": lambda seed: (
        np.sin(2 * np.pi * 50 * np.arange(N_CLIP) / RATE_HZ)
        + 0.01 * np.random.default_rng(seed).standard_normal(N_CLIP)
    ),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_sounds_that_are_alike_are_no_copies(kind: str, tmp_path: Path) -> None:
    assert _found(tmp_path, [ALIKE[kind](seed) for seed in range(12)]).empty


def test_files_with_the_same_bytes_are_pairs_whatever_they_hold(tmp_path: Path) -> None:
    clips = [ALIKE["tones"](0)] * 3
    pairs = _found(tmp_path, clips, sha256=["x", "y", "x"])
    assert pairs[["recording_id", "other_id"]].to_numpy().tolist() == [["0", "2"]]


def test_channels_of_a_file_are_no_pair(tmp_path: Path) -> None:
    clip = _events(0)[:N_CLIP]
    pairs = _found(tmp_path, [clip, -clip, 0.5 * clip], paths=["a", "a", "b"])
    found = set(zip(pairs["recording_id"], pairs["other_id"], strict=True))
    assert found == {("0", "2"), ("1", "2")}


def test_all_of_many_copies_are_in_one_group(tmp_path: Path) -> None:
    """More copies than a landmark has neighbours."""
    sound = _events(0)
    clips = [sound[40 * k :][:N_CLIP] for k in range(15)]
    pairs = _found(tmp_path, [*clips, _events(1)[:N_CLIP]])
    recordings = pd.DataFrame({"recording_id": [str(k) for k in range(16)]})
    recordings["path"] = recordings["recording_id"]
    assert sound_groups(recordings, pairs).tolist() == ["0"] * 15 + ["15"]


def test_a_group_is_connected_over_others_and_named_after_its_first_file() -> None:
    recordings = pd.DataFrame(
        {"recording_id": ["p#0", "p#1", "q", "r", "s"], "path": ["p", "p", "q", "r", "s"]}
    )
    pairs = pd.DataFrame({"recording_id": ["q", "p#1"], "other_id": ["r", "r"]})
    assert sound_groups(recordings, pairs).tolist() == ["p", "p", "p", "p", "s"]
