"""Building blocks of simulated room responses: absorption, diffuse sound, room modes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft

SPEED_OF_SOUND_M_S = 343.0
# Octave bands as in ISO 3382-1; the last one reaches the Nyquist frequency of 16 kHz audio.
OCTAVE_BANDS_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
# The coherence between microphones is constant within each of these strips of the spectrum.
_N_COHERENCE_STRIPS = 128
# Keeps the coherence matrix positive definite where microphones hear the same wave.
_COHERENCE_LOADING = 1e-4


def eyring_absorption(dimensions_m: tuple[float, float, float], rt60_s: float) -> float:
    """Mean energy absorption coefficient that gives a rectangular room its reverberation time.

    `dimensions_m` are length, width and height.

    References
    ----------
    Eyring (1930), "Reverberation time in 'dead' rooms": T = 24 ln(10) V / (-c S ln(1 - a)).
    """
    if rt60_s <= 0:
        raise ValueError(f"rt60_s must be above 0, not {rt60_s}")
    length, width, height = dimensions_m
    volume_m3 = length * width * height
    surface_m2 = 2 * (length * width + length * height + width * height)
    exponent = 24 * np.log(10) * volume_m3 / (SPEED_OF_SOUND_M_S * surface_m2 * rt60_s)
    return float(1 - np.exp(-exponent))


def mixing_time_s(volume_m3: float) -> float:
    """Time in seconds after which overlapping reflections make the sound diffuse.

    References
    ----------
    Polack (1988), "La transmission de l'energie sonore dans les salles": the square root of
    the volume in cubic metres, in milliseconds.
    """
    return float(np.sqrt(volume_m3)) / 1000


def octave_band_weights(
    frequency_hz: NDArray[np.floating], centre_hz: tuple[float, ...] = OCTAVE_BANDS_HZ
) -> NDArray[np.float32]:
    """Amplitude weights of neighbouring bands, crossfaded so that they add up to one.

    Parameters
    ----------
    frequency_hz : (n_bins,)
        Not negative.
    centre_hz
        Ascending; the outer bands reach to 0 and to infinity.

    Returns
    -------
    (n_bands, n_bins)
        Weights between 0 and 1; every column sums to 1.
    """
    centre_octave = np.log2(np.asarray(centre_hz))
    octave = np.log2(np.maximum(frequency_hz, centre_hz[0]))
    position = np.interp(octave, centre_octave, np.arange(len(centre_hz)))
    distance = np.abs(position - np.arange(len(centre_hz))[:, None])
    weights = np.cos(np.pi / 2 * np.minimum(distance, 1)) ** 2
    return weights.astype(np.float32)


def decay_envelope(
    n_samples: int, rt60_s: NDArray[np.floating] | float, sample_rate_hz: int
) -> NDArray[np.float32]:
    """Amplitude that falls by 60 dB in the reverberation time.

    Parameters
    ----------
    rt60_s : (...)

    Returns
    -------
    (..., n_samples)
        Envelopes, 1 at the first sample.

    References
    ----------
    ISO 3382-1, 3.5 (definition of the reverberation time).
    """
    time_s = np.arange(n_samples) / sample_rate_hz
    return (10.0 ** (-3.0 * time_s / np.asarray(rt60_s)[..., None])).astype(np.float32)


def diffuse_coherence(
    positions_m: NDArray[np.floating], frequency_hz: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Coherence between microphones in a spherically isotropic field.

    Parameters
    ----------
    positions_m : (n_channels, 3)
    frequency_hz : (n_bins,)

    Returns
    -------
    (n_bins, n_channels, n_channels)
        sin(kd) / kd for every pair, 1 on the diagonal.

    References
    ----------
    Cook et al. (1955), "Measurement of correlation coefficients in reverberant sound fields".
    """
    distance_m = np.linalg.norm(positions_m[:, None] - positions_m[None], axis=-1)
    return np.sinc(2 * frequency_hz[:, None, None] * distance_m / SPEED_OF_SOUND_M_S)


def diffuse_mixing(positions_m: NDArray[np.floating], sample_rate_hz: int) -> NDArray[np.complex64]:
    """Matrices that turn independent channels into a diffuse field, one per strip of the spectrum.

    Parameters
    ----------
    positions_m : (n_channels, 3)

    Returns
    -------
    (n_strips, n_channels, n_channels)
        Lower triangular factors of the coherence matrices.

    References
    ----------
    Habets, Cohen and Gannot (2008), "Generating nonstationary multisensor signals under a
    spatial coherence constraint".
    """
    width_hz = sample_rate_hz / 2 / _N_COHERENCE_STRIPS
    centre_hz = (np.arange(_N_COHERENCE_STRIPS) + 0.5) * width_hz
    coherence = diffuse_coherence(positions_m, centre_hz)
    loading = _COHERENCE_LOADING * np.eye(len(positions_m))
    factors = np.linalg.cholesky((coherence + loading) / (1 + _COHERENCE_LOADING))
    return factors.astype(np.complex64)


def diffuse_spectrum(
    n_samples: int, mixing: NDArray[np.complexfloating], rng: np.random.Generator
) -> NDArray[np.complex64]:
    """Real-FFT spectrum of white Gaussian noise in a diffuse field.

    It is drawn in the frequency domain, without a forward transform; the noise is periodic.

    Parameters
    ----------
    mixing : (n_strips, n_channels, n_channels)
        From `diffuse_mixing`.

    Returns
    -------
    (n_channels, n_samples // 2 + 1)
        Spectrum whose inverse transform has variance 1 in every channel.
    """
    n_channels = mixing.shape[-1]
    n_bins = n_samples // 2 + 1
    spectrum = rng.standard_normal((n_channels, 2 * n_bins), dtype=np.float32).view(np.complex64)
    spectrum *= np.float32(np.sqrt(n_samples / 2))
    if n_channels == 1:
        return spectrum
    edges = np.linspace(0, n_bins, len(mixing) + 1).astype(int)
    for strip, (first, last) in zip(mixing, pairwise(edges), strict=True):
        spectrum[:, first:last] = strip @ spectrum[:, first:last]
    return spectrum


def diffuse_tail(
    n_samples: int,
    *,
    rt60_s: NDArray[np.floating],
    volume_m3: float,
    sample_rate_hz: int,
    mixing: NDArray[np.complexfloating],
    rng: np.random.Generator,
    low_cut_hz: float = 0.0,
) -> NDArray[np.float32]:
    """Diffuse reverberation that decays by octave band, at the level of image sources.

    Weighted by their spreading loss, image sources have a constant density over time: 4 pi c^3
    t^2 / V sources a second, each of energy 1 / (4 pi c t)^2, give c / (4 pi V) a second. The
    walls' absorption turns this into an exponential decay.

    Parameters
    ----------
    n_samples
        Counted from the moment the source sounds.
    rt60_s : (7,)
        Of each band of `OCTAVE_BANDS_HZ`.
    mixing : (n_strips, n_channels, n_channels)
        From `diffuse_mixing`.
    low_cut_hz
        The tail has no energy below this frequency, where single modes take over.

    Returns
    -------
    (n_channels, n_samples)
        Tail for a point source of amplitude 1 / (4 pi r).

    References
    ----------
    Allen and Berkley (1979), "Image method for efficiently simulating small-room acoustics";
    Kuttruff, "Room Acoustics", 4.1 (density of reflections).
    """
    n_fft = fft.next_fast_len(n_samples, real=True)
    frequency_hz = fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    spectrum = diffuse_spectrum(n_fft, mixing, rng)
    spectrum[:, frequency_hz < low_cut_hz] = 0
    density = SPEED_OF_SOUND_M_S / (4 * np.pi * volume_m3 * sample_rate_hz)
    spectrum *= np.float32(np.sqrt(density))
    tail = np.zeros((len(spectrum), n_samples), dtype=np.float32)
    envelopes = decay_envelope(n_samples, rt60_s, sample_rate_hz)
    for weights, envelope in zip(octave_band_weights(frequency_hz), envelopes, strict=True):
        band = np.flatnonzero(weights)
        limited = np.zeros_like(spectrum)
        limited[:, band] = spectrum[:, band] * weights[band]
        tail += fft.irfft(limited, n_fft)[:, :n_samples] * envelope
    return tail


@dataclass(frozen=True)
class RoomModes:
    """Resonances of a rectangular room, lowest first.

    Attributes
    ----------
    orders : (n_modes, 3)
        Half waves along length, width and height.
    frequency_hz : (n_modes,)
    """

    orders: NDArray[np.int_]
    frequency_hz: NDArray[np.float64]


def room_modes(dimensions_m: tuple[float, float, float], n_modes: int) -> RoomModes:
    """Find the lowest resonances, at most 511, of a rectangular room with rigid walls.

    References
    ----------
    Kuttruff, "Room Acoustics", 3.2: f = c/2 sqrt((l/L)^2 + (m/W)^2 + (n/H)^2).
    """
    orders = np.indices((8, 8, 8)).reshape(3, -1).T[1:]
    wave_numbers = orders / np.asarray(dimensions_m)
    frequency_hz = SPEED_OF_SOUND_M_S / 2 * np.linalg.norm(wave_numbers, axis=1)
    lowest = np.argsort(frequency_hz, kind="stable")[:n_modes]
    return RoomModes(orders[lowest], frequency_hz[lowest])


def modal_response(
    n_samples: int,
    *,
    modes: RoomModes,
    dimensions_m: tuple[float, float, float],
    source_m: NDArray[np.floating],
    microphones_m: NDArray[np.floating],
    rt60_s: float,
    sample_rate_hz: int,
) -> NDArray[np.float32]:
    """Impulse response of a room's low resonances between a source and microphones.

    Parameters
    ----------
    n_samples
        Counted from the moment the source sounds.
    modes
        All below half the sample rate.
    source_m : (3,)
        Measured from the room's corner, like the microphones.
    microphones_m : (n_channels, 3)
    rt60_s
        At low frequencies.

    Returns
    -------
    (n_channels, n_samples)
        Response for a point source of amplitude 1 / (4 pi r).

    References
    ----------
    Kuttruff, "Room Acoustics", 3.1: the Green's function as a sum over the room's modes,
    c^2 / V * sum psi(source) psi(microphone) / (K omega) * sin(omega t) * decay.
    """
    half_waves = np.pi * modes.orders / np.asarray(dimensions_m)
    at_source = np.cos(half_waves * source_m).prod(axis=1)
    at_microphones = np.cos(half_waves * microphones_m[:, None]).prod(axis=2)
    # The mean of cos^2 over the room: 1/2 for each direction with at least one half wave.
    shape_energy = 0.5 ** np.count_nonzero(modes.orders, axis=1)
    omega = 2 * np.pi * modes.frequency_hz
    scale = SPEED_OF_SOUND_M_S**2 / (np.prod(dimensions_m) * sample_rate_hz)
    amplitude = scale * at_source * at_microphones / (shape_energy * omega)
    time_s = np.arange(n_samples) / sample_rate_hz
    waves = np.sin(omega[:, None] * time_s).astype(np.float32)
    waves *= decay_envelope(n_samples, rt60_s, sample_rate_hz)
    # Not `@`: its last bit depends on the number of threads of the linear algebra library.
    return np.einsum("cm,mt->ct", amplitude.astype(np.float32), waves)


def crossfade_gains(
    n_samples: int, first: int, last: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gains that fade between two unrelated sounds from `first` to `last` at constant energy.

    Returns
    -------
    (n_samples,), (n_samples,)
        Gain of the first and of the second sound; their squares add up to 1.
    """
    progress = np.clip((np.arange(n_samples) - first) / max(last - first, 1), 0, 1)
    return (
        np.cos(np.pi / 2 * progress).astype(np.float32),
        np.sin(np.pi / 2 * progress).astype(np.float32),
    )
