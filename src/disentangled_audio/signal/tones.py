"""Synthetic voices: harmonics of a fundamental, shaped by resonances, gated in a rhythm."""

import numpy as np
from numpy.typing import NDArray


def formant_gains(
    frequency_hz: NDArray[np.floating],
    formants_hz: NDArray[np.floating],
    bandwidths_hz: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Magnitude of a cascade of resonators, each of gain 1 at 0 Hz.

    Parameters
    ----------
    frequency_hz : (...)
    formants_hz, bandwidths_hz : (n_formants,)
        Centre and half-power bandwidth of each resonance.

    Returns
    -------
    (...)

    References
    ----------
    Klatt (1980), "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am. 67,
    section II; here the analogue resonator, (f0² + b²/4) / ((f - f0)² + b²/4) for each pole pair.
    """
    f = np.asarray(frequency_hz, dtype=np.float64)[..., np.newaxis]
    half = np.asarray(bandwidths_hz, dtype=np.float64) / 2
    centre = np.asarray(formants_hz, dtype=np.float64)
    poles = np.hypot(f - centre, half) * np.hypot(f + centre, half)
    return np.prod((centre**2 + half**2) / poles, axis=-1)


def harmonic_tone(
    n_samples: int,
    sample_rate_hz: int,
    f0_hz: float,
    formants_hz: NDArray[np.floating],
    bandwidths_hz: NDArray[np.floating],
    rng: np.random.Generator,
    tilt_db_per_octave: float = -6.0,
) -> NDArray[np.float64]:
    """Steady tone of all harmonics below 0.45 of the sampling rate.

    Parameters
    ----------
    formants_hz, bandwidths_hz : (n_formants,)
    rng : numpy.random.Generator
        Draws the phases, so that no clip has the peaks of a pulse train.
    tilt_db_per_octave : float
        Slope of the source, re 1 kHz.

    Returns
    -------
    (n_samples,)
        Root mean square 1.
    """
    n_harmonics = int(0.45 * sample_rate_hz / f0_hz)
    if n_harmonics < 1:
        raise ValueError(f"f0_hz={f0_hz:g} leaves no harmonic at {sample_rate_hz} Hz")
    harmonics_hz = f0_hz * np.arange(1, n_harmonics + 1)
    amplitude = 10 ** (tilt_db_per_octave * np.log2(harmonics_hz / 1000) / 20)
    amplitude *= formant_gains(harmonics_hz, formants_hz, bandwidths_hz)
    phases = rng.uniform(0, 2 * np.pi, n_harmonics)
    times_s = np.arange(n_samples) / sample_rate_hz
    angles = 2 * np.pi * np.outer(times_s, harmonics_hz) + phases
    tone = np.cos(angles) @ amplitude
    return tone / np.sqrt(np.mean(np.square(tone)))


def onset_gates(
    n_samples: int,
    sample_rate_hz: int,
    onsets_s: NDArray[np.floating],
    note_s: float,
    fade_s: float = 0.008,
) -> NDArray[np.float64]:
    """Envelope of equal notes with raised-cosine flanks.

    Parameters
    ----------
    onsets_s : (n_onsets,)
        Start of each note.
    note_s : float
        Length of a note with its flanks.
    fade_s : float
        Length of a flank.

    Returns
    -------
    (n_samples,)
        0 outside the notes, 1 inside; overlapping notes do not add up.
    """
    times_s = np.arange(n_samples) / sample_rate_hz
    since = times_s - np.asarray(onsets_s, dtype=np.float64)[:, np.newaxis]
    edge = np.minimum(since, note_s - since) / fade_s
    return np.sin(np.pi / 2 * np.clip(edge, 0, 1)).max(axis=0, initial=0.0) ** 2
