"""Room-acoustic parameters of impulse responses, in bands and for many responses at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.blocks import row_blocks
from disentangled_audio.signal.clip import direct_sound_index
from disentangled_audio.signal.decay import (
    Decay,
    attenuated_ratio,
    band_gains,
    compensated_decay,
    relative_bandwidth,
    ringing_samples,
)

# Why a value is NaN; a code is a place in this list.
REASONS = (
    "",
    "not an impulse response",
    "silent",
    "silent band",
    "band above half the sampling rate",
    "noise too near",
    "response ends too early",
    "decay too fast",
)
_OK, _NO_RESPONSE, _SILENT, _SILENT_BAND, _BAND_TOO_HIGH, _NOISY, _ENDS, _FAST = range(len(REASONS))
# Parts of the decay curve, in dB (ISO 3382-1, 5.3.3 and annex A). The early decay time starts
# a tenth of a decibel down, as in pyrato, so that a flat start does not count as decay.
DECAY_RANGES_DB = {"edt": (-0.1, -10.1), "t15": (-5, -20), "t20": (-5, -25), "t30": (-5, -35)}
# All of the decay that is clear: the more of it lies late, the less the distance from the
# source counts.
CLEAR_FROM_DB = -5.0
_LEAST_CLEAR_DB = 10.0
# Single precision is rounding noise not far below.
_CLEAR_TO_DB = -90.0
EARLY_S = 0.05
# Short against the fastest decays in rooms, and much less to look at than all samples.
_POINT_S = 0.0005
# The envelope of a band moves more slowly.
_BAND_POINT_S = 0.001
# The windows in which the knee is looked for fit in.
_SHORTEST_S = 0.1
# Most of the work is on the points, of which there are fewer than samples.
_BLOCK_SHARE = 16
# ISO 3382-1, 5.3.3: what is measured ends 10 dB above the noise.
_MARGIN = 10.0
# What a band's filter weakens by more is cut off.
_CUT_OFF_DB = 50.0
# So many times the lowest centre and more, filters ring for so much less that they get a shorter
# transform of their own.
_HIGH_BANDS = 8.0
# A band this far below the whole response holds rounding errors.
_SILENT_BAND_SHARE = 1e-12


@dataclass(frozen=True)
class AcousticMeasures:
    """What is measured of each response.

    Attributes
    ----------
    centre_hz : centres of the bands, in Hz; the whole response is measured beside them.
    bands_per_octave : 1 for octave bands, 3 for third-octave bands.
    late_windows_s : start and end of the parts whose slope is measured, in seconds after the
        direct sound.
    direct_s : how long the direct sound lasts from its start, in seconds.
    bandwidth_share : share of the energy below the bandwidth.
    """

    centre_hz: tuple[float, ...] = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)
    bands_per_octave: int = 1
    late_windows_s: tuple[tuple[float, float], ...] = ((0.05, 0.1), (0.1, 0.2), (0.2, 0.4))
    direct_s: float = 0.0025
    bandwidth_share: float = 0.99

    @property
    def names(self) -> list[str]:
        """Column names, with units, in the order of the values."""
        bands = ["", *(f"_{centre:g}hz" for centre in self.centre_hz)]
        in_bands = [name for band in bands for name in self._names_of(band)]
        return [*in_bands, "drr_db", "bandwidth_hz"]

    def _names_of(self, band: str) -> list[str]:
        slopes = [
            f"slope_{1000 * start:g}_{1000 * end:g}ms{band}_db_per_s"
            for start, end in self.late_windows_s
        ]
        return [
            *(f"{name}{band}_s" for name in DECAY_RANGES_DB),
            f"t_clear{band}_s",
            f"c50{band}_db",
            f"d50{band}",
            f"noise_floor{band}_db",
            *slopes,
        ]


def measure(
    rir: NDArray[np.floating],
    sample_rate_hz: float,
    n_recorded: NDArray[np.integer] | None = None,
    measures: AcousticMeasures | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Room-acoustic parameters of impulse responses.

    The direct sound is found in each response and everything before it is cut off. Bands are cut
    out by zero-phase filters in one transform, so that no filter delays the energy; what a band's
    filter spreads to before the direct sound is counted as direct. Curves are compensated for
    noise (`decay.compensated_decay`) and are sampled every half of a millisecond, those of bands
    every millisecond.

    Parameters
    ----------
    rir : (n_items, n_samples)
        Impulse responses, linear amplitude.
    sample_rate_hz
        Sample rate in Hz.
    n_recorded : (n_items,), optional
        How many samples of each row are recorded; what follows is fill and is not looked at. A
        row of 0 is no impulse response. All of them, without it; silence at the end never counts.
    measures : AcousticMeasures, optional
        What is measured.

    Returns
    -------
    values : (n_items, n_names)
        In the order of `measures.names`. EDT, T15, T20 and T30 in seconds, and `t_clear`, the
        same from all of the decay below -5 dB that is clear (at least 10 dB); C50 and DRR in dB,
        D50 as a share; the noise floor in dB relative to the loudest half of a millisecond;
        slopes in dB per second, negative for a decay; the bandwidth in Hz. NaN where there is a
        reason.
    reasons : (n_items, n_names)
        uint8, places in `REASONS`; 0 where there is a value.

    Notes
    -----
    A range of the curve counts only where it ends 10 dB above the energy that is extrapolated
    behind the knee, and before the response does.

    References
    ----------
    ISO 3382-1:2009, 5.3.3 and annex A (EDT, T, C50, D50); Zahorik (2002), J. Acoust. Soc. Am.
    111 (2.5 ms of direct sound for the direct-to-reverberant ratio).
    """
    measures = measures or AcousticMeasures()
    values = np.full((len(rir), len(measures.names)), np.nan)
    reasons = np.full(values.shape, _NO_RESPONSE, dtype=np.uint8)
    if n_recorded is None:
        n_recorded = np.full(len(rir), rir.shape[1])
    responses = np.flatnonzero(n_recorded > 0)
    missing = max(0, round(_SHORTEST_S * sample_rate_hz) - rir.shape[1])
    rir = np.pad(rir, ((0, 0), (0, missing))) if missing else rir
    filters = _Filters(rir.shape[1], sample_rate_hz, measures)
    for block in row_blocks((len(responses), rir.shape[1] // _BLOCK_SHARE)):
        rows = responses[block]
        values[rows], reasons[rows] = _measure_rows(
            np.asarray(rir[rows], dtype=np.float64), n_recorded[rows], filters
        )
    return values, reasons


def _measure_rows(
    rir: NDArray[np.float64], n_recorded: NDArray[np.integer], filters: _Filters
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    response, n_samples = _from_direct_sound(rir, n_recorded)
    rate_hz, measures = filters.sample_rate_hz, filters.measures
    step = max(1, round(_POINT_S * rate_hz))
    whole = _Band(_points(response, step), n_samples // step, step / rate_hz, 0.0)
    columns = whole.measured(measures)
    energy = np.square(response).sum(axis=1)
    # Single precision is 130 dB deep and takes half the time.
    single = response.astype(np.float32)
    spectra = {transform: fft.rfft(single, transform.n_fft) for transform in filters.transforms}
    for own in filters.bands:
        band = own.band(spectra[own.transform], n_samples)
        measured = band.measured(measures)
        silent = band.total <= _SILENT_BAND_SHARE * energy
        measured = [_refused(column, silent, _SILENT_BAND) for column in measured]
        if own.is_too_high:
            every = np.ones(len(rir), dtype=bool)
            measured = [_refused(column, every, _BAND_TOO_HIGH) for column in measured]
        columns += measured
    bandwidth = _bandwidth(spectra[filters.transforms[0]], rate_hz, measures.bandwidth_share)
    columns += [whole.early_db(measures.direct_s), bandwidth]
    columns = [_refused(column, energy == 0, _SILENT) for column in columns]
    return np.stack([c[0] for c in columns], axis=1), np.stack([c[1] for c in columns], axis=1)


class _Filters:
    """Filters of all bands for responses of some length; what they share is computed once."""

    def __init__(self, n_samples: int, sample_rate_hz: float, measures: AcousticMeasures) -> None:
        self.sample_rate_hz, self.measures = sample_rate_hz, measures
        width = measures.bands_per_octave
        high_from_hz = _HIGH_BANDS * min(measures.centre_hz)
        is_high = [centre >= high_from_hz for centre in measures.centre_hz]
        groups = [
            [c for c, own in zip(measures.centre_hz, is_high, strict=True) if own is high]
            for high in (False, True)
        ]
        self.transforms = [
            _Transform(n_samples, min(group), sample_rate_hz, width) for group in groups if group
        ]
        self.bands = [
            _BandFilter(centre, self.transforms[high], sample_rate_hz, width)
            for centre, high in zip(measures.centre_hz, is_high, strict=True)
        ]


class _Transform:
    """A Fourier transform in which responses fit, and the filters of their bands ring out."""

    def __init__(
        self, n_samples: int, lowest_hz: float, sample_rate_hz: float, bands_per_octave: int
    ) -> None:
        self.n_samples = n_samples
        self.ringing = ringing_samples(sample_rate_hz, (lowest_hz,), bands_per_octave)
        every = _kept_every(lowest_hz, sample_rate_hz, bands_per_octave)
        n_kept = -(-(n_samples + self.ringing) // every)
        self.n_fft = every * fft.next_fast_len(2 * (-(-n_kept // 2)), real=True)
        self.n_fft += self.n_fft % 2


def _kept_every(centre_hz: float, sample_rate_hz: float, bands_per_octave: int) -> int:
    """Greatest power of two that leaves a rate which holds all that the filter passes."""
    highest_hz = centre_hz * attenuated_ratio(_CUT_OFF_DB, bands_per_octave)
    return 2 ** max(0, int(np.log2(sample_rate_hz / (2 * highest_hz))))


class _BandFilter:
    """One band of the responses' spectrum, given back at a rate that suits it."""

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
        self._every = _kept_every(centre_hz, sample_rate_hz, bands_per_octave)
        self._rate_hz = sample_rate_hz / self._every
        # Where the response ends, the filter rings.
        self._edge = round(sample_rate_hz / (width * centre_hz))
        self._n_bins = transform.n_fft // self._every // 2 + 1
        (gain,) = band_gains(transform.n_fft, sample_rate_hz, (centre_hz,), bands_per_octave)
        # Each kept sample stands for `every` ones, of which it is the middle.
        middle = np.pi * (self._every - 1) / transform.n_fft
        delay = np.exp(1j * middle * np.arange(self._n_bins))
        self._gain = (gain[: self._n_bins] * delay / np.sqrt(self._every)).astype(np.complex64)

    def band(self, spectrum: NDArray[np.complex64], n_samples: NDArray[np.integer]) -> _Band:
        """The band's energy over time; what lies before the direct sound is counted as direct."""
        transform, every = self.transform, self._every
        kept = fft.irfft(spectrum[:, : self._n_bins] * self._gain, transform.n_fft // every)
        step = max(1, round(_BAND_POINT_S * self._rate_hz))
        points = _points(kept[:, : transform.n_samples // every], step)
        # The transform is circular: its end is what lies before the direct sound. Half of the
        # ringing is left for each side; it is 90 dB down by then.
        before = kept[:, -(transform.ringing // (2 * every)) :]
        points[:, 0] += np.einsum("ij,ij->i", before, before, dtype=np.float64)
        n_points = np.maximum(n_samples - self._edge, 0) // (every * step)
        return _Band(points, n_points, step / self._rate_hz, self._centre_hz)


def _from_direct_sound(
    rir: NDArray[np.float64], n_recorded: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    """Responses with a peak of one, moved to begin with their direct sound, and their lengths."""
    moved, lengths = np.zeros_like(rir), np.zeros(len(rir), dtype=int)
    for row, (signal, n_samples) in enumerate(zip(rir, n_recorded, strict=True)):
        magnitude = np.abs(signal[:n_samples])
        peak = magnitude.max(initial=0.0)
        if peak == 0:
            continue
        first = direct_sound_index(magnitude)
        last = len(magnitude) - int((magnitude[::-1] > 0).argmax())
        lengths[row] = last - first
        np.divide(signal[first:last], peak, out=moved[row, : last - first])
    return moved, lengths


def _points(signal: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Energy of each `step` samples, (n_items, n_points)."""
    n_points = signal.shape[1] // step
    pieces = signal[:, : n_points * step].reshape(len(signal), n_points, step)
    # So few values lose nothing in single precision; widening each takes three times as long.
    return np.einsum("ijk,ijk->ij", pieces, pieces).astype(np.float64, copy=False)


# A value for each item, and the code of the reason where there is none.
Column = tuple[NDArray[np.float64], NDArray[np.uint8]]


class _Band:
    """One band of some responses.

    Parameters
    ----------
    energy : (n_items, n_points)
    n_points : (n_items,)
        How many points are measured.
    point_s : float
        Time between points.
    centre_hz : float
        0 for the whole response.
    """

    def __init__(
        self,
        energy: NDArray[np.float64],
        n_points: NDArray[np.integer],
        point_s: float,
        centre_hz: float,
    ) -> None:
        self._energy = energy
        self.total = energy.sum(axis=1)
        self._point_s = point_s
        # Lundeby's 10 ms, and longer where a band's envelope moves slowly.
        window_s = 0.01 + (0.8 / centre_hz if centre_hz else 0.0)
        self._decay: Decay = compensated_decay(energy, n_points, round(window_s / point_s))
        self._first = np.maximum(self._decay.remaining[:, 0], np.finfo(float).tiny)
        level_db = np.maximum(self._decay.remaining, np.finfo(float).tiny)
        level_db /= self._first[:, None]
        np.log10(level_db, out=level_db)
        level_db *= 10
        self._level_db = level_db
        self._sums = _RunningSums(self._level_db)

    def measured(self, measures: AcousticMeasures) -> list[Column]:
        """Every measure of a band, in the order of its names."""
        times = [self._decay_time(*range_db) for range_db in DECAY_RANGES_DB.values()]
        times.append(self._clear_decay_time())
        c50_db, reason = self.early_db(EARLY_S)
        d50 = 1 / (1 + 10 ** (-c50_db / 10))
        slopes = [self._slope_between(*window) for window in measures.late_windows_s]
        return [*times, (c50_db, reason), (d50, reason), self._noise_floor_db(), *slopes]

    def early_db(self, early_s: float) -> Column:
        """Energy up to a time over the energy after it, in dB."""
        late = self._share_at(early_s)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio_db = 10 * np.log10((1 - late) / late)
        return self._checked(ratio_db, late > self._decay.beyond / self._first)

    def _decay_time(self, start_db: float, end_db: float) -> Column:
        ends_db = np.full(len(self._first), end_db)
        return self._checked(self._time_s(start_db, ends_db), self._is_clear(10 ** (end_db / 10)))

    def _clear_decay_time(self) -> Column:
        with np.errstate(divide="ignore"):
            clear_db = 10 * np.log10(_MARGIN * self._decay.beyond / self._first)
        ends_db = np.maximum(clear_db, _CLEAR_TO_DB)
        enough = ends_db <= CLEAR_FROM_DB - _LEAST_CLEAR_DB
        return self._checked(self._time_s(CLEAR_FROM_DB, ends_db), enough)

    def _time_s(self, start_db: float, ends_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Time to fall by 60 dB on the line through each curve from its start to its end."""
        first = np.argmax(self._level_db <= start_db, axis=1)
        last = np.argmax(self._level_db < ends_db[:, None], axis=1)
        slope = self._sums.slope(first, last)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(slope < 0, -60 / slope, np.nan) * self._point_s

    def _slope_between(self, start_s: float, end_s: float) -> Column:
        first, last = (
            np.full(len(self._first), min(round(time_s / self._point_s), self._energy.shape[1]))
            for time_s in (start_s, end_s)
        )
        slope = self._sums.slope(first, last) / self._point_s
        return self._checked(slope, self._is_clear(self._share_at(end_s)))

    def _noise_floor_db(self) -> Column:
        loudest = np.maximum(self._energy.max(axis=1), np.finfo(float).tiny)
        with np.errstate(divide="ignore"):
            floor_db = 10 * np.log10(self._decay.noise / loudest)
        return self._checked(floor_db, self._decay.reaches_floor | ~self._decay.is_found)

    def _share_at(self, time_s: float) -> NDArray[np.float64]:
        """Share of the energy that remains at a time; 0 after the response."""
        place = time_s / self._point_s
        before = int(place)
        if before + 1 >= self._level_db.shape[1]:
            return np.zeros(len(self._first))
        # A line in dB is exact for an exponential.
        levels = self._level_db[:, before : before + 2]
        weight = place - before
        return 10 ** ((levels[:, 0] * (1 - weight) + levels[:, 1] * weight) / 10)

    def _is_clear(self, share: float | NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a remaining energy is far enough above what was extrapolated."""
        return share * self._first >= _MARGIN * self._decay.beyond

    def _checked(self, values: NDArray[np.float64], is_clear: NDArray[np.bool_]) -> Column:
        too_short = np.where(self._decay.reaches_floor, _NOISY, _ENDS)
        # Without a decay above the noise there is nothing to measure, however long it lasts.
        too_short = np.where(self._decay.is_found, too_short, _NOISY)
        unclear = ~(is_clear & self._decay.is_found)
        reason = np.where(unclear, too_short, np.where(np.isfinite(values), _OK, _FAST))
        return np.where(reason == _OK, values, np.nan), reason.astype(np.uint8)


class _RunningSums:
    """Least-squares slopes of any part of some curves, from sums up to each point."""

    def __init__(self, curves: NDArray[np.float64]) -> None:
        n_points = curves.shape[1]
        self._middle = (n_points - 1) / 2
        self._sum = _summed(curves)
        self._moment = _summed(curves * (np.arange(n_points) - self._middle))

    def slope(self, first: NDArray[np.integer], last: NDArray[np.integer]) -> NDArray[np.float64]:
        """Slope per point of points `first` to `last` - 1; NaN for fewer than two."""
        rows = np.arange(len(first))
        count = np.maximum(last - first, 0).astype(float)
        count[count < 2] = np.nan
        total = self._sum[rows, last] - self._sum[rows, first]
        moment = self._moment[rows, last] - self._moment[rows, first]
        centre = (first + last - 1) / 2 - self._middle
        # The sum of squares of n whole numbers around their mean is n (n² - 1) / 12.
        return (moment - centre * total) / (count * (count**2 - 1) / 12)


def _summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _bandwidth(spectrum: NDArray[np.complex64], sample_rate_hz: float, share: float) -> Column:
    """Frequency below which the given share of the energy lies."""
    energy = np.cumsum(np.square(np.abs(spectrum)), axis=1)
    bins = np.argmax(energy >= share * energy[:, -1:], axis=1)
    # All of these transforms are of an even length.
    bin_hz = sample_rate_hz / (2 * (spectrum.shape[1] - 1))
    return bins * bin_hz, np.zeros(len(spectrum), dtype=np.uint8)


def _refused(column: Column, rows: NDArray[np.bool_], code: int) -> Column:
    values, reason = column
    return np.where(rows, np.nan, values), np.where(rows, np.uint8(code), reason)


def reason_texts(names: list[str], reasons: NDArray[np.uint8]) -> Iterator[str]:
    """What each item lacks and why, such as `noise too near: t30_s, t30_125hz_s`."""
    for row in reasons:
        parts = []
        for code in np.unique(row[row > 0]):
            missing = [name for name, own in zip(names, row, strict=True) if own == code]
            listed = "all" if len(missing) == len(names) else ", ".join(missing)
            parts.append(f"{REASONS[code]}: {listed}")
        yield "; ".join(parts)
