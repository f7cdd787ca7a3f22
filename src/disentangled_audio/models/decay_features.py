"""Features of a room that depend little on the positions of source and microphone."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_DECAY_NAME = re.compile(r"t_clear_(?P<centre_hz>[\d.]+(e\+\d+)?)hz_s")


def decay_features(values: NDArray[np.float64], names: list[str]) -> NDArray[np.float64]:
    """Natural logarithm of the decay time in each band.

    Of all room-acoustic parameters, the late decay depends least on the positions of source and
    microphone; the direct sound, and with it DRR, C50, D50 and the early decay time, varies with
    them. The error of a decay time is proportional to its value, so the error of the logarithm
    does not depend on it. Absorption scales decay times, and thus shifts their logarithms.

    Absorption varies slowly with frequency, so a band without a measurement is interpolated
    linearly over log frequency; beyond the outermost measured band, that band's value is used.
    Nothing is fitted: each row depends only on itself.

    Parameters
    ----------
    values : (n_items, n_names)
        Output of `signal.acoustics.measure`.
    names : list of str
        Names of its columns; only `t_clear` in bands is used.

    Returns
    -------
    (n_items, n_bands)
        In the order of frequency; NaN in a row without any measured band, such as that of a
        recording that is not an impulse response.

    Raises
    ------
    ValueError
        If there is no column of decay times in bands.

    References
    ----------
    Davy, Dunn and Dubout (1979), "The variance of decay rates in reverberation rooms", Acustica
    43 (the relative variance of a decay rate depends on bandwidth times reverberation time);
    ISO 3382-1, 5.3.3.
    """
    matches = [_DECAY_NAME.fullmatch(name) for name in names]
    bands = sorted(
        (float(match["centre_hz"]), column) for column, match in enumerate(matches) if match
    )
    if not bands:
        raise ValueError("no column t_clear_<centre>hz_s")
    octaves = np.log2([centre_hz for centre_hz, _ in bands])
    times_s = np.asarray(values, dtype=np.float64)[:, [column for _, column in bands]]
    features = np.full(times_s.shape, np.nan)
    for row, logarithms in enumerate(np.log(times_s)):
        measured = np.isfinite(logarithms)
        if measured.any():
            features[row] = np.interp(octaves, octaves[measured], logarithms[measured])
    return features
