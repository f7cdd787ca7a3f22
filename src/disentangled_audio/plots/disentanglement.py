"""Figures of codes: predicted factors, maps, and swaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from disentangled_audio.plots import style

UNDER_TEST = "codes"
LEAKAGE_TITLE = "Factors predicted from each code (balanced accuracy, %)"
# Characters in a line of a panel's title.
TITLE_WIDTH = 34
# A legend names so many classes.
MOST_NAMED_CLASSES = 9


def leakage_figure(
    matrix: pd.DataFrame, title: str = LEAKAGE_TITLE, *, simulated: bool = False
) -> Figure:
    """Draw the heat map of factors predicted from codes, with controls below.

    Parameters
    ----------
    matrix : DataFrame
        A leakage matrix: ``code, factor, condition, score, low, high, chance, control, reason``.

    Returns
    -------
    Figure
        For each condition, a panel of the codes and one of each control. Numbers are balanced
        accuracies in percent with their interval; colour runs from chance to perfect. Hatched cells
        have no score; a letter gives the reason.
    """
    # A column of empty cells is read from a file as numbers.
    texts = matrix[["control", "reason"]].astype(object).fillna("")
    table = matrix.assign(control=texts["control"], reason=texts["reason"])
    conditions = list(dict.fromkeys(table["condition"]))
    factors = {
        name: list(dict.fromkeys(table.loc[table["condition"] == name, "factor"]))
        for name in conditions
    }
    # Panels stand one below the other; side by side, they would be wider than a page.
    parts = [
        (condition, control, cells, list(dict.fromkeys(cells["code"])))
        for (condition, control), cells in table.groupby(["condition", "control"], sort=False)
    ]
    reasons = [reason for reason in dict.fromkeys(table["reason"]) if reason]
    letters = {reason: chr(ord("a") + number) for number, reason in enumerate(reasons)}
    n_rows = sum(len(codes) for *_, codes in parts)
    n_columns = max(map(len, factors.values()))
    size = (
        2.6 + 0.82 * n_columns,
        1.2 + 0.42 * n_rows + 0.15 * len(parts) + 0.7 * len(conditions) + 0.2 * len(reasons),
    )
    with style.drawn(*size, title, simulated=simulated) as figure:
        panels = figure.subplots(
            len(parts), 1, squeeze=False, height_ratios=[len(codes) for *_, codes in parts]
        )[:, 0]
        titled = set()
        for panel, (condition, control, cells, codes) in zip(panels, parts, strict=True):
            names = factors[condition]
            image = _draw_cells(panel, cells, codes, names, letters)
            is_first = condition not in titled
            heads = _with_chance(table, condition, names) if is_first else [""] * len(names)
            _name_cells(panel, codes, heads)
            panel.set_ylabel(control.replace("_", "-") or UNDER_TEST, fontweight="bold")
            if is_first:
                panel.set_title(condition)
                titled.add(condition)
        figure.align_ylabels(panels)
        place = {"ax": panels, "shrink": 0.6, "aspect": 25, "pad": 0.02}
        style.colour_bar(figure, image, "from chance (0) to perfect (1)", **place)
        if letters:
            notes = "\n".join(f"{letter}  {reason}" for reason, letter in letters.items())
            figure.supxlabel(notes, x=0.015, ha="left", fontsize=9)
    return figure


def latent_map_figure(
    maps: Mapping[str, NDArray[np.floating]],
    factors: pd.DataFrame,
    *,
    units: Mapping[str, str] | None = None,
    simulated: bool = False,
) -> Figure:
    """Draw two-dimensional maps of codes, coloured by each factor.

    Parameters
    ----------
    maps : mapping of code to (n_items, 2)
        Coordinates without unit.
    factors : DataFrame of n_items rows
        Floating-point columns are numbers, others are classes; missing values are pale.
    units : mapping of factor to unit, optional

    Returns
    -------
    Figure
        One row per factor, one column per code.
    """
    n_rows, n_columns = len(factors.columns), len(maps)
    title = "Codes, by their first two principal components"
    size = (2.3 * n_columns + 1.9, 0.8 + 2.1 * n_rows)
    with style.drawn(*size, title, simulated=simulated) as figure:
        panels = figure.subplots(n_rows, n_columns, squeeze=False)
        for row, factor in enumerate(factors):
            for panel, points in zip(panels[row], maps.values(), strict=True):
                handles = _scatter(panel, np.asarray(points), factors[factor])
                panel.set_xticks([])
                panel.set_yticks([])
                panel.set_aspect("equal", adjustable="datalim")
            panels[row, 0].set_ylabel(f"{style.shortened(factor)}\nsecond component")
            unit = (units or {}).get(factor, "")
            _explain_colours(figure, panels[row], handles, factors[factor], unit)
        for panel, code in zip(panels[0], maps, strict=True):
            panel.set_title(style.shortened(code))
        for panel in panels[-1]:
            panel.set_xlabel("first component")
    return figure


@dataclass(frozen=True)
class SwapExample:
    """Result of a swap, with the clips that it was decoded from.

    Attributes
    ----------
    name
        The swapped code.
    spectra : mapping of label to (n_frames, n_mels)
        In drawing order, such as input, donor and result; 0 at the lowest level, 1 at the peak.
        A label may have several lines, and long ones are wrapped.
    """

    name: str
    spectra: Mapping[str, NDArray[np.floating]]


def swap_figure(
    examples: Sequence[SwapExample],
    hop_s: float,
    dynamic_range_db: float,
    *,
    simulated: bool = False,
) -> Figure:
    """Draw mel spectrograms of swaps: one row per example, results in the last column.

    `hop_s` is the time between frames in seconds, `dynamic_range_db` the range of levels in dB.
    """
    n_columns = max(len(example.spectra) for example in examples)
    title = "Codes swapped between clips, and the decoded results"
    n_lines = [max(map(_n_lines, example.spectra)) for example in examples]
    size = (2.5 * n_columns + 1.0, 0.9 + 1.75 * len(examples) + 0.15 * sum(n_lines))
    with style.drawn(*size, title, simulated=simulated) as figure:
        panels = figure.subplots(len(examples), n_columns, squeeze=False, sharex=True, sharey=True)
        for row, example in zip(panels, examples, strict=True):
            n_before = len(example.spectra) - 1
            for panel in row[n_before:-1]:
                panel.set_visible(False)
            drawn = [*row[:n_before], row[-1]]
            for panel, (name, spectrum) in zip(drawn, example.spectra.items(), strict=True):
                image = _draw_spectrum(panel, spectrum, hop_s, dynamic_range_db)
                panel.set_title(_broken(name), fontsize=9, fontweight="normal", pad=4)
            _frame_result(row[-1])
            drawn[0].set_ylabel(f"{example.name}\nmel band")
        for column in panels.T:
            lowest = [panel for panel in column if panel.get_visible()][-1]
            lowest.set_xlabel("time (s)")
            lowest.tick_params(labelbottom=True)
        place = {"ax": panels, "shrink": 0.7, "aspect": 30, "pad": 0.02}
        style.colour_bar(figure, image, "level (dB below the peak)", **place)
    return figure


def message_figure(title: str, message: str, *, simulated: bool = False) -> Figure:
    """Show a message in place of a figure."""
    with style.drawn(8.0, 1.8, title, simulated=simulated) as figure:
        panel = figure.subplots()
        panel.set_axis_off()
        panel.text(0.0, 0.5, fill(message, 80), va="center")
    return figure


def _broken(label: str) -> str:
    return "\n".join(fill(line, TITLE_WIDTH) for line in label.splitlines())


def _n_lines(label: str) -> int:
    return _broken(label).count("\n") + 1


def _draw_cells(
    panel: Axes,
    cells: pd.DataFrame,
    codes: Sequence[str],
    factors: Sequence[str],
    letters: Mapping[str, str],
) -> AxesImage:
    by_place = cells.set_index(["code", "factor"])
    gain = ((by_place["score"] - by_place["chance"]) / (1.0 - by_place["chance"])).clip(0.0, 1.0)
    every = pd.MultiIndex.from_product([codes, factors])
    shades = gain.reindex(every).to_numpy(dtype=float).reshape(len(codes), len(factors))
    image = panel.imshow(shades, cmap=style.HEAT, vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), shade in np.ndenumerate(shades):
        place = (codes[row], factors[column])
        if place in by_place.index:
            _write_cell(panel, row, column, by_place.loc[place], shade, letters)
    return image


def _write_cell(
    panel: Axes, row: int, column: int, cell: pd.Series, shade: float, letters: Mapping[str, str]
) -> None:
    mark = letters.get(cell["reason"], "")
    if np.isnan(cell["score"]):
        hatched = Rectangle(
            (column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor=style.FAINT, hatch="////"
        )
        panel.add_patch(hatched)
        panel.text(column, row, mark, ha="center", va="center", color=style.GREY)
        return
    colour = "white" if shade > 0.6 else style.INK
    score = f"{100 * cell['score']:.0f}" + (f" {mark}" if mark else "")
    panel.text(column, row - 0.14, score, ha="center", va="center", color=colour, fontsize=10)
    interval = f"{100 * cell['low']:.0f}–{100 * cell['high']:.0f}"
    panel.text(column, row + 0.24, interval, ha="center", va="center", color=colour, fontsize=6.5)


def _name_cells(panel: Axes, codes: Sequence[str], factors: Sequence[str]) -> None:
    n_rows, n_columns = len(codes), len(factors)
    panel.set_yticks(range(n_rows), [style.shortened(name) for name in codes])
    panel.set_xticks(range(n_columns), factors, fontsize=9)
    panel.xaxis.tick_top()
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_xticks(np.arange(n_columns - 1) + 0.5, minor=True)
    panel.set_yticks(np.arange(n_rows - 1) + 0.5, minor=True)
    panel.grid(which="minor", color=style.FAINT)
    panel.tick_params(which="minor", length=0)


def _with_chance(table: pd.DataFrame, condition: str, factors: Sequence[str]) -> list[str]:
    """Names of columns, with the score of guessing below."""
    names = []
    for factor in factors:
        of_factor = table[(table["condition"] == condition) & (table["factor"] == factor)]
        chances = of_factor["chance"].dropna()
        chance = f"chance {100 * chances.iloc[0]:.0f}" if len(chances) else "–"
        names.append(f"{style.shortened(factor)}\n{chance}")
    return names


def _scatter(panel: Axes, points: NDArray[np.floating], values: pd.Series) -> list:
    missing = values.isna().to_numpy()
    look = {"s": 7, "linewidths": 0, "alpha": 0.8, "rasterized": True}
    panel.scatter(*points[missing].T, color=style.FAINT, **look)
    if pd.api.types.is_float_dtype(values):
        known = values[~missing]
        low, high = np.quantile(known, [0.02, 0.98]) if len(known) else (0.0, 1.0)
        return [
            panel.scatter(
                *points[~missing].T, c=known, cmap=style.NUMBERS, vmin=low, vmax=high, **look
            )
        ]
    handles = []
    for name, of_class in style.class_points(sorted(values[~missing].astype(str).unique())).items():
        chosen = ~missing & (values.astype(str) == name).to_numpy()
        handles.append(
            panel.scatter(*points[chosen].T, label=style.shortened(name), **of_class, **look)
        )
    return handles


def _explain_colours(
    figure: Figure, row: NDArray, handles: list, values: pd.Series, unit: str
) -> None:
    if pd.api.types.is_float_dtype(values):
        name = style.shortened(values.name)
        place = row[-1].inset_axes([1.05, 0.0, 0.05, 1.0])
        style.colour_bar(figure, handles[0], f"{name} ({unit})" if unit else name, cax=place)
        return
    if not handles:
        return
    shown = handles if len(handles) <= MOST_NAMED_CLASSES else handles[:MOST_NAMED_CLASSES]
    row[-1].legend(
        handles=shown,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        fontsize=8,
        markerscale=2.0,
        handletextpad=0.2,
        labelspacing=0.2,
        title=None if shown is handles else f"{len(handles)} values, such as",
        title_fontsize=8,
        alignment="left",
    )


def _draw_spectrum(
    panel: Axes, spectrum: NDArray[np.floating], hop_s: float, dynamic_range_db: float
) -> AxesImage:
    n_frames, n_mels = spectrum.shape
    levels_db = dynamic_range_db * (np.asarray(spectrum).T - 1.0)
    return panel.imshow(
        levels_db,
        origin="lower",
        aspect="auto",
        cmap=style.LEVELS,
        vmin=-dynamic_range_db,
        vmax=0.0,
        extent=(0.0, n_frames * hop_s, 0.5, n_mels + 0.5),
        interpolation="nearest",
    )


def _frame_result(panel: Axes) -> None:
    for spine in panel.spines.values():
        spine.set(visible=True, color=style.ORANGE, linewidth=2.0)
