"""Which scores of a leakage matrix training explains, and which the input view alone."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

CELL = ["code", "factor", "condition"]


def compare_with_controls(matrix: pd.DataFrame, carried_by: Mapping[str, str]) -> pd.DataFrame:
    """Compare the cells of the codes with their controls.

    If an untrained encoder scores as well (not below the code's own interval), the input view,
    not training, explains the score.

    Parameters
    ----------
    matrix : DataFrame
        From `leakage_matrix`.
    carried_by : mapping
        Factor to the code that should carry it.

    Returns
    -------
    DataFrame
        ``code, factor, condition, score, low, high, chance, reason`` of the codes under test;
        ``untrained``, the score of the same code with random weights, and ``raw``, the best score
        of raw spectrograms (NaN if missing); ``wanted``, whether the code should carry the
        factor; ``above_chance``, whether its interval is above chance; and ``explained_by_view``,
        whether the untrained encoder scores as well.
    """
    control = matrix["control"].astype(object).fillna("")
    cells = matrix.loc[control == "", [*CELL, "score", "low", "high", "chance", "reason"]]
    untrained = matrix[control == "untrained"].set_index(CELL)["score"]
    raw = matrix[control == "raw"].groupby(CELL[1:])["score"].max()
    table = cells.reset_index(drop=True)
    table["untrained"] = untrained.reindex(pd.MultiIndex.from_frame(table[CELL])).to_numpy()
    table["raw"] = raw.reindex(pd.MultiIndex.from_frame(table[CELL[1:]])).to_numpy()
    wanted = table["factor"].map(dict(carried_by)).to_numpy(dtype=object)
    table["wanted"] = np.equal(wanted, table["code"].to_numpy(dtype=object))
    # Both are false for a cell without a score, because comparisons with NaN are.
    table["above_chance"] = table["low"] > table["chance"]
    table["explained_by_view"] = table["above_chance"] & (table["untrained"] >= table["low"])
    return table
