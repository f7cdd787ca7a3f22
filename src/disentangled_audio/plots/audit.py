"""Figure of the shortcut audit."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disentangled_audio.plots import style

# Colour and marker of what a control is found to be.
LOOKS = {
    "a shortcut: tells the label": (style.CONTROL, "s"),
    "a part of the sound that tells it": (style.BLUE, "D"),
    "does not tell it significantly": (style.GREY, "o"),
}


def audit_figure(audit: Mapping[str, Any]) -> Figure:
    """Balanced accuracy of each control with its interval; those that tell the label in colour.

    Parameters
    ----------
    audit : mapping
        The catalog's `audit`.

    Returns
    -------
    Figure
        Bars from zero, best first, over dotted chance. Controls that do not apply are not drawn.
    """
    controls = audit["controls"]
    title = f"Shortcut controls: target {audit['target']}, corpus {audit['corpus']}"
    height = 2.0 + 0.34 * len(controls)
    with style.drawn(7.6, height, title, simulated=audit["simulated"]) as figure:
        axes = figure.add_subplot()
        for place, (name, scores) in enumerate(controls.items()):
            _draw(axes, place, scores, *LOOKS[_look(name, audit)])
        style.name_rows(axes, list(controls))
        axes.axvline(audit["chance"], color=style.INK, linestyle=":", linewidth=1.4, label="chance")
        used = {_look(name, audit) for name in controls}
        for text, (colour, marker) in LOOKS.items():
            if text in used:
                axes.plot([], [], marker, color=colour, label=text)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.2, 1.0), ncols=2, borderaxespad=0.2)
        folds = f"{audit['n_folds']} fold" + ("s" if audit["n_folds"] > 1 else "")
        style.share_axis(axes, f"balanced accuracy (0–1): mean over {folds}, 95 % interval")
    return figure


def _look(name: str, audit: Mapping[str, Any]) -> str:
    shortcut, part_of_sound, neither = LOOKS
    if name in audit["shortcuts"]:
        return shortcut
    return part_of_sound if name in audit["parts_of_sound"] else neither


def _draw(axes: Axes, place: int, scores: Mapping[str, Any], colour: str, marker: str) -> None:
    value, (low, high) = scores["balanced_accuracy"], scores["balanced_accuracy_ci95"]
    axes.barh(place, value, height=0.6, color=colour, alpha=0.25)
    axes.plot([low, high], [place, place], color=colour, linewidth=2.2)
    axes.plot([value], [place], marker=marker, color=colour, clip_on=False, zorder=3)
    style.write_beyond(axes, place, f"{value:.2f}")
