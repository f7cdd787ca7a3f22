"""Joins the answers for windows of a recording."""

from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX

_BETWEEN = "; "
_NUMBERS = ("in_distribution", "distance")


def joined_windows(table: pd.DataFrame, rows: str) -> pd.DataFrame:
    """Join the windows of each recording and channel.

    Parameters
    ----------
    table : DataFrame
        Predictions with a row per window, in order, or per file that is heard as one clip or
        cannot be used. A window without sound has no row.
    rows : {"segments", "whole", "windows"}
        `segments` joins neighbours of the same class; neighbours of different classes meet in the
        middle of what both heard. `whole` joins all windows. `windows` joins none.

    Returns
    -------
    DataFrame
        As the table, with `n_windows` and `agreement` (share of windows with the class of the row).
        Probabilities, `in_distribution` and `distance` are means over windows.
    """
    is_used = table["class"].notna()
    table = table.assign(n_windows=np.where(is_used, 1.0, np.nan))
    table["agreement"] = table["n_windows"]
    if rows == "windows" or not is_used.any() or not table.duplicated(["place", "channel"]).any():
        return table
    number = _whole(table) if rows == "whole" else _runs(table)
    joined = [_row(group) for _, group in table.groupby(number, sort=False)]
    found = pd.DataFrame(joined).astype(table.dtypes.to_dict())
    return _without_overlap(found) if rows == "segments" else found


def _whole(table: pd.DataFrame) -> pd.Series:
    # Of a file that cannot be used, the channel is not known.
    return table.groupby(["place", "channel"], sort=False, dropna=False).ngroup()


def _runs(table: pd.DataFrame) -> pd.Series:
    """Number the runs of neighbouring windows with the same class."""
    before = table.shift()
    same = (table["place"] == before["place"]) & (table["channel"] == before["channel"])
    same &= (table["class"] == before["class"]) & (table["start_s"] <= before["end_s"])
    return (~same).cumsum()


def _row(group: pd.DataFrame) -> dict[str, Any]:
    first = group.iloc[0].to_dict()
    if len(group) == 1:
        return first
    probabilities = [name for name in group if PROBABILITY_PREFIX in name[: name.find("p_") + 2]]
    means = group[[*probabilities, *_NUMBERS]].astype(float).mean().to_dict()
    own = {name: means[name] for name in probabilities if name.startswith(PROBABILITY_PREFIX)}
    best = max(own, key=lambda name: own[name])
    chosen = best.removeprefix(PROBABILITY_PREFIX)
    return {
        **first,
        **means,
        "class": chosen,
        "confidence": own[best],
        "end_s": group["end_s"].max(),
        "warnings": _BETWEEN.join(
            dict.fromkeys(
                text for cell in group["warnings"] for text in cell.split(_BETWEEN) if text
            )
        ),
        "n_windows": len(group),
        "agreement": float((group["class"] == chosen).mean()),
    }


def _without_overlap(table: pd.DataFrame) -> pd.DataFrame:
    """Let overlapping neighbours meet in the middle."""
    after = table.shift(-1)
    meets = (table["place"] == after["place"]) & (table["channel"] == after["channel"])
    meets &= table["end_s"] > after["start_s"]
    middle = (table["end_s"] + after["start_s"]) / 2
    begins = meets.shift(fill_value=False)
    return table.assign(
        end_s=table["end_s"].where(~meets, middle),
        start_s=table["start_s"].where(~begins, middle.shift()),
    )
