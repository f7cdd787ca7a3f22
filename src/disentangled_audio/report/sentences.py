"""What the report says in sentences, from the figures alone."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.report.names import label

# Controls that a caution names; the table has all.
MOST_NAMED = 3
# Intervals from fewer resampled groups are known to be too narrow (Cameron et al. 2008).
FEW_GROUPS = 10


def main_model(metrics: Mapping[str, Any]) -> str:
    """Return the model that the report is about: the hybrid, or else the last one.

    Raises
    ------
    ValueError
        If the metrics have no model.
    """
    names = list(metrics["models"])
    if not names:
        raise ValueError("The metrics have no model to report")
    return HYBRID if HYBRID in names else names[-1]


def chance_level(metrics: Mapping[str, Any]) -> float | None:
    """Balanced accuracy of guessing: one over the number of classes with test items."""
    for scores in metrics["models"].values():
        n_present = sum(row["support"] > 0 for row in scores.get("per_class", {}).values())
        return 1.0 / n_present if n_present else None
    return None


def answer(metrics: Mapping[str, Any]) -> str:
    """Say in one sentence how well the main model does, against the best control."""
    main = main_model(metrics)
    groups = metrics.get("n_test_groups")
    # Where each item is a group of its own, none was held out.
    is_grouped = groups and groups < metrics["n_test"]
    of_groups = f" of {count(groups, 'group')}" if is_grouped else ""
    sentence = (
        f"On {count(metrics['n_test'], 'test item')}{of_groups}, {label(main)} names the "
        f"{metrics['target']} with a balanced accuracy of {interval(metrics['models'][main])}"
    )
    chance = chance_level(metrics)
    if chance is not None:
        sentence += f", where guessing reaches {chance:.2f}"
    control = _best(metrics["controls"])
    if control is None:
        return f"{sentence}."
    reached = interval(metrics["controls"][control])
    return f"{sentence} and the best shortcut control, {label(control)}, reaches {reached}."


def cautions(metrics: Mapping[str, Any]) -> list[str]:
    """Say what the figures do not show, as far as they tell it themselves."""
    main = main_model(metrics)
    found = [
        _caution_simulated(metrics),
        _caution_controls(metrics, main),
        _caution_groups(metrics),
        _caution_no_error(metrics, main),
        _caution_absent(metrics, main),
        _caution_better_single(metrics, main),
        _caution_confidence(metrics, main),
    ]
    return [sentence for sentence in found if sentence]


def _caution_simulated(metrics: Mapping[str, Any]) -> str | None:
    if not metrics["simulated"]:
        return None
    return (
        "The recordings are simulated. The figures test the method and its controls; they say "
        "nothing about accuracy on real recordings."
    )


def _caution_controls(metrics: Mapping[str, Any], main: str) -> str | None:
    """Name the controls whose interval reaches the main model's interval."""
    low, _ = _bounds(metrics["models"][main])
    equals = [name for name, row in metrics["controls"].items() if _bounds(row)[1] >= low]
    if not equals:
        return None
    equals.sort(key=lambda name: -metrics["controls"][name]["balanced_accuracy"])
    listed = [
        f"{label(name)} {interval(metrics['controls'][name])}" for name in equals[:MOST_NAMED]
    ]
    more = len(equals) - len(listed)
    named = ", ".join([*listed, *([count(more, "other")] if more else [])])
    named = " and ".join(named.rsplit(", ", 1))
    several = len(equals) > 1
    reach = "overlap with its interval or lie" if several else "overlaps with its interval or lies"
    return (
        f"A shortcut does as well as {label(main)}, or nearly so: {named} {reach} above it. "
        f"These figures do not show that {label(main)} has learned more than the shortcut."
    )


def _caution_groups(metrics: Mapping[str, Any]) -> str | None:
    groups = metrics.get("n_test_groups")
    if groups is None or groups >= FEW_GROUPS:
        return None
    if groups == 1:
        return (
            "All test items come from one group. The intervals resample single items and say how "
            "much other recordings of that group would vary; they say nothing about other groups."
        )
    return (
        f"The test items come from {groups} groups only. The intervals resample groups, and items "
        f"within them; with fewer than {FEW_GROUPS} groups they tend to be too narrow."
    )


def _caution_no_error(metrics: Mapping[str, Any], main: str) -> str | None:
    # Rule of three: Hanley and Lippman-Hand (1983), "If nothing goes wrong, is everything all
    # right?", JAMA 249.
    if metrics["models"][main]["accuracy"] < 1.0:
        return None
    groups = metrics.get("n_test_groups") or 1
    n_units, unit = (groups, "group") if groups > 1 else (metrics["n_test"], "test item")
    limit = min(1.0, 3.0 / n_units)
    return (
        f"{label(main)} made no error on the test items, so its interval has no width. With "
        f"{count(n_units, unit)}, an error rate of up to about {limit:.2f} would still fit."
    )


def _caution_absent(metrics: Mapping[str, Any], main: str) -> str | None:
    absent = metrics["models"][main].get("absent_classes")
    if not absent:
        return None
    return f"No test item belongs to {', '.join(absent)}: the scores are means over the others."


def _caution_better_single(metrics: Mapping[str, Any], main: str) -> str | None:
    scores = metrics["models"]
    best = _best(scores) or main
    # Nothing is said of a lead too small for the two decimals that the report shows.
    if scores[best]["balanced_accuracy"] - scores[main]["balanced_accuracy"] < 0.005:
        return None
    return (
        f"On these test items {label(best)} does better than {label(main)}: "
        f"{interval(scores[best])}."
    )


def _caution_confidence(metrics: Mapping[str, Any], main: str) -> str | None:
    log_loss, n_classes = metrics["models"][main].get("log_loss"), len(metrics.get("classes") or [])
    if log_loss is None or n_classes < 2 or log_loss <= math.log(n_classes):
        return None
    return (
        f"The probabilities of {label(main)} are worse than none: their log loss on the test "
        f"items is {log_loss:.2f} nats, that of equal shares {math.log(n_classes):.2f}. It is sure "
        "where it is wrong; look at its class alone, not at its confidence."
    )


def _best(scores: Mapping[str, Any]) -> str | None:
    return max(scores, key=lambda name: scores[name]["balanced_accuracy"], default=None)


def _bounds(row: Mapping[str, Any]) -> tuple[float, float]:
    value = row["balanced_accuracy"]
    low, high = row.get("balanced_accuracy_ci95") or (value, value)
    return low, high


def interval(row: Mapping[str, Any], measure: str = "balanced_accuracy") -> str:
    """Write a score with its 95 % interval, where there is one."""
    bounds = row.get(f"{measure}_ci95")
    text = number_text(row.get(measure))
    return f"{text} (95 % interval {bounds[0]:.2f}–{bounds[1]:.2f})" if bounds else text


def number_text(value: float | None) -> str:
    """Write a number with two decimals; a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{value:.2f}"


def count(number: int, unit: str) -> str:
    """Write a number with what it counts."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def on_folds(metrics: Mapping[str, Any]) -> list[str]:
    """Say how the main model does over the folds that were run, its worst one included."""
    main = main_model(metrics)
    scores, n_run = metrics["models"][main], len(metrics["folds"])
    low, high = scores["balanced_accuracy_ci95"]
    worst = scores["worst_fold"]
    of_all = "" if n_run == metrics["n_folds"] else f" of {metrics['n_folds']}"
    said = [
        f"Over {n_run}{of_all} folds, {label(main)} reaches a mean balanced accuracy of "
        f"{scores['mean_balanced_accuracy']:.2f} (95 % interval of the folds together "
        f"{low:.2f}–{high:.2f}); its worst fold is {worst['fold']} with "
        f"{worst['balanced_accuracy']:.2f}."
    ]
    controls = metrics["controls"]
    best = max(controls, key=lambda name: controls[name]["mean_balanced_accuracy"], default=None)
    if best is not None:
        reached = controls[best]["mean_balanced_accuracy"]
        said.append(
            f"The best shortcut control over the folds, {label(best)}, reaches {reached:.2f}."
        )
    return said


def on_leakage(leakage: pd.DataFrame) -> list[str]:
    """Say how well each code tells the target, beside chance and beside the controls."""
    rows = leakage[
        (leakage["factor"] == "target")
        & (leakage["condition"] == leakage["condition"].iloc[0])
        & leakage["score"].notna()
    ]
    control = rows["control"].astype(object).fillna("")
    said = []
    for code in rows[control == ""].to_dict("records"):
        beside = [f"chance {_percent(code['chance'])}"]
        of_untrained = rows[(control == "untrained") & (rows["code"] == code["code"])]
        beside += [f"an untrained encoder {_percent(score)}" for score in of_untrained["score"]]
        raw = rows[control == "raw"]
        beside += [f"the raw spectrogram {_percent(score)}" for score in raw["score"]]
        said.append(
            f"{code['code']} tells the target at {_percent(code['score'])} ({', '.join(beside)})."
        )
    return said


def on_codes(disentanglement: Mapping[str, Any]) -> list[str]:
    """Say how far each factor has a code of its own, and how much of the sound is voiced."""
    return [_on_block_dci(disentanglement), *_on_voicing(disentanglement.get("voiced_share"))]


def _on_block_dci(disentanglement: Mapping[str, Any]) -> str:
    own = disentanglement["block_dci"]
    if own is None:
        return f"Block DCI is not defined: {disentanglement['reason']}."
    untrained = disentanglement["controls"].get("untrained", {}).get("block_dci")
    beside = "" if untrained is None else f"; untrained encoders {untrained:.2f}"
    return f"Block DCI, 1 where each code is about one factor alone, is {own:.2f}{beside}."


def _on_voicing(share: float | None) -> list[str]:
    """Nothing where no fundamental was looked for."""
    if share is None:
        return []
    if share == 0:
        return ["No test item has a voiced frame: what the pitch code says is not of voices."]
    return [f"{_percent(share)} of the test items have a voiced frame."]


def on_swaps(disentanglement: Mapping[str, Any]) -> str:
    """Say in how many swaps the attribute followed its donor, as far as readers can tell."""
    swap = disentanglement["swap"]
    if swap.get("moved") is None:
        return ""
    said = (
        f"Over all test swaps the attribute follows the swapped code in {_percent(swap['moved'])}"
    )
    if swap.get("stayed") is not None:
        said += f" and the others stay in {_percent(swap['stayed'])}"
    if swap.get("rebuilt") is not None:
        real = swap.get("original")
        beside = "" if real is None else f"{_percent(real)} of real and "
        said += f"; a reader names it in {beside}{_percent(swap['rebuilt'])} of rebuilt clips"
    return f"{said}."


def on_confidence(confidence: Mapping[str, Any], model: str) -> list[str]:
    """Say how far one model's confidence is from its accuracy, and what was rejected."""
    errors = confidence["ece"].get(model, {})
    said = []
    if errors.get("after") is not None:
        before = errors.get("before")
        was = "" if before is None else f" ({before:.2f} before calibration)"
        said.append(
            f"The confidence of {label(model)} is off its accuracy by {errors['after']:.2f} on "
            f"average{was}."
        )
    rejection = confidence.get("rejection")
    if rejection is not None and rejection["accuracy"] is not None:
        said.append(
            f"Where doubtful items are rejected, {_percent(rejection['coverage'])} are kept, and "
            f"of these {_percent(rejection['accuracy'])} are right."
        )
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
