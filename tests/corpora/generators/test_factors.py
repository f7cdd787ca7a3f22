"""Measurements on the synthesised clips recover their content, rhythm and pitch."""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal import find_peaks

from disentangled_audio.corpora.generators import factors
from disentangled_audio.corpora.generators.factors import (
    RHYTHMS,
    VOWELS_HZ,
    draw_clip,
    factors_files,
    generate_factors,
    level_f0_hz,
    synthesise_clip,
)
from disentangled_audio.parameters import FactorsSource
from disentangled_audio.signal.clip import rms

# All levels that there are, once: the hardest case to tell apart.
WIDEST = FactorsSource(
    generator="factors", content_levels=8, rhythm_levels=6, pitch_levels=5, takes=1
)
DEFAULT = FactorsSource(generator="factors")
RATE_HZ = 16000


@pytest.fixture(scope="module")
def clips() -> dict[str, np.ndarray]:
    """One clip of every combination, as written to a file: 16 bit."""
    made = {
        name: synthesise_clip(name, levels, WIDEST)
        for name, levels in factors_files(WIDEST).items()
    }
    return {name: np.round(clip * 2**15) / 2**15 for name, clip in made.items()}


def _envelope(clip: np.ndarray) -> np.ndarray:
    """Short-time level, a value a sample; longer than the longest period, 11 ms."""
    kernel = np.hanning(240)
    return np.sqrt(np.convolve(clip**2, kernel / kernel.sum(), mode="same"))


def _measured_onsets_s(clip: np.ndarray) -> np.ndarray:
    """Where the envelope rises through half of its highest value."""
    above = _envelope(clip) > 0.5 * _envelope(clip).max()
    rises = np.flatnonzero(above[1:] & ~above[:-1]) / RATE_HZ
    # The beats of the harmonics may cross the threshold more than once in a note.
    return rises[np.diff(rises, prepend=-1) > 0.03]


def _measured_f0_hz(clip: np.ndarray) -> float:
    """Highest peak of the autocorrelation of the loud part, between 70 and 400 Hz."""
    loud = clip * (_envelope(clip) > 0.5 * _envelope(clip).max())
    correlation = np.fft.irfft(np.abs(np.fft.rfft(loud, 4 * len(loud))) ** 2)
    shortest, longest = RATE_HZ // 400, RATE_HZ // 70
    peaks = find_peaks(correlation[shortest:longest])[0] + shortest
    # The shortest period that is nearly as good as the best; multiples are, too.
    best = next(lag for lag in peaks if correlation[lag] > 0.85 * correlation[peaks].max())
    left, middle, right = correlation[best - 1 : best + 2]
    return RATE_HZ / (best + 0.5 * (left - right) / (left - 2 * middle + right))


def _harmonic_levels_db(clip: np.ndarray, f0_hz: float) -> tuple[np.ndarray, np.ndarray]:
    n_fft = 2**17
    spectrum = np.abs(np.fft.rfft(clip, n_fft))
    harmonics_hz = f0_hz * np.arange(1, int(4000 / f0_hz))
    bins = np.round(harmonics_hz * n_fft / RATE_HZ).astype(int)
    return harmonics_hz, 20 * np.log10([spectrum[b - 8 : b + 9].max() for b in bins])


def _nearest_vowel(clip: np.ndarray, f0_hz: float) -> int:
    """Vowel whose envelope, computed from the published formants, fits the harmonics best."""
    harmonics_hz, measured_db = _harmonic_levels_db(clip, f0_hz)
    misfits = []
    for formants_hz in VOWELS_HZ.values():
        squared = np.ones(len(harmonics_hz))
        for centre, width in zip(formants_hz, (60, 90, 150), strict=True):
            pole = 2j * np.pi * harmonics_hz - (-np.pi * width + 2j * np.pi * centre)
            mirror = 2j * np.pi * harmonics_hz - (-np.pi * width - 2j * np.pi * centre)
            squared /= np.abs(pole * mirror) ** 2
        expected_db = 10 * np.log10(squared) - 6 * np.log2(harmonics_hz)
        # Weaker harmonics drown in the noise and in the flanks of the notes.
        heard = measured_db > measured_db.max() - 30
        misfits.append(np.std(measured_db[heard] - expected_db[heard]))
    return int(np.argmin(misfits))


def test_the_fundamental_is_within_two_percent_of_the_planted_one(clips: dict) -> None:
    errors = {
        name: _measured_f0_hz(clip) / level_f0_hz(levels.pitch, WIDEST.pitch_levels) - 1
        for (name, levels), clip in zip(factors_files(WIDEST).items(), clips.values(), strict=True)
    }

    assert {name: error for name, error in errors.items() if abs(error) > 0.02} == {}


def test_the_envelope_matches_the_planted_vowel(clips: dict) -> None:
    wrong = [
        name
        for name, levels in factors_files(WIDEST).items()
        if _nearest_vowel(clips[name], draw_clip(name, levels, WIDEST).f0_hz) != levels.content
    ]

    assert wrong == []


def test_onsets_are_where_they_were_planted(clips: dict) -> None:
    for name, levels in factors_files(WIDEST).items():
        planted = draw_clip(name, levels, WIDEST)
        # The flank reaches half of its amplitude after a half of its 8 ms.
        measured = _measured_onsets_s(clips[name]) - 0.004

        assert len(measured) == len(planted.onsets_s), name
        np.testing.assert_allclose(measured, planted.onsets_s, atol=0.012, err_msg=name)


def test_onset_intervals_identify_the_rhythm(clips: dict) -> None:
    for name, levels in factors_files(WIDEST).items():
        measured = _measured_onsets_s(clips[name])
        misfits = [
            np.abs(np.diff(measured) - 0.44 * np.diff(pattern)).max()
            if len(pattern) == len(measured)
            else np.inf
            for pattern in RHYTHMS.values()
        ]
        assert np.argmin(misfits) == levels.rhythm, name


def test_every_combination_occurs_equally_often() -> None:
    levels = Counter(factors_files(DEFAULT).values())

    assert len(levels) == 5 * 4 * 5
    assert set(levels.values()) == {10}


@pytest.mark.parametrize("fact", ["duration_s", "level_dbfs", "snr_db"])
def test_nuisance_parameters_do_not_depend_on_the_levels(fact: str) -> None:
    table = pd.DataFrame(
        {
            "content": levels.content,
            "rhythm": levels.rhythm,
            "pitch": levels.pitch,
            "fact": getattr(draw_clip(name, levels, DEFAULT), fact),
        }
        for name, levels in factors_files(DEFAULT).items()
    )
    for factor in ("content", "rhythm", "pitch"):
        groups = table.groupby(factor)["fact"]
        # Share of the variance between levels: (levels - 1) / (n - 1) is what chance gives.
        explained = groups.mean().loc[table[factor]].var() / table["fact"].var()
        assert explained < 0.02, factor


def test_the_level_of_the_sound_does_not_depend_on_the_factors(clips: dict) -> None:
    measured = pd.DataFrame(
        {
            **vars(levels),
            "excess_db": 20 * np.log10(rms(clips[name]) * np.sqrt(len(clips[name])))
            - draw_clip(name, levels, WIDEST).level_dbfs,
        }
        for name, levels in factors_files(WIDEST).items()
    )
    for factor in ("content", "rhythm", "pitch"):
        means = measured.groupby(factor)["excess_db"].mean()
        assert means.max() - means.min() < 1.0, factor


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    few = {"content_levels": 2, "rhythm_levels": 2, "pitch_levels": 2, "takes": 2}
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        source = FactorsSource(generator="factors", seed=seed, **few)
        generate_factors(tmp_path / name, source)

    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 16
    for file in files:
        one, same, other = ((tmp_path / n / file).read_bytes() for n in ("one", "same", "other"))
        assert one == same
        assert one != other


def test_more_takes_keep_the_first_ones() -> None:
    more = FactorsSource(generator="factors", takes=12)
    name, levels = next(iter(factors_files(DEFAULT).items()))

    assert set(factors_files(DEFAULT)) < set(factors_files(more))
    np.testing.assert_array_equal(
        synthesise_clip(name, levels, DEFAULT), synthesise_clip(name, levels, more)
    )


def test_files_are_mono_with_the_configured_durations(tmp_path: Path) -> None:
    source = FactorsSource(
        generator="factors",
        content_levels=2,
        rhythm_levels=2,
        pitch_levels=2,
        takes=1,
        min_duration_s=0.5,
        max_duration_s=2.0,
    )
    reports: list[tuple[int, int]] = []

    generate_factors(tmp_path / "clips", source, lambda done, total: reports.append((done, total)))

    assert reports == [(n, 8) for n in range(1, 9)]
    for path in (tmp_path / "clips").iterdir():
        info = soundfile.info(path)
        assert (info.channels, info.samplerate, info.subtype) == (1, RATE_HZ, "PCM_16")
        assert 0.5 <= info.duration <= 2.0
        assert np.abs(soundfile.read(path)[0]).max() < 0.99


def test_an_interrupted_generation_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_factors(tmp_path / "clips", DEFAULT, interrupt)

    assert list(tmp_path.iterdir()) == []


@given(st.integers(2, 8), st.integers(2, 6), st.integers(2, 12), st.integers(1, 4))
def test_there_are_as_many_files_as_combinations_and_takes(
    content: int, rhythm: int, pitch: int, takes: int
) -> None:
    source = FactorsSource(
        generator="factors",
        content_levels=content,
        rhythm_levels=rhythm,
        pitch_levels=pitch,
        takes=takes,
    )

    levels = set(factors_files(source).values())

    assert len(factors_files(source)) == content * rhythm * pitch * takes
    assert {(level.content, level.rhythm, level.pitch) for level in levels} == set(
        product(range(content), range(rhythm), range(pitch))
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("content_levels", 9), ("rhythm_levels", 7), ("pitch_levels", 1), ("takes", 0)],
)
def test_settings_out_of_range_are_refused_by_name(key: str, value: int) -> None:
    with pytest.raises(ValidationError, match=key):
        FactorsSource.model_validate({"generator": "factors", key: value})


def test_durations_must_rise() -> None:
    with pytest.raises(ValidationError, match=r"min_duration_s \(1.5\) is above max_duration_s"):
        FactorsSource(generator="factors", min_duration_s=1.5, max_duration_s=1.0)


def test_there_are_as_many_levels_as_the_parameters_allow() -> None:
    most = {
        key: next(m.le for m in FactorsSource.model_fields[key].metadata if hasattr(m, "le"))
        for key in ("content_levels", "rhythm_levels")
    }

    assert most == {"content_levels": len(VOWELS_HZ), "rhythm_levels": len(factors.RHYTHMS)}


def test_all_names_are_equally_long() -> None:
    names = list(factors.factors_files(WIDEST))
    assert len({len(name) for name in names}) == 1
    assert len({name.lower() for name in names}) == len(names)
