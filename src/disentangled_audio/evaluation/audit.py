"""What the label can be told from beside the sound itself, in figures and in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.comparison import compare_models
from disentangled_audio.evaluation.controls import ALL_METADATA, CONTROLS, MAJORITY
from disentangled_audio.evaluation.intervals import bootstrap_intervals
from disentangled_audio.evaluation.summary import class_names

SIGNIFICANT = 0.05
# A control that is significantly but barely above chance gives nothing away.
LEAST_MARGIN = 0.1
# With fewer, no p could be significant after adjusting it for the number of controls.
LEAST_RESAMPLES = 1000
HYBRID = "hybrid"
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
    """Which controls tell the label, over all folds.

    A control *predicts* the label where its balanced accuracy is above that of the majority by
    `LEAST_MARGIN` or more, and the difference is significant by paired bootstrap over groups,
    adjusted for the number of controls (Holm). With few groups nothing can be significant.

    Parameters
    ----------
    controls : DataFrame
        From `control_predictions`, of all folds.
    constant : mapping
        Controls that are the same for all items, and why they say nothing.
    corpus, protocol, target : str
    simulated : bool
    n_resamples : int
        At least `LEAST_RESAMPLES` are drawn.
    seed : int

    Returns
    -------
    dict
        ``corpus, simulated, protocol, target, classes, n_folds, n_groups``, ``controls`` (by
        name, best first: mean, interval, margin over the majority, p, and whether it
        ``predicts``), ``not_applicable`` and ``predicts`` (names).
    """
    n_resamples = max(n_resamples, LEAST_RESAMPLES)
    classes = class_names(controls)
    tables = {str(name): rows for name, rows in controls.groupby("model", sort=False)}
    pairs = [(name, MAJORITY) for name in tables if name != MAJORITY]
    tests = {
        result["a"]: result
        for result in compare_models(
            controls, pairs, classes=classes, n_resamples=n_resamples, seed=seed
        )
    }
    found = {
        name: {**_scores(rows, classes, n_resamples, seed), **_above_chance(tests.get(name))}
        for name, rows in tables.items()
    }
    best_first = sorted(found, key=lambda name: -found[name]["balanced_accuracy"])
    return {
        "corpus": corpus,
        "simulated": simulated,
        "protocol": protocol,
        "target": target,
        "classes": classes,
        "n_folds": int(controls["fold"].nunique()),
        "n_groups": int(controls["group"].nunique()),
        "chance": found[MAJORITY]["balanced_accuracy"],
        "controls": {name: found[name] for name in best_first},
        "not_applicable": dict(constant),
        "predicts": [name for name in best_first if found[name]["predicts"]],
    }


def _scores(rows: pd.DataFrame, classes: list[str], n_resamples: int, seed: int) -> dict[str, Any]:
    intervals = bootstrap_intervals(
        rows["target"],
        rows["predicted"],
        rows["group"],
        classes,
        rng=np.random.default_rng(seed),
        n_resamples=n_resamples,
    )
    of_folds = [_balanced_accuracy(of_fold) for _, of_fold in rows.groupby("fold")]
    return {
        "balanced_accuracy": float(np.mean(of_folds)),
        "balanced_accuracy_ci95": intervals["balanced_accuracy"],
        "worst_fold": min(of_folds),
    }


def _above_chance(test: Mapping[str, Any] | None) -> dict[str, Any]:
    if test is None:
        return {"margin": 0.0, "p_holm": None, "predicts": False}
    return {
        "margin": test["difference"],
        "p_holm": test["p_holm"],
        "predicts": bool(test["difference"] >= LEAST_MARGIN and test["p_holm"] < SIGNIFICANT),
    }


def margins_over_best_control(
    predictions: pd.DataFrame,
    controls: pd.DataFrame,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """How far each model is above the control that does best on the same test items.

    Parameters
    ----------
    predictions : DataFrame
        Of the models, test rows of one or more folds among them.
    controls : DataFrame
        Of the same folds.
    n_resamples : int
    seed : int

    Returns
    -------
    dict
        ``best_control``, its ``balanced_accuracy``, and ``models``: by name the comparison with
        it, and whether the margin is ``significant``.
    """
    folds = predictions["fold"].unique()
    own = controls[controls["fold"].isin(folds)]
    scores = {
        str(name): _balanced_accuracy(rows)
        for name, rows in own[own["model"] != MAJORITY].groupby("model", sort=False)
    }
    best = max(scores, key=scores.__getitem__)
    best_rows = own[own["model"] == best]
    both = pd.concat([predictions, best_rows.assign(model=_CONTROL + best)])
    models = [str(name) for name in predictions["model"].unique()]
    results = compare_models(
        both,
        [(name, _CONTROL + best) for name in models],
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


_MARGIN = ("difference", "difference_ci95", "p_bootstrap", "p_holm", "n_items", "n_groups")


def _balanced_accuracy(rows: pd.DataFrame) -> float:
    right = rows["predicted"].astype(str) == rows["target"].astype(str)
    return float(np.mean(right.groupby(rows["target"].astype(str)).mean()))


def verdict(
    audit: Mapping[str, Any], margins: Mapping[str, Any], leakage: Mapping[str, Any]
) -> list[str]:
    """Say in sentences what the figures say.

    Parameters
    ----------
    audit : mapping
        From `audit_controls`.
    margins : mapping
        From `margins_over_best_control`.
    leakage : mapping
        Shares of test items, by what they share with training items; ``near_duplicates`` among
        them.

    Returns
    -------
    list of str
    """
    sentences = [_subject(audit), *_on_controls(audit), *_on_margins(margins)]
    return [*sentences, *_on_leakage(leakage)]


def _subject(audit: Mapping[str, Any]) -> str:
    simulated = "These recordings are simulated. " if audit["simulated"] else ""
    n_folds, n_groups = audit["n_folds"], audit["n_groups"]
    return (
        f"{simulated}Target {audit['target']} of {audit['corpus']} under protocol "
        f"{audit['protocol']}: {len(audit['classes'])} classes, {_counted(n_folds, 'fold')}, "
        f"{_counted(n_groups, 'group')} tested; chance is {audit['chance']:.2f}."
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _on_controls(audit: Mapping[str, Any]) -> list[str]:
    if not audit["predicts"]:
        sentence = "No control tells the label better than chance by a margin that is significant."
        if audit["n_groups"] < 5:
            sentence += " With so few groups, that says little."
        return [sentence]
    listed = []
    for name in audit["predicts"]:
        of = audit["controls"][name]
        low, high = of["balanced_accuracy_ci95"]
        listed.append(
            f"{says(name)} ({of['balanced_accuracy']:.2f}, 95 % interval {low:.2f}–{high:.2f})"
        )
    return [
        "The label can be told, by balanced accuracy, from " + "; ".join(listed) + ".",
        "A model may use any of these in place of what it is asked for, as far as it can see them.",
    ]


def says(control: str) -> str:
    """A control in words."""
    if control == ALL_METADATA:
        return "all these numbers together, without any sound"
    return CONTROLS[control].says if control in CONTROLS else control


def _on_margins(margins: Mapping[str, Any]) -> list[str]:
    best = f"the best control, {says(margins['best_control'])} ({margins['balanced_accuracy']:.2f})"
    sentences = []
    for name, of in margins["models"].items():
        low, high = of["difference_ci95"]
        word = "significant" if of["significant"] else "not significant"
        sentences.append(
            f"{name} is {of['difference']:+.2f} ({low:+.2f} to {high:+.2f}) from {best}: "
            f"{word} (paired bootstrap over {_counted(of['n_groups'], 'group')}, adjusted "
            f"p = {of['p_holm']:.3f})."
        )
        best = "it"
    return sentences


def _on_leakage(leakage: Mapping[str, Any]) -> list[str]:
    sentences = []
    for name, share in leakage["shares"].items():
        if share > 0:
            sentences.append(f"{share:.0%} of the test items have their {name} in training.")
    duplicates = leakage["near_duplicates"]
    if duplicates["n"]:
        sentences.append(
            f"{duplicates['n']} test items ({duplicates['share']:.1%}) are the same sound as a "
            f"training item; the first is {duplicates['first'][0][0]}, like "
            f"{duplicates['first'][0][1]}."
        )
    if not sentences:
        sentences.append("No test item shares its group, file or sound with a training item.")
    return sentences
