"""Figure of the audit."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disentangled_audio.plots import style


def audit_figure(audit: Mapping[str, Any]) -> Figure:
    """Balanced accuracy of each control with its interval; grey unless it predicts the label.

    Parameters
    ----------
    audit : mapping
        Catalog entry `audit`, its controls sorted by ``heading``. Controls that do not apply are
        not drawn.

    Returns
    -------
    Figure
        A panel for each heading.
    """
    parts = style.by_heading(audit["controls"])
    found = {*audit["shortcuts"], *audit["baselines"]}
    title = f"Shortcuts and baselines: target {audit['target']}, corpus {audit['corpus']}"
    height = 2.2 + 0.34 * len(audit["controls"])
    with style.drawn(7.6, height, title, simulated=audit["simulated"]) as figure:
        panels = style.stacked(figure, [len(controls) for controls in parts.values()])
        for panel, (heading, controls) in zip(panels, parts.items(), strict=True):
            for place, (name, scores) in enumerate(controls.items()):
                _draw(
                    panel, place, scores, style.CONTROLS[heading] if name in found else style.GREY
                )
            style.name_rows(panel, list(controls), f"{heading}s")
            panel.axvline(audit["chance"], color=style.INK, linestyle=":", linewidth=1.4)
            style.share_axis(panel, "")
        _explain(panels[0])
        folds = f"{audit['n_folds']} fold" + ("s" if audit["n_folds"] > 1 else "")
        panels[-1].set_xlabel(f"balanced accuracy (0–1): mean over {folds}, 95 % interval")
        figure.align_ylabels()
    return figure


def _explain(axes: Axes) -> None:
    """Draw a legend above the axes."""
    axes.plot([], [], color=style.INK, linestyle=":", linewidth=1.4, label="chance")
    axes.plot([], [], "s", color=style.GREY, label="grey: no significant prediction")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.2, 1.0), ncols=2, borderaxespad=0.2)


def _draw(axes: Axes, place: int, scores: Mapping[str, Any], colour: str) -> None:
    value, (low, high) = scores["balanced_accuracy"], scores["balanced_accuracy_ci95"]
    axes.barh(place, value, height=0.6, color=colour, alpha=0.25)
    axes.plot([low, high], [place, place], color=colour, linewidth=2.2)
    axes.plot([value], [place], marker="s", color=colour, clip_on=False, zorder=3)
    style.write_beyond(axes, place, f"{value:.2f}")
