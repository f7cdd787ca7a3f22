"""From room-acoustic parameters to what tells rooms apart wherever one stands in them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_DECAY_NAME = re.compile(r"t_clear_(?P<centre_hz>[\d.]+(e\+\d+)?)hz_s")


def decay_features(
    values: NDArray[np.float64], names: list[str]
) -> tuple[NDArray[np.float64], list[str]]:
    """Natural logarithm of the decay time in each band.

    Of all room-acoustic parameters the late decay depends least on where source and microphone
    stand: the direct sound, and with it DRR, C50, D50 and the early decay time, belong to the
    position. So only the times of the whole clear decay are taken. Their estimates err by a
    share of their value, so logarithms err alike at short and at long times, and a room's
    absorption, which scales them, shifts them.

    A band that could not be measured takes the value of its neighbours, on a line over the
    logarithm of frequency, or that of the outermost measured band: absorption varies slowly
    with frequency. Nothing is fitted, so each row depends on itself alone.

    Parameters
    ----------
    values : (n_items, n_names)
        From `signal.acoustics.measure`.
    names : list of str
        Its columns; those of `t_clear` in bands are looked at.

    Returns
    -------
    features : (n_items, n_bands)
        In the order of frequency; a row is NaN throughout where no band could be measured, such
        as that of a recording that is no impulse response.
    names : list of str

    Raises
    ------
    ValueError
        If there is no decay time in a band.

    References
    ----------
    Davy, Dunn and Dubout (1979), "The variance of decay rates in reverberation rooms", Acustica
    43 (the relative variance of a decay rate depends on bandwidth times reverberation time);
    ISO 3382-1, 5.3.3.
    """
    found = [(match, place) for place, name in enumerate(names) if (match := _matched(name))]
    if not found:
        raise ValueError("no column t_clear_<centre>hz_s")
    found.sort(key=lambda pair: float(pair[0]["centre_hz"]))
    octaves = np.log2([float(match["centre_hz"]) for match, _ in found])
    times_s = np.asarray(values, dtype=np.float64)[:, [place for _, place in found]]
    features = np.full(times_s.shape, np.nan)
    for row, logarithms in enumerate(np.log(times_s)):
        measured = np.isfinite(logarithms)
        if measured.any():
            features[row] = np.interp(octaves, octaves[measured], logarithms[measured])
    return features, [f"log_t_{match['centre_hz']}hz" for match, _ in found]


def _matched(name: str) -> re.Match[str] | None:
    return _DECAY_NAME.fullmatch(name)
