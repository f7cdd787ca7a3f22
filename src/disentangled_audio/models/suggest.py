"""Recordings to label next, chosen among those that the models of a run have compared."""

from typing import Any, NamedTuple

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import PROBABILITY_PREFIX
from disentangled_audio.evaluation.suggestions import doubt, rows_to_label
from disentangled_audio.models.answers import SPACE_PREFIX

COLUMNS = [
    *("rank", "path", "why", "class", "confidence", "second_class", "second_confidence"),
    *("in_distribution", "distance", "duration_s"),
]
# With more doubt than this, a recording is called unsure: the two best classes are close.
UNSURE = 0.5


class Suggestions(NamedTuple):
    """Recordings to label, and those that were not considered.

    Attributes
    ----------
    table : DataFrame
        One row per suggested file, the most useful first, with `COLUMNS`.
    n_labelled : int
        Number of files that the model's corpus has labels for.
    n_copies : int
        Number of files with the same bytes as another one.
    unusable : DataFrame
        `path`, `error` and `what_to_do` of files that cannot be used.
    """

    table: pd.DataFrame
    n_labelled: int
    n_copies: int
    unusable: pd.DataFrame


def suggested(candidates: pd.DataFrame, n_files: int) -> Suggestions:
    """Choose at most `n_files` files among the rows of `Answers.candidates`.

    Of a file with several channels, the most doubtful counts.

    Raises
    ------
    UserError
        If `n_files` is not a positive whole number.
    """
    if not isinstance(n_files, int) or n_files < 1:
        raise UserError(f"n={n_files!r}: ask for one recording or more")
    is_unusable = candidates["error"].notna()
    unusable = candidates.loc[is_unusable, ["path", "error", "what_to_do"]]
    usable = candidates[~is_unusable]
    is_labelled = usable["is_labelled"].astype(bool)
    n_labelled = usable.loc[is_labelled, "path"].nunique()
    files = _one_row_a_file(usable[~is_labelled])
    unlabelled = files.drop_duplicates("sha256", ignore_index=True)
    table = _chosen(unlabelled, n_files) if len(unlabelled) else pd.DataFrame(columns=COLUMNS)
    return Suggestions(table, n_labelled, len(files) - len(unlabelled), unusable)


def _one_row_a_file(rows: pd.DataFrame) -> pd.DataFrame:
    shares = rows.filter(regex=f"^{PROBABILITY_PREFIX}").to_numpy(float)
    own = rows.assign(doubt=doubt(shares, rows["is_unlike"].to_numpy(bool)))
    most = own.sort_values("doubt", ascending=False, kind="stable").drop_duplicates("path")
    return most.sort_index()


def _chosen(rows: pd.DataFrame, n_files: int) -> pd.DataFrame:
    names = dict.fromkeys(name.rpartition("_")[0] for name in rows if name.startswith(SPACE_PREFIX))
    spaces = [rows.filter(regex=f"^{name}_").to_numpy(float) for name in names]
    order = rows_to_label(
        rows["doubt"].to_numpy(float), rows["distance"].to_numpy(float), spaces, n_files
    )
    table = rows.iloc[order].reset_index(drop=True)
    table["rank"] = table.index + 1
    shares = table.filter(regex=f"^{PROBABILITY_PREFIX}").to_numpy(float)
    classes = [
        name.removeprefix(PROBABILITY_PREFIX)
        for name in table
        if name.startswith(PROBABILITY_PREFIX)
    ]
    second = shares.argsort(axis=1)[:, -2]
    table["second_class"] = [classes[column] for column in second]
    table["second_confidence"] = shares[table.index, second]
    table["why"] = [_why(row) for row in table.to_dict("records")]
    return table[COLUMNS]


def _why(row: dict[str, Any]) -> str:
    """Say what made a recording a suggestion."""
    if row["is_unlike"]:
        return "unlike the training recordings"
    if row["doubt"] > UNSURE:
        return f"unsure: {row['class']} or {row['second_class']}"
    if row["distance"] > 1:
        return "further from the training recordings than usual"
    return "less sure than the others"
