"""Scores over all folds of a protocol."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.scores.comparison import compare_models
from disentangled_audio.evaluation.scores.summary import (
    HYBRID,
    PRETRAINED_HYBRID,
    PROBABILITY_PREFIX,
    ROLES,
    WEIGHTS,
    accuracies,
    class_names,
    pretrained_models,
    summarise,
)
from disentangled_audio.evaluation.shortcuts.controls import best_by_heading

CONTROL = "control: "


def summarise_folds(  # noqa: PLR0913 - the names of the result are given one by one
    predictions: pd.DataFrame,
    controls: pd.DataFrame,
    *,
    corpus: str,
    simulated: bool,
    protocol: str,
    target: str,
    n_resamples: int = 1000,
    seed: int = 0,
    seconds: Mapping[str, float] | None = None,
    seeds: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Score every model and control fold by fold, and over all folds.

    Parameters
    ----------
    predictions : DataFrame
        The `predictions` schema with the rows of several folds, all roles. Missing probabilities
        of classes that a fold could not train on count as zero.
    controls : DataFrame
        The same schema; only test rows of the same folds are used.
    seconds : mapping
        By fold; the other parameters are those of `summarise`.
    seeds : mapping, optional
        Seed of each fold; with several, each fold has a name of its own for each.

    Returns
    -------
    dict
        The `metrics` schema over the test rows of all folds; ``n_train`` and the like are sums
        over the folds. Models and controls also have ``mean_balanced_accuracy``,
        ``mean_accuracy`` and ``sd_balanced_accuracy`` (None for one fold) over their folds
        (``n_folds``), ``worst_fold``, and with several ``seeds`` the standard deviation
        ``sd_over_seeds`` of the mean. ``folds`` has the scores of each fold, its test groups,
        the classes without test items, and the margin of the hybrid over the fold's best other
        model without pretrained weights (``hybrid_gap``); ``comparisons`` compares each hybrid with
        each member, the two with each other, and each model with the ``best_controls`` (by their
        mean over the folds), by heading. Controls come best first.
    """
    filled = _fill_probabilities(predictions)
    # Classes missing from the first fold come last in the table, so sort them.
    classes = sorted(class_names(filled))
    controls = _fill_probabilities(controls[controls["role"] == "test"])
    controls = controls[controls["fold"].isin(filled["fold"])]
    metrics = summarise(
        filled,
        controls,
        corpus=corpus,
        simulated=simulated,
        protocol=protocol,
        target=target,
        classes=classes,
        n_resamples=n_resamples,
        seed=seed,
        seconds=seconds,
    )
    folds = {
        str(name): _fold(rows, controls[controls["fold"] == name], classes)
        for name, rows in filled.groupby("fold", sort=False)
    }
    for part in ("models", "controls"):
        for name, scores in metrics[part].items():
            of_folds = {fold: own[part].get(name) for fold, own in folds.items()}
            scores.update(_over_folds(of_folds), sd_over_seeds=_over_seeds(of_folds, seeds or {}))
    best_first = sorted(
        metrics["controls"], key=lambda name: -metrics["controls"][name]["mean_balanced_accuracy"]
    )
    best = best_by_heading(
        {name: of["mean_balanced_accuracy"] for name, of in metrics["controls"].items()}
    )
    both = pd.concat([filled, controls.assign(model=CONTROL + controls["model"])])
    return {
        **metrics,
        "seeds": sorted(set((seeds or {}).values())),
        "controls": {name: metrics["controls"][name] for name in best_first},
        **{f"n_{role}": sum(fold[f"n_{role}"] for fold in folds.values()) for role in ROLES},
        "folds": folds,
        "best_controls": best,
        "comparisons": compare_models(
            both,
            _pairs(list(metrics["models"]), [CONTROL + name for name in best.values()]),
            classes=classes,
            n_resamples=n_resamples,
            seed=seed,
        ),
    }


def _pairs(models: list[str], controls: list[str]) -> list[tuple[str, str]]:
    hybrids = [name for name in WEIGHTS if name in models]
    members = [name for name in models if name not in hybrids]
    against_members = [(hybrid, name) for hybrid in hybrids for name in members]
    if PRETRAINED_HYBRID in hybrids:
        against_members.append((PRETRAINED_HYBRID, HYBRID))
    return against_members + [(name, control) for control in controls for name in models]


def _fill_probabilities(predictions: pd.DataFrame) -> pd.DataFrame:
    """Fill missing probabilities with zero, except in rows without any probability."""
    columns = [name for name in predictions if str(name).startswith(PROBABILITY_PREFIX)]
    # As text, because models may have integer folds where controls have text.
    filled = predictions.assign(fold=predictions["fold"].astype(str))
    known = filled[columns].notna().any(axis=1)
    filled.loc[known, columns] = filled.loc[known, columns].fillna(0.0)
    return filled


def _fold(predictions: pd.DataFrame, controls: pd.DataFrame, classes: list[str]) -> dict[str, Any]:
    one_model = predictions[predictions["model"] == predictions["model"].iloc[0]]
    tested = one_model[one_model["role"] == "test"]
    if tested.empty:
        raise ValueError(f"Fold {predictions['fold'].iloc[0]} has no test rows to score")
    models = _label_scores(predictions[predictions["role"] == "test"], classes)
    others = models.keys() - {HYBRID, *pretrained_models(predictions)}
    members = [models[name]["balanced_accuracy"] for name in others]
    gap = None
    if HYBRID in models and members:
        gap = models[HYBRID]["balanced_accuracy"] - max(members)
    return {
        **{f"n_{role}": int((one_model["role"] == role).sum()) for role in ROLES},
        "groups": sorted(tested["group"].astype(str).unique()),
        "absent_classes": sorted(set(classes) - set(tested["target"].astype(str))),
        "models": models,
        "controls": _label_scores(controls, classes),
        "hybrid_gap": gap,
    }


def _label_scores(rows: pd.DataFrame, classes: list[str]) -> dict[str, dict[str, float]]:
    by_model = rows.groupby("model", sort=False)
    return {str(name): accuracies(part, classes) for name, part in by_model}


def _over_folds(folds: dict[str, dict[str, float] | None]) -> dict[str, Any]:
    """Mean, spread and worst score of a model over the folds that have it."""
    scored = {name: scores for name, scores in folds.items() if scores is not None}
    balanced = {name: scores["balanced_accuracy"] for name, scores in scored.items()}
    worst = min(balanced, key=balanced.__getitem__)
    values = np.array(list(balanced.values()))
    return {
        "mean_balanced_accuracy": float(values.mean()),
        "mean_accuracy": float(np.mean([scores["accuracy"] for scores in scored.values()])),
        "sd_balanced_accuracy": float(values.std(ddof=1)) if len(values) > 1 else None,
        "worst_fold": {"fold": worst, "balanced_accuracy": balanced[worst]},
        "n_folds": len(scored),
    }


def _over_seeds(
    folds: dict[str, dict[str, float] | None], seeds: Mapping[str, int]
) -> float | None:
    """Standard deviation over the seeds of the mean over folds; None for one seed."""
    scores = pd.Series(
        {name: of["balanced_accuracy"] for name, of in folds.items() if of is not None}
    )
    means = scores.groupby(seeds.get).mean() if seeds else scores.head(0)
    return float(means.std()) if len(means) > 1 else None
