"""Draw docs/images/energy_decay.png: `python docs/energy_decay.py`.

One room of each database, the simulated twin beside the real file of the same name, which is
looked for in the folder `slr28_real` under the one that DISENTANGLED_AUDIO_DATA names.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.corpora.generators import twin as simulate
from disentangled_audio.corpora.generators import twin_table
from disentangled_audio.plots import style
from disentangled_audio.signal.acoustics import AcousticMeasures, measure
from disentangled_audio.signal.decay import band_gains, energy_decay_curve, ringing_samples

ROOMS = {
    "REVERB 2014, largeroom2": "RVB2014_type1_rir_largeroom2_far_angla.wav",
    "RWCP, office": "RWCP_type2_rir_cirline_ofc_imp090.wav",
    "AIR, stairway": "air_type1_air_binaural_stairway_1_2_60.wav",
}
# The seed of the default corpus.
SEED = 0
# The direct sound begins where a channel first reaches this share of its peak, 1 ms earlier.
ONSET_SHARE = 0.3
LEAD = 16
LOWEST_DB = -70.0
RATE_HZ = simulate.SAMPLE_RATE_HZ
# The octaves of 500 Hz and 1 kHz (ISO 3382-1).
MEASURES = AcousticMeasures(centre_hz=(500.0, 1000.0))


@dataclass(frozen=True)
class DecayCurve:
    """How the energy of one response, or of several of one room, decays.

    Attributes
    ----------
    label
        What the legend calls it.
    time_s, level_db : (n_samples,)
        Seconds after the direct sound, and the remaining energy in dB.
    t20_s
        Reverberation time in seconds; NaN where it could not be measured.
    """

    label: str
    time_s: NDArray[np.floating]
    level_db: NDArray[np.floating]
    t20_s: float


def main() -> None:
    """Draw the figure, or say which folder is missing."""
    real = Path(os.environ.get("DISENTANGLED_AUDIO_DATA", "")) / "slr28_real"
    missing = [name for name in ROOMS.values() if not (real / name).exists()]
    if missing:
        sys.exit(f"{real} lacks {missing[0]}; set DISENTANGLED_AUDIO_DATA to its parent folder")
    groups = twin_table.twin_files()
    panels = {}
    for room, name in ROOMS.items():
        twin = simulate.synthesise_file(name, groups[name], SEED)
        recording, _ = soundfile.read(real / name, dtype="int16", always_2d=True)
        panels[room] = [_curve("simulated twin", twin), _curve("real", recording.T)]
    figure = _figure(panels, "Energy decay, octaves of 500 Hz and 1 kHz, median over microphones")
    figure.savefig(Path(__file__).parent / "images" / "energy_decay.png")


def _curve(label: str, samples: NDArray[np.int16]) -> DecayCurve:
    measured, _ = measure(samples, RATE_HZ, measures=MEASURES)
    t20_s = measured[:, [MEASURES.names.index(f"t20_{hz:g}hz_s") for hz in MEASURES.centre_hz]]
    n_samples = samples.shape[1]
    n_fft = fft.next_fast_len(n_samples + ringing_samples(RATE_HZ, MEASURES.centre_hz), real=True)
    gains = band_gains(n_fft, RATE_HZ, MEASURES.centre_hz).sum(axis=0)
    mid = fft.irfft(fft.rfft(samples.astype(float), n_fft) * gains, n_fft)[:, :n_samples]
    loudness = np.abs(samples.astype(float))
    onsets = np.argmax(loudness > ONSET_SHARE * loudness.max(axis=1, keepdims=True), axis=1) - LEAD
    length = samples.shape[1] - onsets.max()
    cut = np.stack([row[onset : onset + length] for row, onset in zip(mid, onsets, strict=True)])
    level_db = np.median(energy_decay_curve(cut), axis=0)
    time_s = (np.arange(length) - LEAD) / RATE_HZ
    return DecayCurve(label, time_s, level_db, float(np.median(t20_s, axis=0).mean()))


def _figure(rooms: Mapping[str, Sequence[DecayCurve]], title: str) -> Figure:
    """One panel a room, with its decay curves over each other."""
    with style.drawn(3.4 * len(rooms), 3.6, title, simulated=False) as figure:
        panels = figure.subplots(1, len(rooms), squeeze=False, sharey=True)[0]
        for panel, (room, curves) in zip(panels, rooms.items(), strict=True):
            _draw_room(panel, room, curves)
        panels[0].set_ylabel("remaining energy (dB)")
    return figure


def _draw_room(panel: Axes, room: str, curves: Sequence[DecayCurve]) -> None:
    colours = (style.BLUE, style.ORANGE)
    dashes = ("-", (0, (5, 2)))
    for curve, colour, dash in zip(curves, colours, dashes, strict=True):
        panel.plot(
            curve.time_s,
            curve.level_db,
            color=colour,
            linestyle=dash,
            linewidth=1.8,
            label=f"{curve.label}, {_t20(curve.t20_s)}",
        )
    panel.set_title(room)
    panel.set_xlabel("time after the direct sound (s)")
    # Where every curve has left the panel, there is nothing to see.
    ends = [curve.time_s[curve.level_db > LOWEST_DB][-1] for curve in curves]
    panel.set_xlim(0, max(ends))
    panel.set_ylim(LOWEST_DB, 2)
    panel.grid()
    panel.legend(loc="upper right")


def _t20(seconds: float) -> str:
    return "no T20" if np.isnan(seconds) else f"T20 {seconds:.2f} s"


if __name__ == "__main__":
    main()
