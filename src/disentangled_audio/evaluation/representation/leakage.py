"""Leakage matrix: what each code says of each factor, beside what says it anyway."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from disentangled_audio.evaluation.representation.probes import (
    ProbeFeatures,
    better_by_other_folds,
    drawn_rows,
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
    n_folds: int = 5,
    n_resamples: int = 300,
    seed: int = 0,
) -> pd.DataFrame:
    """Balanced accuracy of probes, for each code, factor and condition.

    *Which rows.* Give all rows that the encoders' run had, and say by `unseen` which of them the
    encoders were not trained on (the test rows). Those are scored: codes of training rows look
    better than they are in what training asked for, and cleaner than they are in what it removed.
    A factor that has one class among the unseen rows (the speaker, where one speaker is left out)
    is scored on all rows; the column ``rows`` says so. Reporting both everywhere would double a
    table that few read once.

    *Which folds.* Groups stay together: probes are fitted to the other rows and scored on the
    unseen ones, or cross-validated by group where all rows are scored. Except where the factor is
    the group, or where the condition is the group: a probe that is told the group may have seen
    rows of it, and one that may not would under-report. The column ``folds`` says what stayed
    together (`probe_folds`). The strictest test of a leak gives the unseen rows alone, as if each
    were a group: then no probe has to carry over from codes that training has cleaned.

    *Conditions.* Factors of real recordings are confounded: a digit has its usual duration, so
    whoever knows the digit knows something of the duration. Within cells (of the target, or of
    target × group) this is taken out of both sides: numbers are cut into thirds of their own cell;
    codes have their cell's mean taken out, without which a probe sees little but the cell (rhythm
    codes of FSDD: 50 instead of 75 % for the third of duration); and each class is compared with
    the others of its own cell, every cell alike.

    *Below chance* is no leak. A group that is held out often has what the others have least of (a
    combination of factors, a low voice), and a probe that knows nothing else bets on the others.

    *Floors.* Rows with the control ``one_hot`` are what the target, or target and group, tell of
    the factor without any sound.

    Parameters
    ----------
    codes : mapping of name to (n_items, n_dims)
    factors : DataFrame of n_items rows
        What is to be told from the codes, target and group among them if wanted. Floating-point
        columns are numbers and are cut into thirds; others are classes. Missing values are left
        out.
    target, group : (n_items,)
        Labels that make the cells; missing ones make a cell of their own.
    controls : mapping of control to codes, optional
        Such as ``{"untrained": {"content": …}, "raw": {"log_mel": …}}``.
    unit : (n_items,), optional
        Rows that must not be torn apart by a fold, such as channels of one file; by default each
        row is its own.
    unseen : (n_items,) of bool, optional
        Rows to score; by default all.
    conditions : sequence
        Of `CONDITIONS`.
    why_missing : mapping, optional
        Factor to what it means that no row has it: ``{"f0": "no voiced frame"}``.
    max_items : int
        Rows at most; more are drawn from at random.
    n_resamples : int
        Bootstrap resamples of groups for each interval.

    Returns
    -------
    DataFrame
        ``code, factor, condition, score, low, high, chance`` (balanced accuracy and its 95 %
        interval, 0 to 1), ``control`` (empty for codes under test), ``n_items, n_classes, rows,
        folds, reason``. A cell that cannot be scored has NaN and its reason. A code that is
        constant scores chance, and its reason says so.

    Raises
    ------
    ValueError
        If lengths differ, a code is not two-dimensional or not finite, or a name is unknown.
    """
    rows = rows_of(factors, target, group, unit, unseen)
    named = [("", name, code) for name, code in codes.items()]
    for control, of_control in (controls or {}).items():
        named += [(control, name, code) for name, code in of_control.items()]
    _check(named, len(factors), conditions)
    kept = drawn_rows(len(factors), max_items, seed)
    rows = rows.take(kept)
    named = [(control, name, np.asarray(code)[kept]) for control, name, code in named]
    settings = _Settings(n_folds, n_resamples, seed, dict(why_missing or {}))
    records: list[dict[str, Any]] = []
    for condition in conditions:
        records += _condition_cells(condition, rows, factors.iloc[kept], named, settings)
    return pd.DataFrame(records, columns=list(COLUMNS))


@dataclass(frozen=True)
class _Settings:
    n_folds: int
    n_resamples: int
    seed: int
    why_missing: dict[str, str]


def _check(
    named: Sequence[tuple[str, str, NDArray[np.floating]]], n_items: int, conditions: Sequence[str]
) -> None:
    unknown = set(conditions) - set(CONDITIONS)
    if unknown:
        raise ValueError(f"unknown condition {sorted(unknown)}; there are {list(CONDITIONS)}")
    for control, name, code in named:
        what = f"code '{name}'" + (f" of control '{control}'" if control else "")
        if np.ndim(code) != 2 or len(code) != n_items:
            raise ValueError(f"{what} has shape {np.shape(code)}; {n_items} rows are needed")
        bad = ~np.isfinite(code).all(axis=1)
        if bad.any():
            raise ValueError(f"{what} is not finite in {int(bad.sum())} of {n_items} rows")


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
            n_folds=settings.n_folds,
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
    """Tables that know more than the condition already gives away."""
    floors = {"target": [rows.target], "target × group": [rows.target, rows.both]}
    if condition == MARGINAL:
        return floors
    return {"target × group": floors["target × group"]} if condition == WITHIN_TARGET else {}


def _centred(code: NDArray[np.floating], cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Each cell's mean taken out; it is no label of the factor, so every row may be in it."""
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
    """Best class among those that the row's cell has."""
    allowed = question.possible()[question.cells]
    # Even an unseen class comes before one that is not possible.
    floor = np.where(np.isfinite(decisions), decisions, np.finfo(np.float64).min)
    return np.where(allowed, floor, -np.inf).argmax(axis=1)


def _score(
    question: Question, guesses: NDArray[np.intp], groups: NDArray[Any], settings: _Settings
) -> dict[str, Any]:
    """Mean recall over the classes of all cells, and its interval.

    A class of a cell is a class of its own here, so that the mean over them compares each class
    with the others of its cell, and who guesses in every cell scores the number of cells over
    that of such classes.
    """
    possible = question.possible()
    n_classes = possible.shape[1]
    kept = question.scored
    names = [str(place) for place in np.flatnonzero(possible)]
    cells = question.cells[kept] * n_classes
    of_groups = groups[kept]
    if len(np.unique(of_groups)) == len(of_groups):
        # Drawing groups of one row is drawing rows, and that is faster.
        of_groups = np.zeros(len(of_groups))
    truth, guessed = cells + question.labels[kept], cells + guesses[kept]
    low, high = bootstrap_intervals(
        truth,
        guessed,
        of_groups,
        names,
        rng=np.random.default_rng(settings.seed),
        n_resamples=settings.n_resamples,
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
