"""Figure of scores over folds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disentangled_audio.plots import style

# Dots of folds lie below the bar of their row, so that neither hides the other.
_FOLD_OFFSET = 0.24


def fold_comparison_figure(metrics: Mapping[str, Any], chance: float | None = None) -> Figure:
    """Draw balanced accuracy of models, shortcuts and baselines: mean, folds, pooled interval.

    Parameters
    ----------
    metrics : mapping
        From `summarise_folds`, its controls sorted by ``heading``.
    chance : float, optional
        Balanced accuracy of guessing.

    Returns
    -------
    Figure
        One row for each model, then one for each control, in the order of the metrics.
    """
    rows = [
        (part, name, scores)
        for part in ("models", "controls")
        for name, scores in metrics[part].items()
    ]
    size = (8.4, 1.9 + 0.36 * len(rows))
    with style.drawn(*size, _title(metrics), simulated=metrics["simulated"]) as figure:
        axes = figure.add_subplot()
        for place, (part, name, scores) in enumerate(rows):
            of_folds = _of_folds(metrics, part, name)
            colour = style.MODEL if part == "models" else style.CONTROLS[scores["heading"]]
            _draw_row(axes, place, scores, of_folds, colour)
            _write_row(axes, place, scores, of_folds, len(metrics["folds"]))
        _name_rows(axes, rows)
        _explain(figure, axes, chance)
        style.share_axis(axes, "balanced accuracy (mean recall, 0–1)")
    return figure


def _title(metrics: Mapping[str, Any]) -> str:
    n_folds = len(metrics["folds"])
    folds = f"{n_folds} fold" + "s" * (n_folds > 1)
    return f"Target {metrics['target']}, corpus {metrics['corpus']}, {folds}"


def _of_folds(metrics: Mapping[str, Any], part: str, name: str) -> list[float]:
    folds = metrics["folds"].values()
    return [fold[part][name]["balanced_accuracy"] for fold in folds if name in fold[part]]


def _draw_row(
    axes: Axes, place: int, scores: Mapping[str, Any], of_folds: list[float], colour: str
) -> None:
    look = {"color": colour, "linestyle": "", "clip_on": False, "zorder": 3}
    axes.plot(scores["balanced_accuracy_ci95"], [place, place], color=colour, linewidth=2.2)
    axes.plot([scores["mean_balanced_accuracy"]], [place], marker="o", markersize=7, **look)
    below = np.full(len(of_folds), place + _FOLD_OFFSET)
    axes.plot(of_folds, below, marker=".", markersize=5, alpha=0.7, markeredgewidth=0, **look)


def _write_row(
    axes: Axes, place: int, scores: Mapping[str, Any], of_folds: list[float], n_folds: int
) -> None:
    text = f"{scores['mean_balanced_accuracy']:.2f}"
    if n_folds > 1:
        text += f" (worst {min(of_folds):.2f})"
    if len(of_folds) < n_folds:
        text += f", {len(of_folds)} of {n_folds} folds"
    style.write_beyond(axes, place, text)


def _name_rows(axes: Axes, rows: list[tuple[str, str, Any]]) -> None:
    """Name rows with their heading, and rule off each heading."""
    headings = [scores["heading"] if part == "controls" else "" for part, _, scores in rows]
    axes.set_yticks(
        range(len(rows)),
        [
            f"{heading}: {style.shortened(name)}" if heading else style.shortened(name)
            for heading, (_, name, _) in zip(headings, rows, strict=True)
        ],
    )
    for heading, tick in zip(headings, axes.get_yticklabels(), strict=True):
        if heading:
            tick.set_color(style.GREY)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    for place in range(1, len(rows)):
        if headings[place] != headings[place - 1]:
            axes.axhline(place - 0.5, color=style.FAINT, linewidth=0.8)


def _explain(figure: Figure, axes: Axes, chance: float | None) -> None:
    """Draw chance, and a legend below the axes with samples of each mark."""
    ink = {"color": style.INK}
    axes.plot([], [], label="mean of folds", marker="o", markersize=7, linestyle="", **ink)
    axes.plot([], [], label="one fold", marker=".", markersize=6, linestyle="", **ink)
    axes.plot([], [], label="95 % interval, folds pooled", linewidth=2.2, **ink)
    if chance is not None:
        look = {"color": style.GREY, "linestyle": ":", "linewidth": 1.4}
        axes.axvline(chance, label=f"chance {chance:.2f}", zorder=1, **look)
    figure.legend(loc="outside lower left", ncols=4, fontsize=9, handlelength=1.4)
