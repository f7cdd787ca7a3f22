"""Measures of one band's decay, each with the reason where it has no value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.signal.decay import Decay, compensated_decay

# Why a value is NaN, by code.
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
OK, NO_RESPONSE, SILENT, SILENT_BAND, BAND_TOO_HIGH, NOISY, ENDS, FAST = range(len(REASONS))
# Parts of the decay curve, in dB (ISO 3382-1, 5.3.3 and annex A). The early decay time starts
# a tenth of a decibel down, as in pyrato, so that a flat start does not count as decay.
DECAY_RANGES_DB = {"edt": (-0.1, -10.1), "t15": (-5, -20), "t20": (-5, -25), "t30": (-5, -35)}
# `t_clear` uses the whole clear decay: the later it ends, the less the distance from the source
# matters.
_CLEAR_FROM_DB = -5.0
_MIN_CLEAR_DB = 10.0
# Below this lie the rounding errors of single precision.
_CLEAR_TO_DB = -90.0
_EARLY_S = 0.05
# ISO 3382-1, 5.3.3: the evaluated range ends 10 dB above the noise.
_MARGIN = 10.0

# A value for each item, and the code of the reason where there is none.
Column = tuple[NDArray[np.float64], NDArray[np.uint8]]


class BandDecay:
    """Decay of one band in several responses.

    Parameters
    ----------
    energy : (n_items, n_points)
    n_points : (n_items,)
        Measured points; the others are ignored.
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

    def columns(self, late_windows_s: tuple[tuple[float, float], ...]) -> list[Column]:
        """Measure everything that `AcousticMeasures.names` lists for one band, in that order."""
        times = [self._decay_time(*range_db) for range_db in DECAY_RANGES_DB.values()]
        times.append(self._clear_decay_time())
        c50_db, reason = self.early_db(_EARLY_S)
        d50 = 1 / (1 + 10 ** (-c50_db / 10))
        slopes = [self._slope_between(*window) for window in late_windows_s]
        return [*times, (c50_db, reason), (d50, reason), self._noise_floor_db(), *slopes]

    def early_db(self, early_s: float) -> Column:
        """Ratio in dB of the energy before a time to the energy after it."""
        late = self._share_at(early_s)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio_db = 10 * np.log10((1 - late) / late)
        return self._with_reasons(ratio_db, late > self._decay.beyond / self._first)

    def _decay_time(self, start_db: float, end_db: float) -> Column:
        ends_db = np.full(len(self._first), end_db)
        return self._with_reasons(
            self._time_s(start_db, ends_db), self._is_clear(10 ** (end_db / 10))
        )

    def _clear_decay_time(self) -> Column:
        with np.errstate(divide="ignore"):
            clear_db = 10 * np.log10(_MARGIN * self._decay.beyond / self._first)
        ends_db = np.maximum(clear_db, _CLEAR_TO_DB)
        enough = ends_db <= _CLEAR_FROM_DB - _MIN_CLEAR_DB
        return self._with_reasons(self._time_s(_CLEAR_FROM_DB, ends_db), enough)

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
        return self._with_reasons(slope, self._is_clear(self._share_at(end_s)))

    def _noise_floor_db(self) -> Column:
        loudest = np.maximum(self._energy.max(axis=1), np.finfo(float).tiny)
        with np.errstate(divide="ignore"):
            floor_db = 10 * np.log10(self._decay.noise / loudest)
        return self._with_reasons(floor_db, self._decay.reaches_floor | ~self._decay.is_found)

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
        """Whether the remaining energy is at least 10 dB above the extrapolated energy."""
        return share * self._first >= _MARGIN * self._decay.beyond

    def _with_reasons(self, values: NDArray[np.float64], is_clear: NDArray[np.bool_]) -> Column:
        too_short = np.where(self._decay.reaches_floor, NOISY, ENDS)
        # Without a decay above the noise there is nothing to measure at any length.
        too_short = np.where(self._decay.is_found, too_short, NOISY)
        unclear = ~(is_clear & self._decay.is_found)
        reason = np.where(unclear, too_short, np.where(np.isfinite(values), OK, FAST))
        return np.where(reason == OK, values, np.nan), reason.astype(np.uint8)


class _RunningSums:
    """Least-squares slopes of any part of the curves, from cumulative sums."""

    def __init__(self, curves: NDArray[np.float64]) -> None:
        n_points = curves.shape[1]
        self._middle = (n_points - 1) / 2
        self._sum = _cumulative(curves)
        self._moment = _cumulative(curves * (np.arange(n_points) - self._middle))

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


def _cumulative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def set_reason(column: Column, rows: NDArray[np.bool_], code: int) -> Column:
    """Replace the values of some rows with NaN and the code of a reason."""
    values, reason = column
    return np.where(rows, np.nan, values), np.where(rows, np.uint8(code), reason)
