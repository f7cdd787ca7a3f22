"""Leakage matrix: how well each code predicts each factor, with controls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from disentangled_audio.evaluation.representation.probes import (
    ProbeFeatures,
    better_by_other_folds,
    draw_rows,
    lookup_decisions,
    probe_decisions,
    probe_features,
    probe_folds,
)
from disentangled_audio.evaluation.representation.questions import (
    CONDITIONS,
    MARGINAL,
    WITHIN_BOTH,
    WITHIN_TARGET,
    Question,
    Rows,
    ask,
    rows_of,
)
from disentangled_audio.evaluation.scores.intervals import bootstrap_intervals
from disentangled_audio.evaluation.scores.recall import balanced_accuracy

ONE_HOT = "one_hot"
N_FOLDS = 5

COLUMNS = (
    *("code", "factor", "condition", "score", "low", "high", "chance", "control"),
    *("n_items", "n_classes", "rows", "folds", "reason"),
)


def leakage_matrix(  # noqa: PLR0913 - the parts of a measurement, each given by name
    codes: Mapping[str, NDArray[np.floating]],
    factors: pd.DataFrame,
    *,
    target: ArrayLike,
    group: ArrayLike,
    controls: Mapping[str, Mapping[str, NDArray[np.floating]]] | None = None,
    unit: ArrayLike | None = None,
    unseen: ArrayLike | None = None,
    conditions: Sequence[str] = CONDITIONS,
    why_missing: Mapping[str, str] | None = None,
    max_items: int = 3000,
    n_resamples: int = 300,
    seed: int = 0,
) -> pd.DataFrame:
    """Balanced accuracy of probes, for each code, factor and condition.

    *Rows.* Pass all rows of the encoders' run, and mark as `unseen` those the encoders were not
    trained on (the test rows). Only these are scored, because codes of training rows look too
    good in what training demanded and too clean in what it removed. A factor with one class among
    the unseen rows (the speaker, if one speaker is left out) is scored on all rows; the column
    ``rows`` says so.

    *Folds.* Groups stay together: probes are fitted to the other rows and scored on the unseen
    ones, or cross-validated by group if all rows are scored. The exception are factors and
    conditions that are the group itself: there a probe may have seen rows of the group, or it
    would under-report. The column ``folds`` says what stayed together (`probe_folds`). For the
    strictest test of a leak, pass the unseen rows alone, each as its own group, so that probes
    need not transfer from codes that training has cleaned.

    *Conditions.* Factors of real recordings are confounded: a digit has its usual duration, so a
    code of the digit also predicts the duration. Within cells (of the target, or of target ×
    group) this is removed from both sides: numbers are cut into thirds of their own cell; codes
    lose the mean of their cell, which would otherwise dominate (rhythm codes of FSDD: 50 instead
    of 75 % for the third of duration); and each class is compared only with the others of its
    cell, with equal weights for all cells.

    *Scores below chance* are not leaks. A held-out group often has what the others have least of
    (a combination of factors, a low voice), and an ignorant probe guesses what the others have.

    *Floors.* Rows with the control ``one_hot`` show how well the target, or target and group,
    predict the factor without any sound.

    Parameters
    ----------
    codes : mapping of name to (n_items, n_dims)
    factors : DataFrame of n_items rows
        What probes predict; may include target and group. Floating-point columns are numbers,
        cut into thirds; others are classes. Missing values are left out.
    target, group : (n_items,)
        Labels of the cells; missing ones form their own cell.
    controls : mapping of control to codes
    unit : (n_items,)
        Rows of a unit, such as channels of one file, stay in one fold.
    unseen : (n_items,) of bool
        Rows to score; by default all.
    why_missing : mapping
        Factor to the reason if no row has it: ``{"f0": "no voiced frame"}``.
    max_items : int
        Of more rows, this many are drawn at random.

    Returns
    -------
    DataFrame
        ``code, factor, condition, score, low, high, chance`` (balanced accuracy and its 95 %
        interval, 0 to 1), ``control`` (empty for codes under test), ``n_items, n_classes, rows,
        folds, reason``. NaN and a reason if a cell cannot be scored. Constant codes score chance,
        with a reason.
    """
    rows = rows_of(factors, target, group, unit, unseen)
    kept = draw_rows(len(factors), max_items, seed)
    rows = rows.take(kept)
    named = [
        (control, name, _finite(code, name)[kept])
        for control, of_control in {"": codes, **(controls or {})}.items()
        for name, code in of_control.items()
    ]
    settings = _Settings(n_resamples, seed, dict(why_missing or {}))
    records: list[dict[str, Any]] = []
    for condition in conditions:
        records += _condition_cells(condition, rows, factors.iloc[kept], named, settings)
    return pd.DataFrame(records, columns=list(COLUMNS))


@dataclass(frozen=True)
class _Settings:
    n_resamples: int
    seed: int
    why_missing: dict[str, str]


def _finite(code: NDArray[np.floating], name: str) -> NDArray[np.floating]:
    bad = ~np.isfinite(code).all(axis=1)
    if bad.any():
        raise ValueError(f"code '{name}' is not finite in {int(bad.sum())} of {len(bad)} rows")
    return code


def _condition_cells(
    condition: str,
    rows: Rows,
    factors: pd.DataFrame,
    named: Sequence[tuple[str, str, NDArray[np.floating]]],
    settings: _Settings,
) -> Iterator[dict[str, Any]]:
    cells = rows.cells(condition)
    features = [
        (control, name, probe_features(_centred(code, cells), seed=settings.seed))
        for control, name, code in named
    ]
    for factor in factors:
        key = {"factor": str(factor), "condition": condition}
        missing = settings.why_missing.get(str(factor), "no value")
        question = ask(factors[factor], cells, rows.unseen, missing)
        if isinstance(question, str):
            for control, name, _ in features:
                yield {"code": name, "control": control, **key, **_unscored(question)}
            continue
        part = rows.take(question.rows)
        folds, together = probe_folds(
            question.labels,
            part.group,
            part.unit,
            by_group=condition != WITHIN_BOTH,
            n_folds=N_FOLDS,
            seed=settings.seed,
            apart=question.scored if question.scope == "unseen" else None,
        )
        key["folds"] = together
        for control, name, found in features:
            guesses = _probe_guesses(found, question, folds)
            reason = "" if found is not None else "the code is constant"
            yield {
                **{"code": name, "control": control, **key, "reason": reason},
                **_score(question, guesses, part.group, settings),
            }
        for name, tables in _floors(condition, part).items():
            guesses = _allowed_best(lookup_decisions(tables, question.labels, folds), question)
            yield {
                **{"code": name, "control": ONE_HOT, **key, "reason": ""},
                **_score(question, guesses, part.group, settings),
            }


def _floors(condition: str, rows: Rows) -> dict[str, list[NDArray[np.intp]]]:
    """Tables that contain more information than the condition itself."""
    floors = {"target": [rows.target], "target × group": [rows.target, rows.both]}
    if condition == MARGINAL:
        return floors
    return {"target × group": floors["target × group"]} if condition == WITHIN_TARGET else {}


def _centred(code: NDArray[np.floating], cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Subtract the mean of each cell; it uses no label of the factor, so all rows may enter."""
    counts = np.bincount(cells)[:, np.newaxis]
    sums = np.zeros((len(counts), code.shape[1]))
    np.add.at(sums, cells, code)
    return code - (sums / counts)[cells]


def _probe_guesses(
    features: ProbeFeatures | None, question: Question, folds: NDArray[np.intp]
) -> NDArray[np.intp]:
    if features is None:
        return _allowed_best(np.zeros((len(folds), int(question.labels.max()) + 1)), question)
    part = ProbeFeatures(features.linear[question.rows], features.kernel[question.rows])
    decisions = probe_decisions(part, question.labels, folds)
    guesses = [_allowed_best(decision, question) for decision in decisions]
    return better_by_other_folds(guesses, question.labels, folds)


def _allowed_best(decisions: NDArray[np.float64], question: Question) -> NDArray[np.intp]:
    """Best class among those that occur in the row's cell."""
    allowed = question.possible()[question.cells]
    # A class that the fold did not see still ranks before an impossible one.
    floor = np.where(np.isfinite(decisions), decisions, np.finfo(np.float64).min)
    return np.where(allowed, floor, -np.inf).argmax(axis=1)


def _score(
    question: Question, guesses: NDArray[np.intp], groups: NDArray[Any], settings: _Settings
) -> dict[str, Any]:
    """Mean recall over the classes of all cells, and its interval.

    Every class of every cell counts separately, so that each is compared with the others of its
    cell. Chance is the number of cells over the number of these classes.
    """
    possible = question.possible()
    n_classes = possible.shape[1]
    kept = question.scored
    names = [str(place) for place in np.flatnonzero(possible)]
    cells = question.cells[kept] * n_classes
    units = groups[kept]
    if len(np.unique(units)) == len(units):
        # Drawing groups of one row is the same as drawing rows, which is faster.
        units = np.zeros(len(units))
    truth, guessed = cells + question.labels[kept], cells + guesses[kept]
    low, high = bootstrap_intervals(
        truth, guessed, units, names, seed=settings.seed, n_resamples=settings.n_resamples
    )["balanced_accuracy"]
    return {
        "score": float(balanced_accuracy(truth, guessed)),
        "low": low,
        "high": high,
        "chance": float(possible.any(axis=1).sum() / possible.sum()),
        "n_items": int(kept.sum()),
        "n_classes": int(possible.any(axis=0).sum()),
        "rows": question.scope,
    }


def _unscored(reason: str) -> dict[str, Any]:
    numbers = dict.fromkeys(("score", "low", "high", "chance"), np.nan)
    return {**numbers, "n_items": 0, "n_classes": 0, "rows": "", "folds": "", "reason": reason}
