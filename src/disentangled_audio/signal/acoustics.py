"""Room-acoustic parameters of impulse responses, in bands and for many responses at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal.band_decay import (
    BAND_TOO_HIGH,
    DECAY_RANGES_DB,
    NO_RESPONSE,
    REASONS,
    SILENT,
    SILENT_BAND,
    BandDecay,
    Column,
    set_reason,
)
from disentangled_audio.signal.band_filters import FilterBank, energy_points
from disentangled_audio.signal.blocks import row_blocks
from disentangled_audio.signal.clip import direct_sound_index

# Short against the fastest decays in rooms, and far fewer points than samples.
_POINT_S = 0.0005
# The shortest response in which the search for the knee has enough windows.
_SHORTEST_S = 0.1
# Most of the work is on points, about this many times fewer than samples.
_BLOCK_SHARE = 16
# A band this far below the whole response holds only rounding errors.
_SILENT_BAND_SHARE = 1e-12


@dataclass(frozen=True)
class AcousticMeasures:
    """Which parameters to measure.

    Attributes
    ----------
    centre_hz : centres of the bands, in Hz; the whole response is measured as well.
    bands_per_octave : 1 for octave bands, 3 for third-octave bands.
    late_windows_s : start and end of each slope's window, in seconds after the direct sound.
    direct_s : length of the direct sound, in seconds.
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
    """Measure room-acoustic parameters of impulse responses.

    Each response is cut at its direct sound. Zero-phase filters separate the bands, so that no
    filter delays the energy; energy that a filter spreads before the direct sound counts as
    direct sound. Curves are compensated for noise (`decay.compensated_decay`) and sampled every
    half millisecond, those of bands every millisecond.

    Parameters
    ----------
    rir : (n_items, n_samples)
        Impulse responses, linear amplitude.
    n_recorded : (n_items,), optional
        Recorded samples of each row (default: all); the fill behind them is ignored. 0 marks a
        row that is not an impulse response. Silence at the end never counts.

    Returns
    -------
    values : (n_items, n_names)
        In the order of `measures.names`. EDT, T15, T20, T30 and `t_clear` (the same from the
        whole clear decay below -5 dB, at least 10 dB of it) in seconds; C50 and DRR in dB, D50 as
        a share; the noise floor in dB relative to the loudest half millisecond; slopes in dB per
        second, negative for a decay; the bandwidth in Hz. NaN where there is a reason.
    reasons : (n_items, n_names)
        Index into `REASONS` (uint8); 0 where there is a value.

    Notes
    -----
    A range of the curve counts only if it ends before the response does, and 10 dB above the
    energy that is extrapolated behind the knee.

    References
    ----------
    ISO 3382-1:2009, 5.3.3 and annex A (EDT, T, C50, D50); Zahorik (2002), J. Acoust. Soc. Am.
    111 (2.5 ms of direct sound for the direct-to-reverberant ratio).
    """
    measures = measures or AcousticMeasures()
    values = np.full((len(rir), len(measures.names)), np.nan)
    reasons = np.full(values.shape, NO_RESPONSE, dtype=np.uint8)
    if n_recorded is None:
        n_recorded = np.full(len(rir), rir.shape[1])
    responses = np.flatnonzero(n_recorded > 0)
    missing = max(0, round(_SHORTEST_S * sample_rate_hz) - rir.shape[1])
    rir = np.pad(rir, ((0, 0), (0, missing))) if missing else rir
    filters = FilterBank(
        rir.shape[1], sample_rate_hz, measures.centre_hz, measures.bands_per_octave
    )
    for block in row_blocks((len(responses), rir.shape[1] // _BLOCK_SHARE)):
        rows = responses[block]
        values[rows], reasons[rows] = _measure_rows(
            np.asarray(rir[rows], dtype=np.float64),
            n_recorded[rows],
            sample_rate_hz,
            measures,
            filters,
        )
    return values, reasons


def _measure_rows(
    rir: NDArray[np.float64],
    n_recorded: NDArray[np.integer],
    rate_hz: float,
    measures: AcousticMeasures,
    filters: FilterBank,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    response, n_samples = _align_to_direct_sound(rir, n_recorded)
    step = max(1, round(_POINT_S * rate_hz))
    whole = BandDecay(energy_points(response, step), n_samples // step, step / rate_hz, 0.0)
    columns = whole.columns(measures.late_windows_s)
    energy = np.square(response).sum(axis=1)
    # Single precision is 130 dB deep and takes half the time.
    single = response.astype(np.float32)
    spectra = {transform: fft.rfft(single, transform.n_fft) for transform in filters.transforms}
    for own in filters.bands:
        band = own.band(spectra[own.transform], n_samples)
        measured = band.columns(measures.late_windows_s)
        silent = band.total <= _SILENT_BAND_SHARE * energy
        measured = [set_reason(column, silent, SILENT_BAND) for column in measured]
        if own.is_too_high:
            every = np.ones(len(rir), dtype=bool)
            measured = [set_reason(column, every, BAND_TOO_HIGH) for column in measured]
        columns += measured
    bandwidth = _bandwidth(spectra[filters.transforms[0]], rate_hz, measures.bandwidth_share)
    columns += [whole.early_db(measures.direct_s), bandwidth]
    columns = [set_reason(column, energy == 0, SILENT) for column in columns]
    return np.stack([c[0] for c in columns], axis=1), np.stack([c[1] for c in columns], axis=1)


def _align_to_direct_sound(
    rir: NDArray[np.float64], n_recorded: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    """Scale responses to a peak of one and cut them at their direct sound; also their lengths."""
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


def _bandwidth(spectrum: NDArray[np.complex64], sample_rate_hz: float, share: float) -> Column:
    """Frequency below which the given share of the energy lies."""
    energy = np.cumsum(np.square(np.abs(spectrum)), axis=1)
    bins = np.argmax(energy >= share * energy[:, -1:], axis=1)
    # The transform has an even length.
    bin_hz = sample_rate_hz / (2 * (spectrum.shape[1] - 1))
    return bins * bin_hz, np.zeros(len(spectrum), dtype=np.uint8)


def reason_texts(names: list[str], reasons: NDArray[np.uint8]) -> Iterator[str]:
    """Say why values of each item are missing: `noise too near: t30_s, t30_125hz_s`."""
    for row in reasons:
        parts = []
        for code in np.unique(row[row > 0]):
            missing = [name for name, own in zip(names, row, strict=True) if own == code]
            listed = "all" if len(missing) == len(names) else ", ".join(missing)
            parts.append(f"{REASONS[code]}: {listed}")
        yield "; ".join(parts)
