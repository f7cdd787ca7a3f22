"""Figures of classification: confusion matrix, precision and recall, F1, and comparison."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from disentangled_audio.plots import style

# In inches, narrow enough for a phone: a cut figure would hide the good scores at its right.
COMPARISON_WIDTH = 5.2
# Opacity of the bars of each measure.
STRENGTHS = {"precision": 1.0, "recall": 0.45}


def confusion_matrix_figure(confusion: pd.DataFrame, model: str, *, simulated: bool) -> Figure:
    """Draw the confusion matrix of one model.

    Parameters
    ----------
    confusion : DataFrame
        Columns ``model, target, predicted, count`` (items), every pair of classes.

    Returns
    -------
    Figure
        Counts as numbers; colour is the share of the true class (row).
    """
    rows = style.rows_of(confusion, model)
    classes = list(dict.fromkeys(rows["target"]))
    table = rows.pivot(index="target", columns="predicted", values="count")
    counts = table.reindex(index=classes, columns=classes).to_numpy()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [style.shortened(name) for name in classes]
    side = 2.2 + 0.5 * len(classes) + 0.06 * max(map(len, names))
    size = (max(side + 1.0, 6.4), max(side, 4.0))
    title = f"Confusion matrix: {model}, test items"
    with style.drawn(*size, title, simulated=simulated) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap=style.HEAT, vmin=0.0, vmax=1.0)
        _write_counts(axes, counts, shares)
        _name_classes(axes, names)
        style.colour_bar(figure, image, "share of true class (0–1)", ax=axes, shrink=0.8)
    return figure


def precision_recall_figure(report: pd.DataFrame, model: str, *, simulated: bool) -> Figure:
    """Draw precision (full colour) and recall (pale) of one model by class.

    Parameters
    ----------
    report : DataFrame
        Columns ``model, class, precision, recall, f1`` (0 to 1) and ``support`` (items).
    """
    rows = style.rows_of(report, model)
    positions = np.arange(len(rows))
    title = f"Precision and recall by class: {model}, test items"
    with style.drawn(7.0, 1.9 + 0.55 * len(rows), title, simulated=simulated) as figure:
        axes = figure.add_subplot()
        for offset, (measure, strength) in zip((-0.2, 0.2), STRENGTHS.items(), strict=True):
            values = rows[measure].to_numpy(dtype=float)
            _draw_bars(axes, rows, positions + offset, values, height=0.36, alpha=strength)
        _class_axis(axes, rows)
        style.share_axis(axes, "precision and recall (share of items, 0–1)")
        handles = [
            Patch(color=style.GREY, alpha=strength, label=measure)
            for measure, strength in STRENGTHS.items()
        ]
        place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
        axes.legend(handles=handles, ncols=2, **place)
    return figure


def f1_figure(report: pd.DataFrame, model: str, *, simulated: bool) -> Figure:
    """Draw F1 of one model by class, with the mean over classes that have items.

    Takes the same table as `precision_recall_figure`.
    """
    rows = style.rows_of(report, model)
    positions = np.arange(len(rows))
    values = rows["f1"].to_numpy(dtype=float)
    mean = rows.loc[rows["support"] > 0, "f1"].mean()
    title = f"F1 by class: {model}, test items"
    with style.drawn(7.0, 1.9 + 0.42 * len(rows), title, simulated=simulated) as figure:
        axes = figure.add_subplot()
        _draw_bars(axes, rows, positions, values, height=0.62)
        axes.axvline(mean, color=style.INK, linestyle="--", linewidth=1.0)
        style.write_above(axes, mean, f"mean {mean:.2f}")
        _class_axis(axes, rows)
        style.share_axis(axes, "F1 (0–1)")
    return figure


def comparison_figure(metrics: Mapping[str, Any], chance: float | None) -> Figure:
    """Draw balanced accuracy of models, shortcuts and baselines, with 95 % intervals and chance.

    Parameters
    ----------
    metrics : mapping
        Catalog entry `metrics`, its controls sorted by ``heading``.
    chance : float or None
        Balanced accuracy of guessing.

    Returns
    -------
    Figure
        Models above (filled dots), a panel for each heading of controls below (open squares).
    """
    parts = {"model": metrics["models"], **style.by_heading(metrics["controls"])}
    looks = {
        "model": {"color": style.MODEL, "marker": "o", "markersize": 8},
        **{
            heading: {"color": colour, "marker": "s", "markerfacecolor": "white"}
            for heading, colour in style.CONTROLS.items()
        },
    }
    sizes = [len(scores) for scores in parts.values()]
    # Two lines, because the figure is narrow.
    title = (
        f"Target {metrics['target']}, corpus {metrics['corpus']},\n{metrics['n_test']} test items"
    )
    size = (COMPARISON_WIDTH, 2.0 + 0.42 * sum(sizes))
    with style.drawn(*size, title, simulated=metrics["simulated"]) as figure:
        panels = style.stacked(figure, sizes)
        for panel, (part, scores) in zip(panels, parts.items(), strict=True):
            _draw_scores(panel, scores, looks[part])
            panel.set_ylabel(f"{part}s")
            if chance is not None:
                panel.axvline(chance, color=style.GREY, linestyle=":", linewidth=1.4)
        if chance is not None:
            style.write_above(panels[0], chance, f"chance {chance:.2f}", color=style.GREY)
        panels[-1].set_xlabel("balanced accuracy (mean recall, 0–1)\nwith 95 % interval")
        figure.align_ylabels()
    return figure


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        colour = _count_colour(count, shares[row, column])
        weight = "bold" if row == column else "normal"
        axes.text(
            column, row, f"{count:d}", ha="center", va="center", color=colour, fontweight=weight
        )


def _count_colour(count: int, share: float) -> str:
    if count == 0:
        return style.PALE
    return "white" if share > 0.6 else style.INK


def _name_classes(axes: Axes, names: list[str]) -> None:
    places = np.arange(len(names))
    crowded = len(names) > 4 or max(map(len, names)) > 8
    tilt = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(places, names, **tilt)
    axes.set_yticks(places, names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(places[:-1] + 0.5, minor=True)
    axes.set_yticks(places[:-1] + 0.5, minor=True)
    axes.grid(which="minor", color=style.FAINT)
    axes.tick_params(which="minor", length=0)


def _class_axis(axes: Axes, rows: pd.DataFrame) -> None:
    names = [
        f"{style.shortened(name)} (n = {support})"
        for name, support in zip(rows["class"], rows["support"], strict=True)
    ]
    axes.set_yticks(np.arange(len(rows)), names)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_ylabel("class (n test items)")
    axes.tick_params(axis="y", length=0)


def _draw_bars(
    axes: Axes, rows: pd.DataFrame, places: np.ndarray, values: np.ndarray, **looks: float
) -> None:
    """Draw bars with their values, in the colours of their classes."""
    colours = style.class_style([str(name) for name in rows["class"]]).values()
    for place, value, colour in zip(places, values, colours, strict=True):
        axes.barh(place, np.nan_to_num(value), edgecolor="white", **looks, **colour)
        style.write_beyond(axes, place, "undefined" if np.isnan(value) else f"{value:.2f}")


def _draw_scores(axes: Axes, scores: Mapping[str, Any], look: Mapping[str, Any]) -> None:
    for place, row in enumerate(scores.values()):
        value = row["balanced_accuracy"]
        low, high = row.get("balanced_accuracy_ci95") or (value, value)
        axes.plot([low, high], [place, place], color=look["color"], linewidth=2.2)
        axes.plot([value], [place], linestyle="", clip_on=False, zorder=3, **look)
        style.write_beyond(axes, place, f"{value:.2f} ({low:.2f}–{high:.2f})")
    style.name_rows(axes, list(scores))
    style.share_axis(axes, "")
