"""Zero-phase band filters of impulse responses, in one transform, at reduced sample rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.band_decay import BandDecay
from disentangled_audio.signal.decay import (
    attenuated_ratio,
    band_gains,
    relative_bandwidth,
    ringing_samples,
)

# Band envelopes move slowly, so one point a millisecond is enough.
_BAND_POINT_S = 0.001
# Spectrum beyond the frequency where the filter reaches this attenuation is cut off.
_CUT_OFF_DB = 50.0
# Filters of bands this many times above the lowest centre ring so much shorter that they get a
# shorter transform.
_HIGH_BANDS = 8.0


class FilterBank:
    """Filters of all bands for responses of one length, computed once and shared."""

    def __init__(
        self,
        n_samples: int,
        sample_rate_hz: float,
        centre_hz: tuple[float, ...],
        bands_per_octave: int,
    ) -> None:
        high_from_hz = _HIGH_BANDS * min(centre_hz)
        low = [centre for centre in centre_hz if centre < high_from_hz]
        high = [centre for centre in centre_hz if centre >= high_from_hz]
        self.transforms = [
            _Transform(n_samples, min(group), sample_rate_hz, bands_per_octave)
            for group in (low, high)
            if group
        ]
        self.bands = [
            _BandFilter(
                centre, self.transforms[centre >= high_from_hz], sample_rate_hz, bands_per_octave
            )
            for centre in centre_hz
        ]


class _Transform:
    """Length of a Fourier transform that holds the responses and the ringing of their filters."""

    def __init__(
        self, n_samples: int, lowest_hz: float, sample_rate_hz: float, bands_per_octave: int
    ) -> None:
        self.n_samples = n_samples
        self.ringing = ringing_samples(sample_rate_hz, (lowest_hz,), bands_per_octave)
        every = _decimation(lowest_hz, sample_rate_hz, bands_per_octave)
        n_kept = -(-(n_samples + self.ringing) // every)
        self.n_fft = every * fft.next_fast_len(2 * (-(-n_kept // 2)), real=True)
        self.n_fft += self.n_fft % 2


class _BandFilter:
    """Filter of one band, whose output has a reduced sample rate."""

    def __init__(
        self,
        centre_hz: float,
        transform: _Transform,
        sample_rate_hz: float,
        bands_per_octave: int,
    ) -> None:
        width = relative_bandwidth(bands_per_octave)
        self.transform = transform
        self.is_too_high = centre_hz * (1 + width / 2) > sample_rate_hz / 2
        self._centre_hz = centre_hz
        self._every = _decimation(centre_hz, sample_rate_hz, bands_per_octave)
        self._rate_hz = sample_rate_hz / self._every
        # The filter rings where the response ends, so these samples are not measured.
        self._edge = round(sample_rate_hz / (width * centre_hz))
        self._n_bins = transform.n_fft // self._every // 2 + 1
        (gain,) = band_gains(transform.n_fft, sample_rate_hz, (centre_hz,), bands_per_octave)
        # Each kept sample stands for `every` samples and lies in their middle.
        middle = np.pi * (self._every - 1) / transform.n_fft
        delay = np.exp(1j * middle * np.arange(self._n_bins))
        self._gain = (gain[: self._n_bins] * delay / np.sqrt(self._every)).astype(np.complex64)

    def band(self, spectrum: NDArray[np.complex64], n_samples: NDArray[np.integer]) -> BandDecay:
        """Filter the band; its energy before the direct sound counts as direct sound."""
        transform, every = self.transform, self._every
        kept = fft.irfft(spectrum[:, : self._n_bins] * self._gain, transform.n_fft // every)
        step = max(1, round(_BAND_POINT_S * self._rate_hz))
        points = energy_points(kept[:, : transform.n_samples // every], step)
        # The transform is circular: its end holds the time before the direct sound. Each side has
        # room for half of the ringing, which is 90 dB down by then.
        before = kept[:, -(transform.ringing // (2 * every)) :]
        points[:, 0] += np.einsum("ij,ij->i", before, before, dtype=np.float64)
        n_points = np.maximum(n_samples - self._edge, 0) // (every * step)
        return BandDecay(points, n_points, step / self._rate_hz, self._centre_hz)


def _decimation(centre_hz: float, sample_rate_hz: float, bands_per_octave: int) -> int:
    """Largest power of two by which the band's sample rate can be divided without aliasing."""
    highest_hz = centre_hz * attenuated_ratio(_CUT_OFF_DB, bands_per_octave)
    return 2 ** max(0, int(np.log2(sample_rate_hz / (2 * highest_hz))))


def energy_points(signal: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Sum the energy of every `step` samples, (n_items, n_points)."""
    n_points = signal.shape[1] // step
    pieces = signal[:, : n_points * step].reshape(len(signal), n_points, step)
    # Single precision is exact enough for so few values, and three times as fast as double.
    return np.einsum("ijk,ijk->ij", pieces, pieces).astype(np.float64, copy=False)
