"""Synthesised clips with known and independent content, rhythm and pitch.

Content is a spectral envelope (the formants of a vowel), rhythm a pattern of onsets with its rate,
pitch a fundamental frequency. Every combination of their levels occurs equally often. Everything
else (duration, level, noise, time of the first onset, detuning, shifts of the formants) is drawn
from distributions that do not depend on the levels, so only a factor itself reveals its level.
All notes of a clip are equal, and all rhythms sound equally long in total, so energy is no cue.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from disentangled_audio.parameters import FactorsSource
from disentangled_audio.signal.tones import harmonic_tone, onset_gates
from disentangled_audio.storage.disk_errors import require_free
from disentangled_audio.storage.temporaries import complete_folder

# Names of levels are equally long, so that the length of a file name reveals nothing, and differ
# in more than case, which some file systems ignore.
# Formants 1 to 3 in Hz, means over men: Peterson and Barney (1952), "Control methods used in a
# study of the vowels", J. Acoust. Soc. Am. 24, table II; named by their ARPAbet symbols and
# ordered so that neighbours differ.
VOWELS_HZ = {
    "iy": (270, 2290, 3010),
    "aa": (730, 1090, 2440),
    "uw": (300, 870, 2240),
    "ae": (660, 1720, 2410),
    "er": (490, 1350, 1690),
    "ao": (570, 840, 2410),
    "eh": (530, 1840, 2480),
    "ih": (390, 1990, 2550),
}
# Onsets as shares of the pattern's duration, which their number turns into a rate. Patterns are
# even or uneven (a lilt is one long and two short, a snap has the long one in the middle).
RHYTHMS = {
    "pair": (0.0, 0.5),
    "trio": (0.0, 1 / 3, 2 / 3),
    "lilt": (0.0, 0.5, 0.75),
    "five": (0.0, 0.2, 0.4, 0.6, 0.8),
    "snap": (0.0, 0.25, 0.75),
    "quad": (0.0, 0.25, 0.5, 0.75),
}
_BANDWIDTHS_HZ = np.array([60.0, 90.0, 150.0])
_F0_RANGE_HZ = (90.0, 270.0)
_F0_JITTER = 0.01
_FORMANT_JITTER = 0.02
_FIRST_ONSET_S = (0.02, 0.06)
_ONSET_JITTER_S = 0.004
# Sounding time of a clip as a share of its pattern, split among its notes.
_SOUNDING_SHARE = 0.45
_PATTERN_S = 0.44
_LEVEL_DBFS = (-30.0, -18.0)
_SNR_DB = (30.0, 45.0)


@dataclass(frozen=True)
class Levels:
    """Level of each factor of a clip, counted from 0."""

    content: int
    rhythm: int
    pitch: int


@dataclass(frozen=True)
class Planted:
    """Parameters from which a clip is synthesised.

    Attributes
    ----------
    f0_hz : float
        Fundamental frequency.
    formants_hz : (3,)
        Resonance frequencies.
    onsets_s : (n_onsets,)
        Starts of the notes, from the start of the clip.
    note_s : float
        Duration of each note.
    duration_s, level_dbfs, snr_db : float
        Duration of the clip, RMS level of its notes, and that level above the noise.
    """

    f0_hz: float
    formants_hz: NDArray[np.float64]
    onsets_s: NDArray[np.float64]
    note_s: float
    duration_s: float
    level_dbfs: float
    snr_db: float


def level_f0_hz(level: int, n_levels: int) -> float:
    """Give the fundamental of a pitch level; levels are equally spaced in log frequency."""
    low, high = _F0_RANGE_HZ
    return low * (high / low) ** (level / max(n_levels - 1, 1))


def factors_files(source: FactorsSource) -> dict[str, Levels]:
    """List the levels of every clip by file name; each combination occurs equally often."""
    combinations = product(
        range(source.content_levels),
        range(source.rhythm_levels),
        range(source.pitch_levels),
        range(source.takes),
    )
    vowels, rhythms = list(VOWELS_HZ), list(RHYTHMS)
    return {
        f"{vowels[c]}_{rhythms[r]}_{level_f0_hz(p, source.pitch_levels):03.0f}hz_{take:03d}.wav": (
            Levels(c, r, p)
        )
        for c, r, p, take in combinations
    }


def draw_clip(name: str, levels: Levels, source: FactorsSource) -> Planted:
    """Draw the parameters of a clip, which depend only on its name, its levels and the source."""
    rng = _generator(name, source.seed)
    formants_hz = np.array(list(VOWELS_HZ.values())[levels.content], dtype=float)
    pattern = np.array(list(RHYTHMS.values())[levels.rhythm])
    first_s = rng.uniform(*_FIRST_ONSET_S)
    jitter_s = rng.uniform(-_ONSET_JITTER_S, _ONSET_JITTER_S, len(pattern))
    return Planted(
        f0_hz=level_f0_hz(levels.pitch, source.pitch_levels)
        * (1 + rng.uniform(-_F0_JITTER, _F0_JITTER)),
        formants_hz=formants_hz * (1 + rng.uniform(-1, 1, 3) * _FORMANT_JITTER),
        onsets_s=first_s + pattern * _PATTERN_S + jitter_s,
        note_s=_SOUNDING_SHARE * _PATTERN_S / len(pattern),
        duration_s=rng.uniform(source.min_duration_s, source.max_duration_s),
        level_dbfs=rng.uniform(*_LEVEL_DBFS),
        snr_db=rng.uniform(*_SNR_DB),
    )


def synthesise_clip(name: str, levels: Levels, source: FactorsSource) -> NDArray[np.float64]:
    """Synthesise the samples of a clip, (n_samples,), full scale 1."""
    planted = draw_clip(name, levels, source)
    # A different random stream from the one that drew the parameters.
    rng = _generator(name, source.seed + 1)
    rate_hz = source.sample_rate_hz
    n_samples = round(planted.duration_s * rate_hz)
    n_sounding = min(n_samples, round((_FIRST_ONSET_S[1] + 1.1 * _PATTERN_S) * rate_hz))
    tone = harmonic_tone(
        n_sounding, rate_hz, planted.f0_hz, planted.formants_hz, _BANDWIDTHS_HZ, rng
    )
    gates = onset_gates(n_sounding, rate_hz, planted.onsets_s, planted.note_s)
    level = 10 ** (planted.level_dbfs / 20)
    clip = level * 10 ** (-planted.snr_db / 20) * rng.standard_normal(n_samples)
    clip[:n_sounding] += level * tone * gates
    return clip


def generate_factors(
    folder: Path, source: FactorsSource, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write all clips as mono 16-bit wav files; the folder appears complete or not at all.

    `progress` is called with the number of files written so far and their total number.

    Raises
    ------
    FileExistsError
        If the folder exists and is not empty.
    """
    clips = factors_files(source)
    n_bytes = round(2 * len(clips) * source.max_duration_s * source.sample_rate_hz)
    with complete_folder(folder) as unfinished:
        require_free(unfinished, n_bytes, "the synthesised corpus")
        for count, (name, levels) in enumerate(clips.items(), start=1):
            samples = synthesise_clip(name, levels, source)
            soundfile.write(unfinished / name, samples, source.sample_rate_hz, subtype="PCM_16")
            if progress is not None:
                progress(count, len(clips))


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
