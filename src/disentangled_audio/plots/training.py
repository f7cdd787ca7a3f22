"""Figure of the training curves."""

from collections.abc import Iterable
from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from disentangled_audio.plots import style

# Losses of a code and a factor, named <kind>_<code>_<factor>.
CODE_TERMS = ("readout", "independence", "compactness", "adversary")
N_COLUMNS = 3


def training_curves_figure(history: pd.DataFrame, *, simulated: bool = False) -> Figure:
    """Draw each loss term over the epochs, one panel per term.

    Parameters
    ----------
    history : DataFrame
        One row per epoch: ``epoch``, and for each term ``training_<term>`` and, if measured,
        ``validation_<term>``. The epoch of lowest ``validation_loss`` is marked, and so is the
        refit: final epochs without validation.
    """
    names = dict.fromkeys(column.partition("_")[2] for column in history if column != "epoch")
    terms = sorted(names, key=lambda term: term != "loss")
    marks = _marks(history)
    n_columns = min(N_COLUMNS, len(terms))
    n_rows = ceil(len(terms) / n_columns)
    size = (max(3.1 * n_columns, 5.0), 0.9 + 2.3 * n_rows)
    with style.drawn(*size, "Training, by loss term", simulated=simulated) as figure:
        panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True).ravel()
        for panel, term in zip(panels, terms, strict=False):
            _draw_term(panel, history, term, marks)
        for panel in panels[len(terms) :]:
            panel.set_visible(False)
        # The lowest visible panel of each column carries the shared axis.
        for panel in panels[max(0, len(terms) - n_columns) : len(terms)]:
            panel.set_xlabel("epoch")
            panel.tick_params(labelbottom=True)
        handles, labels = _all_handles(panels[: len(terms)])
        figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


def _marks(history: pd.DataFrame) -> list[tuple[float, str, str]]:
    """Place, line style and name of each vertical line."""
    losses, marks = history.get("validation_loss"), []
    if losses is None or losses.isna().all():
        return []
    best = int(history["epoch"].loc[losses.idxmin()])
    marks.append((float(best), "--", f"best epoch ({best})"))
    # The refit trains on validation rows too.
    later = history.loc[losses.bfill().isna(), "epoch"]
    if len(later):
        first = int(later.iloc[0])
        marks.append((first - 0.5, ":", f"refit from epoch {first} on"))
    return marks


def _draw_term(
    panel: Axes,
    history: pd.DataFrame,
    term: str,
    marks: list[tuple[float, str, str]],
) -> None:
    marker = "o" if len(history) < 2 else ""
    for part, colour in (("training", style.BLUE), ("validation", style.ORANGE)):
        values = history.get(f"{part}_{term}")
        if values is not None:
            look = {"color": colour, "marker": marker, "linewidth": 1.6}
            panel.plot(history["epoch"], values, label=part, **look)
    for place, linestyle, name in marks:
        panel.axvline(place, color=style.GREY, linestyle=linestyle, label=name)
    panel.set_title(_title(term))
    panel.set_ylabel(_unit(term))
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4))
    panel.grid(axis="y")


def _title(term: str) -> str:
    """Title of a panel; terms of a code and a factor take two lines."""
    kind, _, rest = term.partition("_")
    if kind not in CODE_TERMS:
        return style.shortened(term.replace("_", " "))
    code, _, factor = rest.partition("_")
    return f"{kind}\n{code}: {style.shortened(factor.replace('_', ' '))}"


def _unit(term: str) -> str:
    return "share (0–1)" if "accuracy" in term else "loss (dimensionless)"


def _all_handles(panels: Iterable[Axes]) -> tuple[list, list[str]]:
    """Legend entries of all panels without repetition; some terms lack validation."""
    found = {}
    for panel in panels:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    return list(found.values()), list(found)
