"""How well codes separate the factors: block DCI, SAP and MIG, as plain numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestClassifier

from disentangled_audio.evaluation.representation.dci_sap_mig import (
    dci_scores,
    mutual_information_gap,
    sap_score,
)
from disentangled_audio.evaluation.representation.probes import (
    draw_rows,
    probe_decisions,
    probe_features,
    probe_folds,
)
from disentangled_audio.evaluation.representation.thirds import terciles_within
from disentangled_audio.evaluation.scores.recall import balanced_accuracy

N_TREES = 50
N_FOLDS = 3
# Leaves with few rows fit noise, and give long codes importance for their length.
LEAF_SHARE = 0.01


def block_scores(
    codes: Mapping[str, NDArray[np.floating]],
    factors: pd.DataFrame,
    *,
    unit: ArrayLike | None = None,
    unseen: ArrayLike | None = None,
    max_items: int = 3000,
    seed: int = 0,
) -> dict[str, Any]:
    """Block DCI, SAP and MIG of a set of codes.

    *Rows.* Pass all rows of the encoders' run, and mark as `unseen` those the encoders were not
    trained on. Only these are scored if every class of every factor has at least `N_FOLDS` of
    them; otherwise all rows are (see ``rows``). A factor with one class among the unseen rows (the
    speaker, if one speaker is left out) is left out as long as two others remain. Numbers are cut
    into thirds of the scored rows.

    Each code is a block: the importances of its dimensions are summed. Importances come from
    random forests (one of the two regressors of Eastwood and Williams), informativeness is their
    held-out score, and SAP uses shrinkage LDA on each block. Rows of a group may be on both sides
    of a fold, because the question is where information lies, not how well it generalises.

    Confounded factors limit the scores: if content determines duration, perfect codes score
    below 1. Use factors that are as independent as possible, and compare with the controls.

    Parameters
    ----------
    codes : mapping of name to (n_items, n_dims)
    factors : DataFrame of n_items rows
        Rows without a factor, and factors with one class, are left out. Floating-point columns
        are numbers, cut into thirds; others are classes.
    unit : (n_items,)
        Rows of a unit stay in one fold.
    unseen : (n_items,) of bool
        Rows that the encoders were not trained on.
    max_items : int
        Of more rows, this many are drawn at random.

    Returns
    -------
    dict
        ``block_dci`` (disentanglement), ``completeness``, ``informativeness`` (mean held-out
        balanced accuracy of the factors, from 0 for chance to 1), ``sap``, ``mig``; ``importance``
        as ``{code: {factor: share}}``; ``n_items``; ``rows`` (``unseen`` or ``all``);
        ``left_out`` (factors of one class); ``reason``. None where a score is undefined.
    """
    for name, code in codes.items():
        if not np.isfinite(code).all():
            raise ValueError(f"code '{name}' is not finite")
    scope, kept, labels, names, reason = _select_rows(factors, unseen, max_items, seed)
    about = {
        "n_items": len(kept),
        "rows": scope,
        "left_out": [str(name) for name in factors if name not in names],
    }
    if reason:
        scores = dict.fromkeys(("block_dci", "completeness", "informativeness", "sap", "mig"))
        return {**scores, "importance": {}, **about, "reason": reason}
    blocks = {name: np.asarray(code, dtype=np.float64)[kept] for name, code in codes.items()}
    all_units = np.arange(len(factors)) if unit is None else np.asarray(unit)
    units = pd.factorize(all_units[kept], use_na_sentinel=False)[0]
    importance, accuracy, single_blocks = [], [], []
    for factor in labels.T:
        folds, _ = probe_folds(factor, units, units, by_group=False, n_folds=N_FOLDS, seed=seed)
        shares, score = _forest(blocks, factor, folds, seed)
        importance.append(shares)
        accuracy.append(score)
        alone = [_linear_accuracy(code, factor, folds, seed) for code in blocks.values()]
        single_blocks.append(alone)
    matrix = np.array(importance).T
    dci = dci_scores(matrix)
    return {
        "block_dci": _plain(dci["disentanglement"]),
        "completeness": _plain(dci["completeness"]),
        "informativeness": float(np.mean(accuracy)),
        "sap": _plain(sap_score(np.array(single_blocks).T)),
        "mig": _plain(mutual_information_gap(np.hstack(list(blocks.values())), labels)),
        "importance": {
            name: dict(zip(names, map(float, row), strict=True))
            for name, row in zip(blocks, matrix, strict=True)
        },
        **about,
        "reason": _why_undefined(matrix),
    }


def _why_undefined(importance: NDArray[np.float64]) -> str:
    """Why scores of a matrix of importances are undefined; empty if none is."""
    n_blocks, n_factors = importance.shape
    if not importance.any():
        return "the codes are constant"
    if n_factors < 2:
        return "one factor varies: codes cannot be compared on a second one"
    if n_blocks < 2:
        return "one code: factors cannot be looked for in a second one"
    return ""


def _select_rows(
    factors: pd.DataFrame, unseen: ArrayLike | None, max_items: int, seed: int
) -> tuple[str, NDArray[np.intp], NDArray[np.intp], list[str], str]:
    """Scope of the scored rows, their positions, labels and factors, and why scoring fails."""
    every = np.arange(len(factors))
    wanted = every if unseen is None else np.flatnonzero(np.asarray(unseen, dtype=bool))
    if len(wanted) < len(every):
        kept, labels, names, reason = _usable(factors, wanted, max_items, seed)
        # DCI needs two factors, which all rows may have.
        enough = len(names) >= min(2, len(_varying(factors)))
        if not reason and enough and _has_every_class(factors[names], kept):
            return "unseen", kept, labels, names, ""
    return "all", *_usable(factors, every, max_items, seed)


def _varying(factors: pd.DataFrame) -> list[str]:
    return [str(name) for name in factors if factors[name].nunique() > 1]


def _usable(
    factors: pd.DataFrame, rows: NDArray[np.intp], max_items: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[str], str]:
    """Rows with every factor, their labels (n_rows, n_factors), factors, and why scoring fails."""
    rows = rows[draw_rows(len(rows), max_items, seed)]
    selected = factors.iloc[rows]
    names = _varying(selected)
    if not names:
        return rows[:0], np.empty((0, 0), dtype=np.intp), [], "no factor has two classes"
    complete = selected[names].notna().all(axis=1).to_numpy()
    kept, selected = rows[complete], selected[complete]
    labels = np.stack([_labels(selected[name]) for name in names], axis=1)
    if len(kept) == 0 or min(map(np.ptp, labels.T)) == 0:
        return kept, labels, names, "a factor has one class among the rows that have every factor"
    rarest = min(int(np.bincount(factor).min()) for factor in labels.T)
    if rarest < N_FOLDS:
        return kept, labels, names, f"a class has {rarest} rows, fewer than there are folds"
    return kept, labels, names, ""


def _labels(values: pd.Series) -> NDArray[np.intp]:
    if pd.api.types.is_float_dtype(values):
        values = pd.Series(terciles_within(values))
    return pd.factorize(values, sort=True)[0]


def _has_every_class(factors: pd.DataFrame, rows: NDArray[np.intp]) -> bool:
    classes = [name for name in factors if not pd.api.types.is_float_dtype(factors[name])]
    return all(factors[name].nunique() == factors[name].iloc[rows].nunique() for name in classes)


def _forest(
    codes: Mapping[str, NDArray[np.float64]],
    labels: NDArray[np.intp],
    folds: NDArray[np.intp],
    seed: int,
) -> tuple[NDArray[np.float64], float]:
    """Importance of each block, summing to 1, and held-out recall from 0 (chance) to 1."""
    joined = np.hstack(list(codes.values()))
    blocks = np.repeat(np.arange(len(codes)), [code.shape[1] for code in codes.values()])
    importance = np.zeros(len(codes))
    guesses = np.empty_like(labels)
    for fold in np.unique(folds):
        held_out = folds == fold
        forest = RandomForestClassifier(
            N_TREES,
            # Half of the dimensions at each split: with fewer, splits must sometimes use an
            # uninformative dimension, which then gets importance.
            max_features=0.5,
            min_samples_leaf=max(2, round(LEAF_SHARE * (~held_out).sum())),
            class_weight="balanced",
            random_state=seed,
            # Each tree has its own seed, so parallel growth does not change the result.
            n_jobs=-1,
        ).fit(joined[~held_out], labels[~held_out])
        # One thread, because parallel threads add up the trees' votes in varying order.
        forest.set_params(n_jobs=1)
        importance += np.bincount(blocks, weights=forest.feature_importances_, minlength=len(codes))
        guesses[held_out] = forest.predict(joined[held_out])
    total = importance.sum()
    return (importance / total if total > 0 else importance), _above_chance(labels, guesses)


def _linear_accuracy(
    code: NDArray[np.float64], labels: NDArray[np.intp], folds: NDArray[np.intp], seed: int
) -> float:
    """Held-out balanced accuracy of a linear probe of one block."""
    features = probe_features(code, seed=seed)
    if features is None:
        return 1.0 / (int(labels.max()) + 1)
    linear, _ = probe_decisions(features, labels, folds)
    return float(balanced_accuracy(labels, linear.argmax(axis=1)))


def _above_chance(labels: NDArray[np.intp], guesses: NDArray[np.intp]) -> float:
    chance = 1.0 / (int(labels.max()) + 1)
    return (float(balanced_accuracy(labels, guesses)) - chance) / (1.0 - chance)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
