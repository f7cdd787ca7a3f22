"""Figures of how training went."""

from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from disentangled_audio.plots import style

TRAINING_PREFIX = "training_"
VALIDATION_PREFIXES = ("validation_", "val_")
# Losses of a code and a factor, named <kind>_<code>_<factor>.
CODE_TERMS = ("readout", "independence", "compactness", "adversary")
N_COLUMNS = 3


def training_curves_figure(
    history: pd.DataFrame,
    *,
    simulated: bool = False,
) -> Figure:
    """One small panel for each loss term over the epochs.

    Parameters
    ----------
    history : DataFrame
        One row per epoch: ``epoch``, and for each term ``<term>`` or ``training_<term>``, and
        ``validation_<term>`` where it was measured. Columns that are not numbers are left out.
        Epochs at the end without a validation loss, where others have one, are of the refit. The
        epoch of lowest ``validation_loss`` is marked, where there is such a column.
    simulated : bool
        Whether the title must say that the recordings are simulated.

    Raises
    ------
    ValueError
        If there is no epoch, or no term to draw.
    """
    terms = _terms(history)
    if history.empty or not terms:
        raise ValueError("The training history has no epoch or no loss term")
    marks = _marks(history)
    n_columns = min(N_COLUMNS, len(terms))
    n_rows = ceil(len(terms) / n_columns)
    size = (max(3.1 * n_columns, 5.0), 0.9 + 2.3 * n_rows)
    with style.drawn(*size, "Training, by loss term", simulated=simulated) as figure:
        panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True).ravel()
        for panel, (term, columns) in zip(panels, terms.items(), strict=False):
            _draw_term(panel, history, term, columns, marks)
        for panel in panels[len(terms) :]:
            panel.set_visible(False)
        # The lowest visible panel of each column carries the shared axis.
        for panel in panels[max(0, len(terms) - n_columns) : len(terms)]:
            panel.set_xlabel("epoch")
            panel.tick_params(labelbottom=True)
        handles, labels = _all_handles(panels[: len(terms)])
        figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


def _terms(history: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Columns of each term: ``{term: {"training": column, "validation": column}}``, loss first."""
    terms: dict[str, dict[str, str]] = {}
    for column in history.select_dtypes("number").columns:
        if column == "epoch":
            continue
        part, term = _split_name(str(column))
        terms.setdefault(term, {})[part] = column
    return dict(sorted(terms.items(), key=lambda item: item[0] != "loss"))


def _split_name(column: str) -> tuple[str, str]:
    for prefix in VALIDATION_PREFIXES:
        if column.startswith(prefix):
            return "validation", column.removeprefix(prefix)
    return "training", column.removeprefix(TRAINING_PREFIX)


def _best_epoch(history: pd.DataFrame) -> int | None:
    for prefix in VALIDATION_PREFIXES:
        losses = history.get(f"{prefix}loss")
        if losses is not None and losses.notna().any():
            return int(history["epoch"].iloc[int(np.nanargmin(losses))])
    return None


def _marks(history: pd.DataFrame) -> list[tuple[float, str, str]]:
    """Where a vertical line is, how it looks, and what it is called."""
    best = _best_epoch(history)
    marks = [] if best is None else [(float(best), "--", f"best epoch ({best})")]
    refit = _first_of_refit(history)
    if refit is not None:
        marks.append((refit - 0.5, ":", f"refit from epoch {refit} on"))
    return marks


def _first_of_refit(history: pd.DataFrame) -> int | None:
    """The epoch with which training went on, on validation rows too."""
    judged = [name for name in history if name in {f"{p}loss" for p in VALIDATION_PREFIXES}]
    later = history.loc[history[judged].bfill().isna().all(axis=1), "epoch"]
    return int(later.iloc[0]) if 0 < len(later) < len(history) else None


def _draw_term(
    panel: Axes,
    history: pd.DataFrame,
    term: str,
    columns: dict[str, str],
    marks: list[tuple[float, str, str]],
) -> None:
    looks = {
        "training": {"color": style.BLUE, "linestyle": "-"},
        "validation": {"color": style.ORANGE, "linestyle": "-"},
    }
    marker = "o" if len(history) < 2 else ""
    for part, look in looks.items():
        if part not in columns:
            continue
        values = history[columns[part]]
        panel.plot(history["epoch"], values, label=part, marker=marker, linewidth=1.6, **look)
    for place, linestyle, name in marks:
        panel.axvline(place, color=style.GREY, linestyle=linestyle, label=name)
    panel.set_title(_title(term))
    panel.set_ylabel(_unit(term))
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4))
    panel.grid(axis="y")


def _title(term: str) -> str:
    """Terms of a code and a factor on two lines, which a panel is wide enough for."""
    kind, _, rest = term.partition("_")
    if kind not in CODE_TERMS:
        return style.shortened(term.replace("_", " "))
    code, _, factor = rest.partition("_")
    return f"{kind}\n{code}: {style.shortened(factor.replace('_', ' '))}"


def _unit(term: str) -> str:
    if "accuracy" in term:
        return "share (0–1)"
    if "learning_rate" in term or term == "lr":
        return "learning rate (1)"
    if "seconds" in term:
        return "time (s)"
    return "loss (dimensionless)"


def _all_handles(panels: np.ndarray) -> tuple[list, list[str]]:
    """Legend entries of all panels, each once: a term may lack a validation curve."""
    found = {}
    for panel in panels:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    return list(found.values()), list(found)
