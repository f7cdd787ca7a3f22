"""The common look of all figures."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color universal design"; yellow comes last, because it is faint on white.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
# Beyond seven classes, colours repeat with another hatch or marker.
HATCHES = ("", "///", "...")
MARKERS = ("o", "^", "s")
BLUE, ORANGE, GREEN = OKABE_ITO[:3]
# Models, and controls by their heading.
MODEL = BLUE
CONTROLS = {"shortcut": OKABE_ITO[5], "simple baseline": GREEN}
INK = "#222222"
GREY = "#6b6b6b"
PALE = "#a8a8a8"
FAINT = "#dddddd"
# Perceptually uniform colour maps for levels of spectrograms and for numbers.
LEVELS = "magma"
NUMBERS = "viridis"
HEAT = LinearSegmentedColormap.from_list("white_to_blue", ["#ffffff", "#56B4E9", "#00406b"])

SIMULATED_MARK = "(simulated recordings)"
LONGEST_LABEL = 26
SHARE_TICKS = ([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "0.25", "0.5", "0.75", "1"])

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
    # A dollar sign in a class or file name must not start a formula.
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


@contextmanager
def drawn(width: float, height: float, title: str = "", *, simulated: bool) -> Iterator[Figure]:
    """Provide an empty figure of so many inches with the project's style, without pyplot.

    It lays itself out and gets a left-aligned title, which says if recordings are `simulated`.
    """
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
        yield figure
        if title:
            figure.suptitle(marked(title, simulated=simulated), x=0.015, ha="left")


def marked(title: str, *, simulated: bool) -> str:
    """Add the mark of simulated recordings to a title if needed."""
    return f"{title} {SIMULATED_MARK}" if simulated else title


def class_style(classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Keywords ``color`` and ``hatch`` of the bars of each class."""
    return _looks(classes, "hatch", HATCHES)


def class_points(classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Keywords ``color`` (as in `class_style`) and ``marker`` of the points of each class."""
    return _looks(classes, "marker", MARKERS)


def _looks(classes: Sequence[str], kind: str, kinds: Sequence[str]) -> dict[str, dict[str, str]]:
    n_colours = len(OKABE_ITO)
    return {
        name: {"color": OKABE_ITO[index % n_colours], kind: kinds[index // n_colours % len(kinds)]}
        for index, name in enumerate(classes)
    }


def shortened(name: object) -> str:
    """Shorten a long name in the middle, where similar names differ least."""
    text = str(name)
    if len(text) <= LONGEST_LABEL:
        return text
    half = (LONGEST_LABEL - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def by_heading(controls: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Part controls by their ``heading``."""
    parts: dict[str, dict[str, Any]] = {}
    for name, row in controls.items():
        parts.setdefault(row["heading"], {})[name] = row
    return parts


def stacked(figure: Figure, sizes: Sequence[int]) -> Sequence[Axes]:
    """Panels below each other with the same horizontal axis, for `sizes` rows each."""
    heights = [n_rows + 0.4 for n_rows in sizes]
    return figure.subplots(len(sizes), 1, sharex=True, squeeze=False, height_ratios=heights).ravel()


def share_axis(axes: Axes, text: str) -> None:
    """Show shares from 0 to 1 on the horizontal axis."""
    axes.set_xlim(0.0, 1.0)
    axes.set_xticks(*SHARE_TICKS)
    axes.set_xlabel(text)
    axes.grid(axis="x")


def name_rows(axes: Axes, names: Sequence[object], label: str = "") -> None:
    """Name the rows of a plot from top to bottom."""
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel(label)


def write_beyond(axes: Axes, place: float, text: str, **looks: Any) -> None:
    """Write right of a row, where text never covers a bar or a dot."""
    axes.annotate(
        text,
        (1.0, place),
        xytext=(8, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=9,
        annotation_clip=False,
        **looks,
    )


def write_above(axes: Axes, place: float, text: str, **looks: Any) -> None:
    """Write above the axes, at a value of the horizontal axis."""
    axes.annotate(
        text,
        (place, 1.0),
        xytext=(0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        **looks,
    )


def colour_bar(figure: Figure, image: Any, label: str, **place: Any) -> None:
    """Add a colour bar without an outline."""
    bar = figure.colorbar(image, **place)
    bar.set_label(label)
    bar.outline.set_visible(False)


def rows_of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Rows of one model."""
    return table[table["model"] == model].reset_index(drop=True)
