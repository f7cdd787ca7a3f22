"""Tell whether two clips hold the same sound at a given shift, by the phases of their spectra."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.landmarks import HOP_S, LOWEST_BIN, frame_samples, spectra_of

# Of the same sound, with what noise and compression leave; of different ones, up to 0.22 in a note
# played again or a word said again.
_COHERENT = 0.25
# Coherence times seconds: a word can be said again so alike that its vowel reaches 0.5 for 0.3 s.
_COHERENT_S = 0.2
# The loudest stretch of the overlap is compared, which bounds the time for each pair.
_COMPARED_S = 1.0
# Frames quieter than this, relative to the loudest one, are not compared.
_RANGE_DB = 50.0
# Frames louder than this have to agree by themselves.
_LOUD_DB = 20.0
_FEWEST_FRAMES = 4
_LONGEST_LAG_S = 0.03
# Width of the correlation's own peak.
_PEAK_S = 0.0015
# Periodic sounds agree nearly as well one period later; a copy agrees at one lag alone.
_STANDS_OUT = 2.0
_INTERPOLATED = 4
_TINY = np.finfo(np.float32).tiny


class Agreement(NamedTuple):
    """How well two clips agree.

    Attributes
    ----------
    shift : int
        Number of samples after which the second clip starts in the first one.
    coherence : float
        Agreement of phases, the mean over frequencies in the median frame, of all frames or of the
        loud ones, whichever agree less: 1 for the same sound, near 0 for different ones; 0 if there
        is too little sound to compare, or if it agrees at other lags too.
    heard_s : float
        Seconds that were compared.
    """

    shift: int
    coherence: float = 0.0
    heard_s: float = 0.0

    @property
    def is_same_sound(self) -> bool:
        """Whether so much agreement is beyond chance and beyond imitation."""
        return self.coherence >= _COHERENT and self.coherence * self.heard_s >= _COHERENT_S


def agreement(
    first: NDArray[np.float32], second: NDArray[np.float32], shift: int, sample_rate_hz: int
) -> Agreement:
    """Compare the overlap of two clips, one of which may be shifted by 30 ms more or less.

    Each frame is whitened, so that every frequency counts alike: waveforms of any two sounds of the
    same pitch correlate. The median frame decides, not the mean: two impulse responses of one room
    share the direct sound, and nothing behind it. The loud frames have to agree too: responses that
    were measured with one equipment share its distortion, 50 dB below the peak, and nothing above.

    Parameters
    ----------
    first, second : (n_samples,)
    shift : int
        Samples after which the second clip starts in the first one; negative if it starts before.
    sample_rate_hz : int

    References
    ----------
    Knapp and Carter (1976), "The generalized correlation method for estimation of time delay".
    """
    found = _at(first, second, shift, sample_rate_hz)
    if found.coherence == 0 or found.shift == shift:
        return found
    # Frames that start together agree better.
    return _at(first, second, found.shift, sample_rate_hz)


def _at(
    first: NDArray[np.float32], second: NDArray[np.float32], shift: int, sample_rate_hz: int
) -> Agreement:
    stretches = _stretches(first, second, shift, sample_rate_hz)
    cross, is_loud = _cross_spectra(*stretches, sample_rate_hz)
    if len(cross) < _FEWEST_FRAMES:
        return Agreement(shift)
    lag, sign = _lag(cross.mean(axis=0), sample_rate_hz)
    if sign == 0:
        return Agreement(shift)
    bins = LOWEST_BIN + np.arange(cross.shape[1])
    turned = cross * np.exp(2j * np.pi * lag / frame_samples(sample_rate_hz) * bins)
    of_frames = sign * turned.real.mean(axis=1)
    medians = [np.median(of_frames), np.median(of_frames[is_loud])] if is_loud.any() else [0.0]
    coherence = max(0.0, float(min(medians)))
    return Agreement(shift + round(lag), coherence, HOP_S * len(cross))


def _stretches(
    first: NDArray[np.float32], second: NDArray[np.float32], shift: int, sample_rate_hz: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut the stretch of the overlap in which both clips are loud."""
    start, stop = max(0, shift), min(len(first), shift + len(second))
    if stop <= start:
        return first[:0], second[:0]
    one, other = first[start:stop], second[start - shift : stop - shift]
    n_compared, step = round(_COMPARED_S * sample_rate_hz), round(0.1 * sample_rate_hz)
    if len(one) <= n_compared:
        return one, other
    starts = np.arange(0, len(one) - n_compared + 1, step)
    energies = (np.append(0, np.cumsum(np.square(part, dtype=float))) for part in (one, other))
    loud = [energy[starts + n_compared] - energy[starts] for energy in energies]
    begin = starts[(loud[0] * loud[1]).argmax()]
    return one[begin : begin + n_compared], other[begin : begin + n_compared]


def _cross_spectra(
    first: NDArray[np.float32], second: NDArray[np.float32], sample_rate_hz: int
) -> tuple[NDArray[np.complexfloating], NDArray[np.bool_]]:
    """Phases (n_heard_frames, n_bins) by which the first sound precedes the second one, and which
    of these frames are loud in both."""
    if len(first) < frame_samples(sample_rate_hz):
        return np.zeros((0, 1), dtype=np.complex64), np.zeros(0, dtype=bool)
    spectra = [spectra_of(samples, sample_rate_hz)[:, LOWEST_BIN:] for samples in (first, second)]
    levels = np.minimum(*map(_relative_energy, spectra))
    heard = levels > 10 ** (-_RANGE_DB / 10)
    cross = spectra[0][heard] * np.conj(spectra[1][heard])
    phases = cross / np.maximum(np.abs(cross), _TINY)
    return phases.astype(np.complex64), levels[heard] > 10 ** (-_LOUD_DB / 10)


def _relative_energy(spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Energy of each frame, (n_frames,), relative to the loudest one; 0 for silence."""
    energy = np.square(np.abs(spectra)).sum(axis=1)
    return energy / np.maximum(energy.max(), _TINY)


def _lag(mean: NDArray[np.complexfloating], sample_rate_hz: int) -> tuple[float, int]:
    """Lag in samples at which the sounds agree, and their polarity; 0 if it does not stand out."""
    n_fft = _INTERPOLATED * frame_samples(sample_rate_hz)
    longest = round(_LONGEST_LAG_S * sample_rate_hz) * _INTERPOLATED
    spectrum = np.concatenate([np.zeros(LOWEST_BIN), mean])
    correlation = np.roll(fft.irfft(spectrum, n_fft), longest)[: 2 * longest + 1]
    size = np.abs(correlation)
    best = int(size.argmax())
    width = round(_PEAK_S * sample_rate_hz) * _INTERPOLATED
    others = np.concatenate([size[: max(0, best - width)], size[best + width + 1 :]])
    if size[best] < _STANDS_OUT * others.max():
        return 0.0, 0
    return (best - longest) / _INTERPOLATED, int(np.sign(correlation[best]))
