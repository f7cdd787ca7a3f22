"""Tasks of probes: a factor under a condition, as labels of the rows that have it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from disentangled_audio.evaluation.representation.thirds import terciles_within

CONDITIONS = ("marginal", "within target", "within target × group")
MARGINAL, WITHIN_TARGET, WITHIN_BOTH = CONDITIONS
# With fewer rows per class, a score means little.
MIN_ROWS_A_CLASS = 5


@dataclass(frozen=True)
class Rows:
    """Labels of rows as numbers, each (n_items,)."""

    target: NDArray[np.intp]
    both: NDArray[np.intp]
    group: NDArray[np.intp]
    unit: NDArray[np.intp]
    unseen: NDArray[np.bool_]

    def take(self, rows: NDArray[np.intp]) -> "Rows":
        """Select rows and renumber their labels."""
        labels = (self.target, self.both, self.group, self.unit)
        target, both, group, unit = (numbered(values[rows]) for values in labels)
        return Rows(target, both, group, unit, self.unseen[rows])

    def cells(self, condition: str) -> NDArray[np.intp]:
        """Cell of each row under a condition."""
        cells = {WITHIN_TARGET: self.target, WITHIN_BOTH: self.both}
        return cells.get(condition, np.zeros(len(self.target), dtype=np.intp))


@dataclass(frozen=True)
class Question:
    """A factor under a condition, as labels of the rows that have it.

    Attributes
    ----------
    rows : (n_rows,) positions of those rows.
    labels : (n_rows,) classes from 0.
    cells : (n_rows,) cells from 0; classes are compared within them.
    scored : (n_rows,) of bool.
    scope : ``unseen`` or ``all``.
    """

    rows: NDArray[np.intp]
    labels: NDArray[np.intp]
    cells: NDArray[np.intp]
    scored: NDArray[np.bool_]
    scope: str

    def possible(self) -> NDArray[np.bool_]:
        """Whether each class occurs among the scored rows of each cell, (n_cells, n_classes)."""
        found = np.zeros((int(self.cells.max()) + 1, int(self.labels.max()) + 1), dtype=bool)
        found[self.cells[self.scored], self.labels[self.scored]] = True
        return found


def rows_of(
    factors: pd.DataFrame,
    target: ArrayLike,
    group: ArrayLike,
    unit: ArrayLike | None,
    unseen: ArrayLike | None,
) -> Rows:
    """Rows from their labels; by default each row is a unit, and all rows are unseen."""
    every = np.arange(len(factors))
    targets, groups = numbered(target), numbered(group)
    both = numbered(targets * (int(groups.max(initial=0)) + 1) + groups)
    units = numbered(every if unit is None else unit)
    return Rows(
        targets, both, groups, units, every >= 0 if unseen is None else np.asarray(unseen, bool)
    )


def numbered(labels: ArrayLike) -> NDArray[np.intp]:
    """Labels as numbers from 0 in sorted order; missing labels share a number of their own."""
    return pd.factorize(np.asarray(labels), sort=True, use_na_sentinel=False)[0]


def ask(
    values: pd.Series, cells: NDArray[np.intp], unseen: NDArray[np.bool_], missing: str
) -> Question | str:
    """Make the task of a factor, or give the reason why there is none."""
    if values.isna().all():
        return missing
    is_number = pd.api.types.is_float_dtype(values)
    classes = terciles_within(values, cells) if is_number else values.astype("string")
    known = np.flatnonzero(pd.notna(classes))
    if len(known) == 0:
        return _why_one_class(cells)
    labels = numbered(np.asarray(classes)[known])
    # Thirds are equally frequent in every cell, so they are compared over all cells.
    compared = np.zeros(len(known), dtype=np.intp) if is_number else numbered(cells[known])
    for scope, mask in (("unseen", unseen[known]), ("all", np.ones(len(known), dtype=bool))):
        question = _narrowed(known, labels, compared, mask, scope)
        if question is not None:
            break
    else:
        return _why_one_class(cells)
    if unseen.all():
        question = Question(*(vars(question) | {"scope": "all"}).values())
    n_rows, n_classes = int(question.scored.sum()), int(question.possible().sum())
    if n_rows < MIN_ROWS_A_CLASS * n_classes:
        n_cells = int(question.possible().any(axis=1).sum())
        return f"{n_rows} rows of {n_classes} classes" + (f" in {n_cells} cells" * (n_cells > 1))
    return question


def _why_one_class(cells: NDArray[np.intp]) -> str:
    return "one class" if cells.max() == 0 else "one class in every cell"


def _narrowed(
    rows: NDArray[np.intp],
    labels: NDArray[np.intp],
    cells: NDArray[np.intp],
    scored: NDArray[np.bool_],
    scope: str,
) -> Question | None:
    """Leave out cells with a single class; None if no cell remains."""
    if not scored.any():
        return None
    possible = Question(rows, labels, cells, scored, scope).possible()
    open_cells = possible.sum(axis=1) > 1
    kept = open_cells[cells]
    if not (kept & scored).any():
        return None
    return Question(rows[kept], numbered(labels[kept]), numbered(cells[kept]), scored[kept], scope)
