"""Measure which properties beside the sound itself predict the label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.scores.comparison import compare_models, holm
from disentangled_audio.evaluation.scores.intervals import bootstrap_intervals
from disentangled_audio.evaluation.scores.permutation import N_PERMUTATIONS, permutation_test
from disentangled_audio.evaluation.scores.recall import balanced_accuracy
from disentangled_audio.evaluation.scores.summary import class_names
from disentangled_audio.evaluation.shortcuts.controls import (
    MAJORITY,
    is_shortcut,
)

SIGNIFICANT = 0.05

# A control must beat chance by this margin, not only significantly.
LEAST_MARGIN = 0.1

# A control gives a class away if its recall exceeds its false positive rate by this much.
LEAST_INFORMEDNESS = 0.5

NOT_FITTED = "could not be fitted in every fold"

_CONTROL = "control: "


def audit_controls(
    controls: pd.DataFrame,
    *,
    constant: Mapping[str, str],
    corpus: str,
    simulated: bool,
    protocol: str,
    target: str,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Find the controls that predict the label, over all folds.

    A control *predicts* the label if its balanced accuracy exceeds that of the majority by at
    least `LEAST_MARGIN` and significantly (Holm). The larger p of two tests counts: permuted
    labels must score lower (`permutation_test`), and the margin must hold when groups are
    resampled (`compare_models`). The first test alone fails where stratified folds split large
    groups of one class, the second where groups are few.

    Parameters
    ----------
    controls : DataFrame
        From `control_predictions`, of all folds.
    constant : mapping
        Controls that are the same for all items, and the reason.

    Returns
    -------
    dict
        ``corpus, simulated, protocol, target, classes, n_folds, n_groups, chance``; ``controls``
        (by name, best first: ``balanced_accuracy`` as the mean over folds, its interval over all
        of them, ``worst_fold``, ``margin`` over chance, ``p, p_holm``, ``predicts``, the classes
        it ``gives_away``, and ``per_kind``); ``not_applicable`` (reasons by name); ``shortcuts``
        and ``parts_of_sound``, the controls that predict the label; and ``can_be_significant``,
        whether there are enough groups for any control to be significant.
    """
    classes = class_names(controls)
    by_name = {
        str(name): rows.astype({"fold": str, "target": str, "predicted": str})
        for name, rows in controls.groupby("model", sort=False)
    }
    whole = len(by_name[MAJORITY])
    tables = {name: rows for name, rows in by_name.items() if len(rows) == whole}
    left_out = dict.fromkeys(set(by_name) - set(tables), NOT_FITTED)
    found = {name: _scores(rows, classes, n_resamples, seed) for name, rows in tables.items()}
    chance = found[MAJORITY]["balanced_accuracy"]
    tested = [name for name in tables if name != MAJORITY and name not in constant]
    permuted_p, smallest_p = _permutation_p({name: tables[name] for name in tested}, classes, seed)
    compared = compare_models(
        controls,
        [(name, MAJORITY) for name in tested],
        classes=classes,
        n_resamples=max(n_resamples, N_PERMUTATIONS),
        seed=seed,
    )
    p = {result["a"]: max(permuted_p[result["a"]], result["p_bootstrap"]) for result in compared}
    adjusted = dict(zip(p, holm(list(p.values())), strict=True))
    for name, scores in found.items():
        scores["margin"] = scores["balanced_accuracy"] - chance
        scores["p"], scores["p_holm"] = p.get(name), adjusted.get(name)
        scores["predicts"] = (
            scores["margin"] >= LEAST_MARGIN and adjusted.get(name, 1.0) < SIGNIFICANT
        )
        scores["gives_away"] = _given_away(tables[name], classes) if scores["predicts"] else []
    best_first = sorted(found, key=lambda name: -found[name]["balanced_accuracy"])
    predicts = [name for name in best_first if found[name]["predicts"]]
    return {
        "corpus": corpus,
        "simulated": simulated,
        "protocol": protocol,
        "target": target,
        "classes": classes,
        "n_folds": int(controls["fold"].nunique()),
        "n_groups": int(controls["group"].nunique()),
        "chance": chance,
        "controls": {name: found[name] for name in best_first},
        "not_applicable": {**constant, **left_out},
        "shortcuts": [name for name in predicts if is_shortcut(name)],
        "parts_of_sound": [name for name in predicts if not is_shortcut(name)],
        "can_be_significant": bool(tested) and smallest_p * len(tested) < SIGNIFICANT,
    }


def _permutation_p(
    tables: Mapping[str, pd.DataFrame], classes: list[str], seed: int
) -> tuple[dict[str, float], float]:
    """Permutation p of each control, and the smallest possible p."""
    if not tables:
        return {}, 1.0
    item = ["fold", "recording_id"]
    items = next(iter(tables.values()))
    order = pd.MultiIndex.from_frame(items[item])
    numbers = pd.Index(classes)
    labels = [rows.set_index(item).loc[order, "predicted"] for rows in tables.values()]
    predicted = np.stack([numbers.get_indexer(row) for row in labels])
    p, smallest = permutation_test(predicted, items, classes, rng=np.random.default_rng(seed))
    return dict(zip(tables, map(float, p), strict=True)), smallest


def _given_away(rows: pd.DataFrame, classes: list[str]) -> list[str]:
    """Classes that a control mostly recognises and seldom confuses with others."""
    is_class = {name: rows["target"] == name for name in classes}
    named = {name: rows["predicted"] == name for name in classes}
    return [
        name
        for name in classes
        if is_class[name].any()
        and named[name][is_class[name]].mean() - named[name][~is_class[name]].mean()
        >= LEAST_INFORMEDNESS
    ]


def _scores(rows: pd.DataFrame, classes: list[str], n_resamples: int, seed: int) -> dict[str, Any]:
    target, predicted, group = (rows[name] for name in ("target", "predicted", "group"))
    intervals = bootstrap_intervals(
        target, predicted, group, classes, seed=seed, n_resamples=n_resamples
    )
    fold_scores = [_balanced_accuracy(part) for _, part in rows.groupby("fold")]
    return {
        "balanced_accuracy": float(np.mean(fold_scores)),
        "balanced_accuracy_ci95": intervals["balanced_accuracy"],
        "worst_fold": min(fold_scores),
        "per_kind": {
            str(kind): {"n": len(part), "balanced_accuracy": _balanced_accuracy(part)}
            for kind, part in rows.groupby("kind")
        },
    }


def margins_over_controls(
    predictions: pd.DataFrame,
    controls: pd.DataFrame,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Compare each model with the best controls on the same test items.

    The best control is chosen on the test items themselves, which favours it. Both tables cover
    the same folds.

    Returns
    -------
    dict
        ``shortcut`` and ``part_of_sound``, if there are such controls: the ``best_control`` among
        them, its ``balanced_accuracy``, and ``models``: by name the comparison with it, and
        whether the margin is ``significant``.
    """
    tested = predictions[predictions["role"] == "test"]
    own = controls[controls["fold"].isin(tested["fold"].unique())]
    names = [str(name) for name in own["model"].unique() if name != MAJORITY]
    kinds = {
        "shortcut": [name for name in names if is_shortcut(name)],
        "part_of_sound": [name for name in names if not is_shortcut(name)],
    }
    return {
        kind: _margins(tested, own[own["model"].isin(among)], n_resamples, seed)
        for kind, among in kinds.items()
        if among
    }


def _margins(
    tested: pd.DataFrame, controls: pd.DataFrame, n_resamples: int, seed: int
) -> dict[str, Any]:
    scores = {
        str(name): _balanced_accuracy(rows) for name, rows in controls.groupby("model", sort=False)
    }
    best = max(scores, key=scores.__getitem__)
    best_rows = controls[controls["model"] == best]
    both = pd.concat([tested, best_rows.assign(model=_CONTROL + best)])
    results = compare_models(
        both,
        [(str(name), _CONTROL + best) for name in tested["model"].unique()],
        classes=class_names(both),
        n_resamples=n_resamples,
        seed=seed,
    )
    return {
        "best_control": best,
        "balanced_accuracy": scores[best],
        "models": {
            result["a"]: {
                **{key: result[key] for key in _MARGIN},
                "significant": bool(result["difference"] > 0 and result["p_holm"] < SIGNIFICANT),
            }
            for result in results
        },
    }


_MARGIN = (
    "difference",
    "difference_ci95",
    "p_bootstrap",
    "p_holm",
    "resampled",
    "n_items",
    "n_groups",
)


def _balanced_accuracy(rows: pd.DataFrame) -> float:
    return float(balanced_accuracy(rows["target"].astype(str), rows["predicted"].astype(str)))
