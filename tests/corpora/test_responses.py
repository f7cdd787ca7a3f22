"""Impulse responses told from other sounds by their shape."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from disentangled_audio.corpora.responses import are_impulse_responses, is_impulse_response
from tests.calling import make_noise

RATE_HZ = 44100
TIME_S = np.arange(RATE_HZ) / RATE_HZ
# More than enough to see a share of false alarms, and few enough to read in a second or two.
MOST_READ = 100


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(RATE_HZ)


def _kick(seed: int) -> np.ndarray:
    falling = 2 * np.pi * np.cumsum(50 + 120 * np.exp(-30 * TIME_S)) / RATE_HZ
    return np.sin(falling) * np.exp(-12 * TIME_S) + 0.3 * _noise(seed) * np.exp(-400 * TIME_S)


def _snare(seed: int) -> np.ndarray:
    skin = 0.7 * np.sin(2 * np.pi * 190 * TIME_S) * np.exp(-20 * TIME_S)
    return skin + _noise(seed) * np.exp(-25 * TIME_S)


def _tom(seed: int) -> np.ndarray:
    return np.sin(2 * np.pi * (80 + 30 * seed) * TIME_S) * np.exp(-8 * TIME_S)


def _hi_hat(seed: int) -> np.ndarray:
    return np.diff(_noise(seed), prepend=0) * np.exp(-80 * TIME_S)


def _cymbal(seed: int) -> np.ndarray:
    return np.diff(_noise(seed), n=2, prepend=[0, 0]) * np.exp(-6 * TIME_S)


def _clap(seed: int) -> np.ndarray:
    return _noise(seed) * (2 * np.exp(-300 * TIME_S) + 0.5 * np.exp(-25 * TIME_S))


def _response(seed: int, direct: float = 40.0) -> np.ndarray:
    """A direct sound after 50 ms, and a diffuse tail of 0.6 s."""
    tail = _noise(seed) * 10 ** (-3 * TIME_S / 0.6)
    tail[0] = direct
    return np.concatenate([np.zeros(2205), tail]) + 1e-3 * np.random.default_rng(
        seed
    ).standard_normal(RATE_HZ + 2205)


@pytest.mark.parametrize("stroke", [_kick, _snare, _tom, _hi_hat, _cymbal, _clap])
@pytest.mark.parametrize("attack_s", [0.0005, 0.002])
def test_drum_strokes_are_no_responses(stroke, attack_s: float) -> None:
    for seed in range(5):
        sound = stroke(seed) * np.minimum(1.0, TIME_S / attack_s) + 1e-4 * _noise(seed + 5)
        assert not is_impulse_response(sound, RATE_HZ), seed


def test_a_direct_sound_and_a_tail_are_a_response_at_any_level() -> None:
    for seed in range(5):
        assert is_impulse_response(_response(seed), RATE_HZ)
        assert is_impulse_response(1e-3 * _response(seed).astype(np.float32), RATE_HZ)


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(1000),
        np.full(1000, np.nan),
        _noise(1),
        _response(1, direct=4.0),
        # A second event.
        np.concatenate([_response(1), _response(2)]),
        # Only an impulse.
        np.eye(1, 1000)[0],
        # Too late.
        np.concatenate([1e-3 * _noise(1), _response(1)]),
        np.ones(1),
    ],
    ids=["silence", "NaN", "noise", "no impulse", "two events", "no decay", "late", "one sample"],
)
def test_other_signals_are_no_responses(signal: np.ndarray) -> None:
    assert not is_impulse_response(signal, RATE_HZ)


def test_most_recordings_decide_and_unreadable_ones_do_not_stop(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(5)]
    for path in paths[:3]:
        soundfile.write(path, _response(1) / 50, RATE_HZ)
    paths[3].write_bytes(b"no audio")
    make_noise(tmp_path, paths[4].name, 1.0, RATE_HZ)

    assert are_impulse_responses(paths)
    assert not are_impulse_responses(paths[1:])


@pytest.mark.parametrize(
    ("folder", "pattern", "expected"),
    [
        ("slr28_real", "*.wav", 1.0),
        ("fsdd", "recordings/*.wav", 0.0),
        ("esc10", "*/*.ogg", 0.0),
        ("philharmonia", "**/*.mp3", 0.0),
    ],
)
def test_real_responses_are_noticed_and_no_other_sound_is(
    real_data: Path, folder: str, pattern: str, expected: float
) -> None:
    files = sorted((real_data / folder).glob(pattern))
    read = map(soundfile.read, files[:: max(1, len(files) // MOST_READ)])
    found = [
        is_impulse_response(signal.T[0] if signal.ndim > 1 else signal, rate)
        for signal, rate in read
    ]

    assert np.mean(found) == expected
    assert are_impulse_responses(files) == bool(expected)
