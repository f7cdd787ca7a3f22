"""Figures of reliability, risk by coverage, and the ablation of the hybrid."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from disentangled_audio.plots import style

STAGE_COLOURS = {"before": style.PALE, "after": style.BLUE}
# Colours of the other models; when they repeat, the dashes differ.
OTHER_COLOURS = style.OKABE_ITO[1:6]
DASHES = ("-", "--", ":")
# A model without errors still needs an axis.
LEAST_RISK_AXIS = 0.05
LEAST_COST_MARGIN = 0.02


def confidence_figure(
    reliability: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    rejection: Mapping[str, Any] | None = None,
    *,
    model: str,
    simulated: bool = False,
) -> Figure:
    """Draw the reliability of one model, and risk against coverage of all models.

    Parameters
    ----------
    reliability : DataFrame
        ``model, stage`` (before, after), ``bin_low, bin_high, confidence, accuracy`` (0 to 1,
        missing in empty bins) and ``n`` (items).
    risk_coverage : DataFrame
        ``model, coverage, risk`` (0 to 1), coverage rising within each model.
    rejection : mapping, optional
        ``coverage`` and ``accuracy`` (None if nothing is kept) of the items that the model keeps;
        marked on its curve.
    model : str
        Model of the reliability diagram, emphasised among the curves.

    Returns
    -------
    Figure
        Left: accuracy by confidence before (grey) and after calibration, over the count of items
        by confidence. Right: error rate of the most confident share of items.
    """
    bins = style.rows_of(reliability, model)
    title = f"Confidence: {model}, test items"
    with style.drawn(10.0, 5.4, title, simulated=simulated) as figure:
        layout = [["reliability", "risk"], ["counts", "risk"]]
        places = figure.subplot_mosaic(layout, height_ratios=[3.0, 1.0])
        _draw_reliability(places["reliability"], bins)
        _draw_counts(places["counts"], bins)
        places["reliability"].sharex(places["counts"])
        places["reliability"].tick_params(labelbottom=False)
        _draw_risk(places["risk"], risk_coverage, model)
        if rejection is not None and rejection["accuracy"] is not None:
            _mark_rejection(places["risk"], rejection)
        _legend_beneath(places["counts"], places["reliability"])
        _legend_beneath(places["risk"], places["risk"])
    return figure


def ablation_figure(ablation: pd.DataFrame, *, simulated: bool = False) -> Figure:
    """Draw what dropping each member costs the hybrid.

    Parameters
    ----------
    ablation : DataFrame
        ``fold, member, weight`` and ``cost`` (balanced accuracy with all members minus without
        this one), and ``hybrid`` if there are several. May be empty.

    Returns
    -------
    Figure
        For each hybrid a bar for the mean over folds, a dot for each fold, and the mean weight;
        the costliest member first.
    """
    parts = {"": ablation}
    if "hybrid" in ablation:
        parts = {str(name): part for name, part in ablation.groupby("hybrid", sort=False)}
    means = {name: _mean_costs(part) for name, part in parts.items()}
    title = "What dropping a member costs the hybrid, test items"
    height = sum(2.0 + 0.42 * max(len(members), 1) for members in means.values())
    with style.drawn(8.0, height, title, simulated=simulated) as figure:
        panels = figure.subplots(len(parts), squeeze=False)[:, 0]
        for axes, (name, members) in zip(panels, means.items(), strict=True):
            axes.set_title(name)
            if members.empty:
                _say_nothing_to_drop(axes)
            else:
                _draw_costs(axes, parts[name], members)
    return figure


def _mean_costs(ablation: pd.DataFrame) -> pd.DataFrame:
    return (
        ablation.groupby("member", sort=False)[["cost", "weight"]]
        .mean()
        .sort_values("cost", ascending=False, kind="stable")
    )


def _draw_reliability(axes: Axes, bins: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=style.GREY, linestyle=":", linewidth=1.4, label="calibrated")
    for stage, colour in STAGE_COLOURS.items():
        rows = bins[(bins["stage"] == stage) & (bins["n"] > 0)]
        if rows.empty:
            continue
        look = {"color": colour, "marker": "o", "markersize": 5, "linewidth": 1.8}
        label = f"{stage} calibration"
        axes.plot(rows["confidence"], rows["accuracy"], label=label, clip_on=False, **look)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks(*style.SHARE_TICKS)
    axes.set_ylabel("accuracy (0–1)")
    axes.grid()
    axes.set_title("Reliability")


def _draw_counts(axes: Axes, bins: pd.DataFrame) -> None:
    for stage, colour in STAGE_COLOURS.items():
        rows = bins[bins["stage"] == stage]
        if rows.empty:
            continue
        edges = [*rows["bin_low"], rows["bin_high"].iloc[-1]]
        look = {"fill": True, "alpha": 0.45} if stage == "after" else {}
        axes.stairs(rows["n"], edges, color=colour, linewidth=1.8, **look)
    axes.set_ylim(0.0, 1.1 * bins["n"].max())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.set_ylabel("items")
    style.share_axis(axes, "confidence (probability of the predicted class, 0–1)")


def _draw_risk(axes: Axes, risk_coverage: pd.DataFrame, model: str) -> None:
    others = [name for name in dict.fromkeys(risk_coverage["model"]) if name != model]
    n_colours = len(OTHER_COLOURS)
    looks = {
        name: {
            "color": OTHER_COLOURS[index % n_colours],
            "linestyle": DASHES[index // n_colours % len(DASHES)],
            "linewidth": 1.3,
        }
        for index, name in enumerate(others)
    }
    looks = {model: {"color": style.BLUE, "linewidth": 3.0, "zorder": 3}, **looks}
    for name, look in looks.items():
        rows = risk_coverage[risk_coverage["model"] == name]
        # One point does not draw a line.
        marker = "o" if len(rows) < 2 else ""
        label = style.shortened(name)
        axes.plot(rows["coverage"], rows["risk"], marker=marker, label=label, **look)
    axes.set_ylim(0.0, max(LEAST_RISK_AXIS, 1.05 * risk_coverage["risk"].max()))
    axes.set_ylabel("risk (error rate among the kept, 0–1)")
    style.share_axis(axes, "coverage (share of items kept, most confident first, 0–1)")
    axes.grid(axis="y")
    axes.set_title("Risk by coverage")


def _mark_rejection(axes: Axes, rejection: Mapping[str, Any]) -> None:
    coverage, risk = rejection["coverage"], 1.0 - rejection["accuracy"]
    look = {"linestyle": "", "marker": "D", "markersize": 8, "zorder": 4, "clip_on": False}
    look |= {"markerfacecolor": "white", "markeredgecolor": style.INK, "markeredgewidth": 1.6}
    axes.plot([coverage], [risk], label=f"kept {coverage:.0%}, risk {risk:.3f}", **look)


def _legend_beneath(axes: Axes, drawn: Axes) -> None:
    """Put the legend of `drawn` beneath the label of `axes`, where it covers no curve."""
    handles, labels = drawn.get_legend_handles_labels()
    axes.legend(
        handles,
        labels,
        loc="upper center",
        # Half an inch below, independent of the height of the panel.
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=axes.transAxes + ScaledTranslation(0, -0.5, axes.figure.dpi_scale_trans),
        borderaxespad=0.0,
        ncols=3,
        fontsize=9,
    )


def _draw_costs(axes: Axes, ablation: pd.DataFrame, members: pd.DataFrame) -> None:
    n_folds = ablation["fold"].nunique()
    places = {member: place for place, member in enumerate(members.index)}
    axes.barh(range(len(members)), members["cost"], height=0.6, color=style.BLUE, alpha=0.45)
    look = {"color": style.BLUE, "marker": "o", "markersize": 7, "markeredgecolor": "white"}
    dots = ablation["member"].map(places)
    axes.plot(ablation["cost"], dots, linestyle="", clip_on=False, **look)
    for place, weight in enumerate(members["weight"]):
        style.write_beyond(axes, place, f"{weight:.2f}")
    heading = "weight" if n_folds == 1 else "mean weight"
    place = {"xytext": (8, 3), "xycoords": "axes fraction", "textcoords": "offset points"}
    look = {"fontsize": 9, "color": style.GREY, "annotation_clip": False}
    axes.annotate(heading, (1.0, 1.0), **place, **look)
    axes.axvline(0.0, color=style.INK, linewidth=1.0)
    axes.set_xlim(*_cost_limits(ablation["cost"].to_numpy(dtype=float)))
    style.name_rows(axes, list(members.index), "member dropped")
    shown = "one fold" if n_folds == 1 else f"bar: mean of {n_folds} folds, dot: one fold"
    axes.set_xlabel(f"balanced accuracy lost without the member ({shown})")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.grid(axis="x")


def _cost_limits(cost: np.ndarray) -> tuple[float, float]:
    """Limits that include zero and every cost, with a margin."""
    low, high = min(cost.min(), 0.0), max(cost.max(), 0.0)
    margin = max(0.06 * (high - low), LEAST_COST_MARGIN)
    return low - margin, high + margin


def _say_nothing_to_drop(axes: Axes) -> None:
    axes.text(0.5, 0.5, "The hybrid has one member: nothing to drop.", ha="center", va="center")
    axes.set_axis_off()
