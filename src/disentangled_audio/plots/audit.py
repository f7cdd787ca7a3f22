"""Figure of the shortcut audit."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from disentangled_audio.plots import style


def audit_figure(audit: Mapping[str, Any], title: str | None = None) -> Figure:
    """Balanced accuracy of each control with its interval; those that tell the label in colour.

    Parameters
    ----------
    audit : mapping
        The catalog's `audit`.
    title : str, optional

    Returns
    -------
    Figure
    """
    controls = audit["controls"]
    with style.context():
        figure = style.new_figure(7.6, 1.8 + 0.34 * len(controls))
        axes = figure.add_subplot()
        for place, scores in enumerate(controls.values()):
            colour = style.OKABE_ITO[5] if scores["predicts"] else style.GREY
            value, (low, high) = scores["balanced_accuracy"], scores["balanced_accuracy_ci95"]
            axes.plot([low, high], [place, place], color=colour, linewidth=2.2, alpha=0.6)
            marker = "s" if scores["predicts"] else "o"
            axes.plot([value], [place], marker=marker, color=colour, clip_on=False, zorder=3)
            axes.annotate(
                f"{value:.2f}",
                (1.0, place),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                annotation_clip=False,
            )
        axes.set_yticks(range(len(controls)), [style.label(name) for name in controls])
        axes.set_ylim(len(controls) - 0.4, -0.6)
        axes.axvline(audit["chance"], color=style.GREY, linestyle=":", linewidth=1.4)
        axes.plot([], [], "s", color=style.OKABE_ITO[5], label="tells the label")
        axes.plot([], [], "o", color=style.GREY, label="does not, significantly")
        axes.plot([], [], ":", color=style.GREY, label="chance")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
        folds = f"{audit['n_folds']} fold" + ("s" if audit["n_folds"] > 1 else "")
        style.share_axis(axes, f"balanced accuracy (0–1) over {folds}, 95 % interval")
        text = title or f"Shortcut controls: target {audit['target']}, corpus {audit['corpus']}"
        style.left_title(figure, style.title(text, simulated=audit["simulated"]))
    return figure
