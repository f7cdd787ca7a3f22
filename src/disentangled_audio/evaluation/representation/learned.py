"""What of a leakage matrix was learned, and what the encoders' views tell anyway."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

CELL = ["code", "factor", "condition"]


def beside_controls(matrix: pd.DataFrame, carried_by: Mapping[str, str]) -> pd.DataFrame:
    """Cells of the codes, each beside its controls, and which of them say something.

    Where an untrained encoder does as well, the view did it, not learning. As well means: not
    below the lower end of the code's own interval.

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
        ``untrained``, the score of the same code with random weights, and ``raw``, the best of the
        raw spectrograms (NaN where there is none); ``wanted``, whether the code should tell the
        factor; ``told``, whether its interval is above chance; and ``view_did_it``, whether it is
        told and the untrained encoder tells it as well.
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
    # A cell without a score is neither: comparisons with NaN are false.
    table["told"] = table["low"] > table["chance"]
    table["view_did_it"] = table["told"] & (table["untrained"] >= table["low"])
    return table
