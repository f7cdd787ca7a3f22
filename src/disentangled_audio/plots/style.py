"""The look of every figure, in one place."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color universal design"; yellow last, because it is faint on white.
OKABE_ITO = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
)
# Beyond seven classes the colours repeat with another hatch.
HATCHES = ("", "///", "...")
MARKERS = ("o", "^", "s")
BLUE, ORANGE, GREEN = OKABE_ITO[:3]
# Models, and the shortcut controls that they are set against.
MODEL, CONTROL = BLUE, OKABE_ITO[5]
INK = "#222222"
GREY = "#6b6b6b"
PALE = "#a8a8a8"
FAINT = "#dddddd"
# Levels of spectrograms, and numbers that colour points: both grow lighter evenly.
LEVELS = "magma"
NUMBERS = "viridis"
HEAT = LinearSegmentedColormap.from_list("white_to_blue", ["#ffffff", "#56B4E9", "#00406b"])

SIMULATED_MARK = "(simulated recordings)"
LONGEST_LABEL = 26

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "text.color": INK,
    # A class or file name may hold a dollar sign, which must not start a formula.
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "hatch.linewidth": 0.8,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}


def context() -> AbstractContextManager[None]:
    """Return a context in which figures get the project's fonts and lines."""
    return mpl.rc_context(_SETTINGS)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that lays itself out and is not known to pyplot.

    Parameters
    ----------
    width, height : float
        Inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    return figure


def title(text: str, *, simulated: bool) -> str:
    """Add "(simulated recordings)" to a title, where they are."""
    if not simulated or SIMULATED_MARK in text:
        return text
    return f"{text} {SIMULATED_MARK}"


def class_style(classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Give each class its colour and hatch, by its place in the class order.

    Returns
    -------
    dict
        Class name to the keywords ``color`` and ``hatch`` of a bar.
    """
    return _looks(classes, "hatch", HATCHES)


def class_points(classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Give each class the colour that `class_style` gives it, and a marker.

    Returns
    -------
    dict
        Class name to the keywords ``color`` and ``marker`` of points.
    """
    return _looks(classes, "marker", MARKERS)


def _looks(classes: Sequence[str], kind: str, kinds: Sequence[str]) -> dict[str, dict[str, str]]:
    n_colours = len(OKABE_ITO)
    return {
        name: {
            "color": OKABE_ITO[index % n_colours],
            kind: kinds[index // n_colours % len(kinds)],
        }
        for index, name in enumerate(classes)
    }


def label(name: object) -> str:
    """Shorten a long class name in the middle, where variants of a name differ least."""
    text = str(name)
    if len(text) <= LONGEST_LABEL:
        return text
    half = (LONGEST_LABEL - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def share_axis(axes: Axes, text: str) -> None:
    """Make the horizontal axis run over shares from 0 to 1."""
    axes.set_xlim(0.0, 1.0)
    axes.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_xlabel(text)
    axes.grid(axis="x")


def left_title(figure: Figure, text: str) -> None:
    """Title the whole figure, starting at its left edge."""
    figure.suptitle(text, x=0.015, ha="left")
