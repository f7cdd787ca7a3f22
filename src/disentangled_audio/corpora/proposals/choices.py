"""Which columns are the class, the group that stays together, and a ready-made split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from disentangled_audio.corpora.proposals import natures

# A column with more values than this share of the files is a number, not a class.
_MAX_SHARE = 0.25
# At most this share of the files may be the only ones of their class.
_SINGLE_SHARE = 0.2
_LEAST_GROUPS = 4
# One each for training, validation and test.
LEAST_UNITS = 3
# The least share of the files whose classes have so many groups, so that groups can be kept.
_GROUPED_SHARE = 0.8
# Rarely a class, and never a group.
_ATTRIBUTES = frozenset({natures.SEX, natures.AGE})
_NEVER = frozenset({natures.PART, natures.FOLD, natures.DAY, natures.TIME, natures.RELEASE})
# Splits that somebody has made.
READY = frozenset({natures.PART, natures.FOLD})
# The least share of recordings' series that are numbered without gaps.
_IN_ORDER = 0.9
# From here on, a column is only the class if nothing else can be.
DOUBTFUL = 3
# Numbers of several digits, which stand for speakers or sentences as often as for classes.
NUMBERS = 1.5


@dataclass(frozen=True)
class Column:
    """A column that names, folders or a table give.

    Attributes
    ----------
    name : str
    origin : {"folder", "name", "table"}
    nature : str
        What it is (`natures`); empty if unknown.
    is_take : bool
        Whether it only counts.
    """

    name: str
    origin: str
    nature: str = ""
    is_take: bool = False


def varying(facts: pd.DataFrame, columns: Sequence[Column]) -> list[Column]:
    """Columns with several values, with marks on those that count recordings."""
    several = [column for column in columns if facts[column.name].nunique() > 1]
    return [_marked(facts, column, several[:place]) for place, column in enumerate(several)]


def _marked(facts: pd.DataFrame, column: Column, before: Sequence[Column]) -> Column:
    if natures.is_take(column.nature):
        return replace(column, is_take=True)
    if column.nature not in {"", natures.AGE} or column.origin == "table":
        return column
    # A recording's name is no more than its parts.
    parts = [facts[other.name] for other in before if other.nature != natures.SOURCE]
    if not parts or not _counts(facts[column.name], parts):
        return column
    return replace(column, nature="", is_take=True)


def _counts(values: pd.Series, before: Sequence[pd.Series]) -> bool:
    """Whether a column counts the recordings with the same values of the columns before it."""
    numbers = _numbers(values)
    if numbers is None:
        return False
    each = numbers.groupby(list(before))
    begins, ends, n_values = each.min(), each.max(), each.nunique()
    in_order = (begins <= 1) & (ends - begins + 1 == n_values)
    return bool(
        (n_values > 1).any() and (in_order.mean() >= _IN_ORDER or (each.size() == n_values).all())
    )


def _numbers(values: pd.Series) -> pd.Series | None:
    if values.str.fullmatch(r"\d{1,9}").all():
        return values.astype(int)
    # `a`, `b`, `c` count versions.
    return values.map(ord) - ord("a") if values.str.fullmatch("[a-z]").all() else None


def classes(facts: pd.DataFrame, columns: Sequence[Column]) -> list[tuple[float, Column]]:
    """Columns that can be the class, the likeliest first, each with how doubtful it is."""
    possible = [column for column in columns if _is_class(facts, column)]
    ranked = [(_doubt(facts, column, possible), column) for column in possible]
    return sorted(ranked, key=lambda pair: (pair[0], _order(facts, *pair)))


def _is_class(facts: pd.DataFrame, column: Column) -> bool:
    values = facts[column.name]
    if column.nature in _NEVER:
        return False
    if column.origin == "folder":
        return values.nunique() < len(values)
    counts = values.value_counts()
    few = len(counts) <= max(2, _MAX_SHARE * len(values)) or column.nature == natures.LABEL
    return few and counts[counts == 1].sum() <= _SINGLE_SHARE * len(values)


def _doubt(facts: pd.DataFrame, column: Column, possible: Sequence[Column]) -> float:
    if column.nature == natures.LABEL:
        has_letters = facts[column.name].str.contains(r"[^\W\d]").all()
        return -1 if has_letters else -0.5
    if column.is_take and column.origin == "name":
        return DOUBTFUL + 1
    if natures.is_group(column.nature) or column.nature in _ATTRIBUTES:
        return DOUBTFUL
    if column.origin == "name":
        return _doubt_of_part(facts, column, possible)
    return 0 if column.origin == "folder" else 2


def _doubt_of_part(facts: pd.DataFrame, column: Column, possible: Sequence[Column]) -> float:
    values = facts[column.name]
    # A capital letter stands out.
    if values.str.fullmatch("[A-Z]").all() and any(_is_small(facts, other) for other in possible):
        return 0.5
    if any(_determines(facts, column, other) for other in possible):
        return 2
    return NUMBERS if values.str.fullmatch(r"\d\d+").all() else 1


def _is_small(facts: pd.DataFrame, column: Column) -> bool:
    return column.origin == "name" and bool(facts[column.name].str.fullmatch("[a-z]+").all())


def _order(facts: pd.DataFrame, doubt: float, column: Column) -> int:
    """Of folders, the level with the fewest names; of numbers, the part with the most values."""
    n_values = int(facts[column.name].nunique())
    if column.origin == "folder":
        return n_values
    return -n_values if doubt == NUMBERS else 0


def _determines(facts: pd.DataFrame, column: Column, other: Column) -> bool:
    """Whether each value of a column has one value of the other, which has fewer."""
    fine, coarse = facts[column.name], facts[other.name]
    if column is other or fine.nunique() <= coarse.nunique() or coarse.nunique() < 2:
        return False
    return bool(coarse.groupby(fine).nunique().max() == 1)


def groups(
    facts: pd.DataFrame, columns: Sequence[Column], target: str
) -> tuple[list[Column], list[Column]]:
    """Columns whose values can stay together, the best first; and those a ready split divides.

    Enough classes must have three values or more: one each for training, validation and test.
    """
    every = [column for column in columns if _is_group(facts, column, target)]
    ready = [column for column in columns if column.nature in READY]
    every = [c for c in every if not any(are_alike(facts, split, c) for split in ready)]
    divided = [c for c in every if any(_divides(facts, split, c) for split in ready)]
    found = _best_first(facts, columns, [c for c in every if c not in divided])
    return found, [column for column in divided if natures.is_group(column.nature)]


def are_alike(facts: pd.DataFrame, one: Column, other: Column) -> bool:
    """Whether two columns divide the recordings in the same way."""
    codes = (pd.factorize(facts[column.name])[0] for column in (one, other))
    return bool(np.equal(*codes).all())


def _divides(facts: pd.DataFrame, split: Column, column: Column) -> bool:
    return bool(facts.groupby(column.name)[split.name].nunique().max() > 1)


def _best_first(
    facts: pd.DataFrame, columns: Sequence[Column], possible: Sequence[Column]
) -> list[Column]:
    known = [column for column in possible if natures.is_group(column.nature)]
    plain = [c for c in possible if not c.nature and not c.is_take and c.origin != "table"]
    days = [column for column in possible if column.nature == natures.DAY]
    found = [*known, *plain, *days]
    if not found:
        found = _counted(facts, possible, [c for c in columns if c.origin == "name"])
    if not found:
        return []
    finer = [c for c in found if _determines(facts, c, found[0]) and _repeats(facts, c)]
    first = max(finer, key=lambda column: facts[column.name].nunique(), default=found[0])
    return [first, *(column for column in found if column is not first)]


def _counted(
    facts: pd.DataFrame, possible: Sequence[Column], names: Sequence[Column]
) -> list[Column]:
    """Numbers of what was recorded several times: not the last one, which counts the recordings.

    The last of many parts may be a speaker as well.
    """
    counted = [column for column in possible if column.is_take and not column.nature]
    inner = [column for column in counted if column is not names[-1]]
    return inner or (counted if len(names) > LEAST_UNITS else [])


def _is_group(facts: pd.DataFrame, column: Column, target: str) -> bool:
    if column.name == target or not _repeats(facts, column):
        return False
    if facts[column.name].nunique() < _LEAST_GROUPS:
        return False
    enough = classes_with_units(facts, target, column.name)
    kept = facts[target].isin(enough)
    return len(enough) > 1 and bool(kept.mean() >= _GROUPED_SHARE)


def _repeats(facts: pd.DataFrame, column: Column) -> bool:
    return bool(facts[column.name].nunique() < len(facts))


def units_of_classes(facts: pd.DataFrame, target: str, group: str | None) -> pd.Series:
    """Number of files, or of groups, of each class."""
    each = facts.groupby(target)
    return each.size() if group is None else each[group].nunique()


def classes_with_units(facts: pd.DataFrame, target: str, group: str | None) -> list[str]:
    """Classes with a file, or a group, each for training, validation and test."""
    n_units = units_of_classes(facts, target, group)
    return [str(name) for name in n_units[n_units >= LEAST_UNITS].index]
