"""Figures of scores over folds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disentangled_audio.plots import style

# Enough to see what the label can be told from; all are in the table.
MOST_CONTROLS = 8


def fold_comparison_figure(metrics: Mapping[str, Any], title: str | None = None) -> Figure:
    """Balanced accuracy of models and controls: mean over folds, each fold, pooled interval.

    Parameters
    ----------
    metrics : mapping
        From `summarise_folds`.
    title : str, optional

    Returns
    -------
    Figure
        Models above controls; of these, the first eight.
    """
    models, controls = metrics["models"], list(metrics["controls"])[:MOST_CONTROLS]
    rows = [*models.items(), *((name, metrics["controls"][name]) for name in controls)]
    n_models = len(models)
    with style.context():
        figure = style.new_figure(7.6, 1.9 + 0.38 * len(rows))
        axes = figure.add_subplot()
        for place, (name, scores) in enumerate(rows):
            of_folds = _of_folds(metrics, name, "models" if place < n_models else "controls")
            _draw_row(axes, place, scores, of_folds, is_model=place < n_models)
        names = [style.label(name) for name, _ in rows[:n_models]]
        names += [f"control: {style.label(name)}" for name, _ in rows[n_models:]]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axhline(n_models - 0.5, color=style.FAINT, linewidth=0.8)
        axes.axvline(1.0 / len(metrics["classes"]), color=style.GREY, linestyle=":", linewidth=1.4)
        text = "balanced accuracy (0–1): mean, each fold, 95 % interval; dotted: chance"
        style.share_axis(axes, text)
        style.left_title(
            figure, style.title(title or _title(metrics), simulated=metrics["simulated"])
        )
    return figure


def _title(metrics: Mapping[str, Any]) -> str:
    n_folds = len(metrics["folds"])
    folds = f"{n_folds} fold" + ("s" if n_folds > 1 else "")
    return f"Target {metrics['target']}, corpus {metrics['corpus']}, {folds}"


def _of_folds(metrics: Mapping[str, Any], name: str, part: str) -> list[float]:
    folds = metrics["folds"].values()
    return [fold[part][name]["balanced_accuracy"] for fold in folds if name in fold[part]]


def _draw_row(
    axes: Axes, place: int, scores: Mapping[str, Any], of_folds: list[float], *, is_model: bool
) -> None:
    colour = style.BLUE if is_model else style.GREY
    mean = scores["mean_balanced_accuracy"]
    low, high = scores["balanced_accuracy_ci95"]
    axes.plot([low, high], [place, place], color=colour, linewidth=2.2, alpha=0.6)
    axes.plot(
        of_folds,
        np.full(len(of_folds), place) + 0.2,
        linestyle="",
        marker="|",
        markersize=7,
        color=colour,
    )
    axes.plot([mean], [place], linestyle="", marker="o", color=colour, clip_on=False, zorder=3)
    axes.annotate(
        f"{mean:.2f} (worst {min(of_folds):.2f})",
        (1.0, place),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        annotation_clip=False,
    )
