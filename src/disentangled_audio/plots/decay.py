"""Figures of energy decay curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from disentangled_audio.plots import style

LOWEST_DB = -70.0


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


def energy_decay_figure(rooms: Mapping[str, Sequence[DecayCurve]], title: str) -> Figure:
    """One panel a room, with its decay curves over each other.

    Parameters
    ----------
    rooms : mapping
        Title of each panel, and its curves; the same place in each panel has the same look.
    title : str

    Raises
    ------
    ValueError
        If there is no room, or a room has no curve.
    """
    if not rooms or not all(rooms.values()):
        raise ValueError("There is no room, or a room without a decay curve")
    with style.context():
        figure = style.new_figure(3.4 * len(rooms), 3.6)
        panels = figure.subplots(1, len(rooms), squeeze=False, sharey=True)[0]
        for panel, (room, curves) in zip(panels, rooms.items(), strict=True):
            _draw_room(panel, room, curves)
        panels[0].set_ylabel("remaining energy (dB)")
        style.left_title(figure, title)
    return figure


def _draw_room(panel: Axes, room: str, curves: Sequence[DecayCurve]) -> None:
    colours = (style.BLUE, style.ORANGE, style.GREEN)
    dashes = ("-", (0, (5, 2)), ":")
    for curve, colour, dash in zip(curves, colours, dashes, strict=False):
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
