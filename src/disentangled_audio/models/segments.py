"""Joins the answers for windows of a recording."""

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX

_BETWEEN = "; "
# Numbers of a recording or model, which are no means over windows.
_NO_MEANS = ("place", "start_s", "end_s", "duration_s", "least_in_distribution", "confidence")
# Channel of a row whose windows were loudest on different channels.
LOUDEST = "loudest"


def joined_windows(table: pd.DataFrame, rows: str, *, by_channel: bool) -> pd.DataFrame:
    """Join the windows of each recording.

    Parameters
    ----------
    table : DataFrame
        Predictions with a row per window, in order, or per file that is heard as one clip or
        cannot be used. A window without sound has no row.
    rows : {"segments", "whole", "windows"}
        `segments` joins neighbours of the same class; neighbours of different classes meet in the
        middle of what both heard. `whole` joins all windows. `windows` joins none.
    by_channel : bool
        Whether each channel is a recording of its own.

    Returns
    -------
    DataFrame
        As the table, with `n_windows` and `agreement` (share of windows with the class of the row).
        All measured numbers are means over windows; the class is that of the highest mean.
    """
    is_used = table["class"].notna()
    table = table.assign(n_windows=np.where(is_used, 1.0, np.nan))
    table["agreement"] = table["n_windows"]
    item = ["place", "channel"] if by_channel else ["place"]
    if rows == "windows" or not table.duplicated(item).any():
        return table
    # All windows of a channel come before those of the next. A file that fails has no channel.
    number = table.groupby(item, sort=False, dropna=False).ngroup().sort_values(kind="stable")
    table = table.loc[number.index].reset_index(drop=True).assign(item=number.to_numpy())
    follows = table["item"] == table["item"].shift()
    if rows == "segments":
        follows &= _continues(table)
    joined = _joined(table, (~follows).cumsum())
    return joined if rows == "whole" else _without_overlap(joined)


def _continues(table: pd.DataFrame) -> pd.Series:
    """Tell which windows have the class of the one before, and touch it."""
    before = table[["class", "end_s"]].shift()
    return (table["class"] == before["class"]) & (table["start_s"] <= before["end_s"])


def _joined(table: pd.DataFrame, number: pd.Series) -> pd.DataFrame:
    """Join the rows with the same number; equal numbers are neighbours."""
    groups = table.groupby(number, sort=False)
    joined = table[~number.duplicated()].reset_index(drop=True)
    measured = [name for name in table.select_dtypes("number").columns if name not in _NO_MEANS]
    joined[measured] = groups[measured].mean().to_numpy()
    joined["end_s"] = groups["end_s"].max().to_numpy()
    is_used = joined["class"].notna()
    own = [name for name in table if name.startswith(PROBABILITY_PREFIX)]
    means = joined.loc[is_used, own].to_numpy()
    classes = np.array([name.removeprefix(PROBABILITY_PREFIX) for name in own], dtype=object)
    joined.loc[is_used, "class"] = classes[means.argmax(axis=1)]
    joined.loc[is_used, "confidence"] = means.max(axis=1)
    agrees = table["class"].to_numpy() == joined["class"].to_numpy()[number - number.iloc[0]]
    share = pd.Series(agrees, dtype=float).groupby(number, sort=False).mean()
    joined["agreement"] = share.where(is_used.to_numpy()).to_numpy()
    joined["n_windows"] = groups["n_windows"].sum(min_count=1).to_numpy()
    joined["channel"] = _channels(table["channel"], number, joined["channel"])
    joined["warnings"] = _warnings(table["warnings"], number)
    return joined


def _channels(channel: pd.Series, number: pd.Series, first: pd.Series) -> pd.Series:
    several = (channel.groupby(number, sort=False).nunique() > 1).to_numpy()
    return first.where(~several, LOUDEST)


def _warnings(warnings: pd.Series, number: pd.Series) -> list[str | None]:
    """Join the different warnings of each group; a file that cannot be used has none."""
    texts: dict[int, dict[str, None] | None] = dict.fromkeys(number)
    for group, cell in zip(number, warnings, strict=True):
        if isinstance(cell, str):
            texts[group] = (texts[group] or {}) | dict.fromkeys(filter(None, cell.split(_BETWEEN)))
    return [None if found is None else _BETWEEN.join(found) for found in texts.values()]


def _without_overlap(table: pd.DataFrame) -> pd.DataFrame:
    """Let overlapping neighbours meet in the middle."""
    after = table[["item", "start_s"]].shift(-1)
    meets = (table["item"] == after["item"]) & (table["end_s"] > after["start_s"])
    middle = (table["end_s"] + after["start_s"]) / 2
    begins = meets.shift(fill_value=False)
    return table.assign(
        end_s=table["end_s"].where(~meets, middle),
        start_s=table["start_s"].where(~begins, middle.shift()),
    )
