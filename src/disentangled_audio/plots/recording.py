"""Figure of one recording: what it sounds like over time and frequency, and how it decays."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from disentangled_audio.plots import style

LOWEST_DB = -70.0
# Points of a waveform that can be told apart.
N_COLUMNS = 600


@dataclass(frozen=True)
class Sound:
    """A clip, ready to be drawn.

    Attributes
    ----------
    samples : (n_samples,)
        Linear amplitude.
    sample_rate_hz
    level_db : (n_frames, n_bins)
        Spectrogram from 0 Hz to half the sampling rate, dB below its peak.
    range_db
        Levels further below the peak are not told apart.
    decay_db : (n_later_samples,), optional
        Remaining energy in dB from the direct sound on; for impulse responses.
    """

    samples: NDArray[np.floating]
    sample_rate_hz: int
    level_db: NDArray[np.floating]
    range_db: float
    decay_db: NDArray[np.floating] | None = None


def recording_figure(sound: Sound) -> Figure:
    """Spectrogram, and beside it the energy decay of a response or the waveform of another sound.

    Without a title: the file's name, which may be long, stands beside the figure.
    """
    with style.drawn(8.0, 2.7, simulated=False) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
        _draw_spectrogram(figure, left, sound)
        if sound.decay_db is None:
            _draw_waveform(right, sound)
        else:
            _draw_decay(right, sound.decay_db, sound.sample_rate_hz)
    return figure


def _draw_spectrogram(figure: Figure, axes: Axes, sound: Sound) -> None:
    image = axes.imshow(
        sound.level_db.T,
        origin="lower",
        aspect="auto",
        cmap=style.LEVELS,
        vmin=-sound.range_db,
        vmax=0.0,
        extent=(0.0, len(sound.samples) / sound.sample_rate_hz, 0.0, sound.sample_rate_hz / 2000),
    )
    axes.set_title("Spectrogram")
    axes.set_xlabel("time (s)")
    axes.set_ylabel("frequency (kHz)")
    bar = figure.colorbar(image, ax=axes)
    bar.set_label("dB below the peak")
    bar.outline.set_visible(False)


def _draw_decay(axes: Axes, decay_db: NDArray[np.floating], sample_rate_hz: int) -> None:
    shown = decay_db > LOWEST_DB
    time_s = np.arange(len(decay_db)) / sample_rate_hz
    axes.plot(time_s[shown], decay_db[shown], color=style.INK, linewidth=1.8)
    axes.set_xlim(left=0.0)
    axes.set_ylim(LOWEST_DB, 2.0)
    axes.set_title("Energy decay")
    axes.set_xlabel("time after the direct sound (s)")
    axes.set_ylabel("remaining energy (dB)")
    axes.grid()


def _draw_waveform(axes: Axes, sound: Sound) -> None:
    peak = np.abs(sound.samples).max(initial=0.0) or 1.0
    parts = np.array_split(sound.samples / peak, min(N_COLUMNS, len(sound.samples)))
    time_s = np.linspace(0.0, len(sound.samples) / sound.sample_rate_hz, len(parts))
    axes.fill_between(
        time_s,
        [part.min() for part in parts],
        [part.max() for part in parts],
        color=style.INK,
        linewidth=0.5,
    )
    axes.set_xlim(0.0, time_s[-1])
    axes.set_ylim(-1.05, 1.05)
    axes.set_title("Waveform")
    axes.set_xlabel("time (s)")
    axes.set_ylabel("amplitude (share of the peak)")
    axes.grid(axis="y")
