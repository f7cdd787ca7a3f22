"""Background noise of clips, measured where their sound pauses or has ended."""

from math import log10

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.signal.shortcuts import long_term_spectrum

_FRAME_S = 0.02
# Fewer frames say little about a noise.
_LEAST_FRAMES = 5
# The quietest tenth of the frames sets the noise floor.
_FLOOR_SHARE = 10
# As energies: frames up to 3 dB above the floor are quiet; a clip whose loudest frame is less than
# 15 dB above it has no pause; frames 100 dB below the loudest are digital silence.
_QUIET, _LEAST_CONTRAST, _SILENT = 10.0**0.3, 10.0**1.5, 10.0**-10
# A decay that ends before it reaches the noise changes by 1.9 dB or more within its last frames.
_STEADY_DB = 1.5


def quiet_parts(
    clips: NDArray[np.float32],
    recorded: NDArray[np.integer],
    sample_rate_hz: int,
    n_bands: int,
    min_hz: float,
) -> NDArray[np.float64]:
    """Level and spectral shape of the background noise of each clip.

    Quiet frames lie at most 3 dB above the clip's noise floor, which is at least 15 dB below its
    loudest frame. A clip has no quiet part if it has fewer than five such frames, or if they fade:
    these belong to the sound's own decay.

    Parameters
    ----------
    clips : (n_items, n_samples)
    recorded : (n_items, 2)
        First sample of each clip that was recorded, and the one after the last; what lies outside
        was filled in.
    n_bands, min_hz
        As for `long_term_spectrum`.

    Returns
    -------
    (n_items, 1 + n_bands)
        Level relative to the loudest frame in dB, and bands in dB about their mean; NaN for clips
        without a quiet part.
    """
    n_frame = max(2, round(_FRAME_S * sample_rate_hz))
    n_frames = clips.shape[1] // n_frame
    frames = clips[:, : n_frames * n_frame].reshape(len(clips), n_frames, n_frame)
    starts = n_frame * np.arange(n_frames)
    inside = (starts >= recorded[:, :1]) & (starts + n_frame <= recorded[:, 1:])
    energies = np.einsum("ijk,ijk->ij", frames, frames, dtype=np.float64) * inside
    window = np.hanning(n_frame).astype(np.float32)
    values = np.full((len(clips), 1 + n_bands), np.nan)
    for own, own_frames, energy in zip(values, frames, energies, strict=True):
        quiet = _quiet_frames(energy)
        if len(quiet):
            spectra = long_term_spectrum(
                own_frames[quiet] * window, sample_rate_hz, n_bands, min_hz
            )
            own[0] = 10.0 * log10(energy[quiet].mean() / energy.max())
            own[1:] = spectra.mean(axis=0)
    return values


def _quiet_frames(energy: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of the frames that hold only the background noise, often none."""
    nothing = np.empty(0, dtype=np.intp)
    loudest = energy.max(initial=0.0)
    sounding = energy > _SILENT * loudest
    n_floor = max(1, np.count_nonzero(sounding) // _FLOOR_SHARE)
    floor = np.sort(energy[sounding])[:n_floor].mean() if sounding.any() else 0.0
    quiet = np.flatnonzero(sounding & (energy <= _QUIET * floor))
    if len(quiet) < _LEAST_FRAMES or loudest < _LEAST_CONTRAST * floor:
        return nothing
    first, second = (part.mean() for part in np.array_split(energy[quiet], 2))
    return quiet if abs(10.0 * log10(first / second)) <= _STEADY_DB else nothing
