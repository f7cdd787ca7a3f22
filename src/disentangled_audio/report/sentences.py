"""Sentences of the report, made from the scores alone."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID, PRETRAINED_HYBRID
from disentangled_audio.evaluation.shortcuts.controls import (
    BASELINE,
    SHORTCUT,
    best_by_heading,
    by_heading,
)
from disentangled_audio.models.bank import PRETRAINED
from disentangled_audio.parameters import Analysis
from disentangled_audio.report.names import in_sentence, label

# A caution names so many controls; the table has all.
MOST_NAMED = 3
# Intervals from fewer resampled groups are known to be too narrow (Cameron et al. 2008).
FEW_GROUPS = 10
# With fewer training and validation items per class, another draw gives quite another model.
FEW_TRAINED = 10


# What a clip takes of a longer recording; windows hear all but the ends of impulse responses.
_TAKEN = {"loudest": "loudest part", "beginning": "beginning", "windows": "beginning"}
# What it means that a control of either heading does as well as the model.
_EQUALLED = {
    SHORTCUT: "A score that a shortcut also reaches proves nothing.",
    BASELINE: "A model that does no better than a simple baseline is not needed.",
}


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
    """Say how well the main model does, beside guessing and the best controls."""
    main = main_model(metrics)
    sentence = (
        f"{capital(in_sentence(main))} recognises the right {metrics['target']} in "
        f"{percent_interval(metrics['models'][main])} of unheard recordings, averaged over classes"
    )
    chance = chance_level(metrics)
    if chance is not None:
        sentence += f"; guessing gives {percent(chance)}"
    groups = metrics.get("n_test_groups")
    # Where every item is its own group, no group was held out.
    is_grouped = groups and groups < metrics["n_test"]
    of_groups = f" from {count(groups, 'group')}" if is_grouped else ""
    sentence += f". It was tested on {count(metrics['n_test'], 'item')}{of_groups}."
    by = "balanced_accuracy"
    return " ".join([sentence, *_with_pretrained(metrics, by), *_best_controls(metrics, by)])


def _with_pretrained(metrics: Mapping[str, Any], by: str) -> list[str]:
    """Say what the hybrid with pretrained weights reaches, if there is one."""
    rows = [row for name, row in metrics["models"].items() if name == PRETRAINED_HYBRID]
    model = capital(in_sentence(PRETRAINED_HYBRID))
    return [f"{model} reaches {_reached(row, by)}." for row in rows]


def _best_controls(metrics: Mapping[str, Any], by: str) -> list[str]:
    """Say what the best shortcut and the best simple baseline reach."""
    controls = metrics["controls"]
    best = best_by_heading({name: row[by] for name, row in controls.items()})
    return [
        f"The best {heading}, {label(name)}, reaches {_reached(controls[name], by)}."
        for heading, name in best.items()
    ]


def _reached(row: Mapping[str, Any], by: str) -> str:
    """Write a score; an interval belongs only to the balanced accuracy of a single table."""
    return percent_interval(row) if by == "balanced_accuracy" else percent(row[by])


def cautions(metrics: Mapping[str, Any]) -> list[str]:
    """Say what the scores do not show, as far as they reveal it themselves."""
    main = main_model(metrics)
    found = [
        leak_sentence(metrics["shared_sound"]),
        _caution_simulated(metrics),
        *_caution_controls(metrics, main),
        _caution_few_trained(metrics),
        _caution_groups(metrics),
        _caution_no_error(metrics, main),
        _caution_absent(metrics, main),
        _caution_better_single(metrics, main),
        _caution_confidence(metrics, main),
    ]
    return [sentence for sentence in found if sentence]


def leak_sentence(shared: Mapping[str, Any]) -> str | None:
    """Say how many test recordings share sound with training ones, where, and what to do."""
    if not shared["leaking"]:
        return None
    example = shared["examples"][0]
    share = "shares" if shared["leaking"] == 1 else "share"
    return (
        f"Leak: {shared['leaking']:,} of {count(shared['n_test'], 'test recording')} {share} sound "
        f"with training recordings, for example {example['path']} from {example['start_s']:.2f} s "
        f"with {example['other_path']} from {example['other_start_s']:.2f} s, "
        f"{example['shared_s']:.2f} s long. A model can remember them, so the scores are too high. "
        "Keep them together (protocol.group_by=sound_group, protocol.split.strategy=grouped), or "
        "remove the copies."
    )


def on_not_heard(unheard: Mapping[str, float], analysis: Analysis) -> list[str]:
    """Say how much of the recordings that are longer than their clips is not heard."""
    if not unheard["recordings"]:
        return []
    one = unheard["recordings"] == 1
    return [
        f"{count(int(unheard['recordings']), 'recording')} {'is' if one else 'are'} longer than "
        f"the clips, which take {'its' if one else 'their'} {_TAKEN[analysis.part]}: "
        f"{unheard['seconds']:,.1f} s of {unheard['of_seconds']:,.1f} s of all recordings are not "
        "heard. corpus.analysis.part=windows hears all of them."
    ]


def on_shared_sound(shared: Mapping[str, Any]) -> list[str]:
    """Say which recordings share sound: leaks first, then copies that are kept together."""
    leak = leak_sentence(shared)
    sentences = [leak] if leak else []
    if shared["sets"]:
        several = shared["several_classes"]
        labelled = f" {several:,} of these sets have several labels: check them." if several else ""
        sentences.append(
            f"{shared['sharing']:,} recordings share sound with others (copies or overlapping "
            f"cuts), in {count(shared['sets'], 'set')}; shared_sound lists them. Random splits "
            f"keep each set in one part.{labelled}"
        )
    return sentences


def _caution_simulated(metrics: Mapping[str, Any]) -> str | None:
    if not metrics["simulated"]:
        return None
    return (
        "The recordings are simulated. The scores test the method and its controls; they say "
        "nothing about accuracy on real recordings."
    )


def _caution_controls(metrics: Mapping[str, Any], main: str) -> list[str]:
    """Name the controls whose interval reaches the main model's interval, by heading."""
    low, _ = _bounds(metrics["models"][main])
    equals = {name: row for name, row in metrics["controls"].items() if _bounds(row)[1] >= low}
    return [
        f"{_EQUALLED[heading]} These {heading}s do as well as {in_sentence(main)} or "
        f"better, within their intervals: {_listed(rows)}."
        for heading, rows in by_heading(equals).items()
    ]


def _listed(rows: Mapping[str, Any]) -> str:
    """Name the best controls, and how many there are beside."""
    best = sorted(rows, key=lambda name: -rows[name]["balanced_accuracy"])
    listed = [f"{label(name)} {percent_interval(rows[name])}" for name in best[:MOST_NAMED]]
    more = len(best) - len(listed)
    return "; ".join([*listed, *([count(more, "other")] if more else [])])


def _caution_few_trained(metrics: Mapping[str, Any]) -> str | None:
    n_training, n_validation = metrics["n_train"], metrics["n_validation"]
    n_classes = len(metrics["classes"])
    if n_training + n_validation >= FEW_TRAINED * n_classes:
        return None
    return (
        f"The models learned {n_classes} classes from only {count(n_training, 'item')}, and their "
        f"confidence and weights come from {count(n_validation, 'further item')}. Other recordings "
        "of as few would give quite different scores."
    )


def _caution_groups(metrics: Mapping[str, Any]) -> str | None:
    groups = metrics.get("n_test_groups")
    if groups is None or groups >= FEW_GROUPS:
        return None
    if groups == 1:
        return (
            "All test items come from one group. The intervals show how much other recordings of "
            "that group would vary; they say nothing about other groups."
        )
    return (
        f"The test items come from only {groups} groups. With fewer than {FEW_GROUPS} groups, "
        "intervals tend to be too narrow."
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
        f"{capital(in_sentence(main))} made no error on the test items, so its interval has no "
        f"width. With {count(n_units, unit)}, the true error rate may still be as high as about "
        f"{percent(limit)}."
    )


def _caution_absent(metrics: Mapping[str, Any], main: str) -> str | None:
    absent = metrics["models"][main].get("absent_classes")
    if not absent:
        return None
    return f"No test item belongs to {', '.join(absent)}; scores average over the other classes."


def _caution_better_single(metrics: Mapping[str, Any], main: str) -> str | None:
    # Weights that were trained elsewhere are another question.
    elsewhere = {PRETRAINED_HYBRID, *PRETRAINED}
    scores = {name: row for name, row in metrics["models"].items() if name not in elsewhere}
    best = _best(scores) or main
    # A lead that the report's two decimals do not show is not worth a sentence.
    if scores[best]["balanced_accuracy"] - scores[main]["balanced_accuracy"] < 0.005:
        return None
    return (
        f"On these test items, {in_sentence(best)} does better than {in_sentence(main)}: it "
        f"reaches {percent_interval(scores[best])}."
    )


def _caution_confidence(metrics: Mapping[str, Any], main: str) -> str | None:
    log_loss, n_classes = metrics["models"][main].get("log_loss"), len(metrics.get("classes") or [])
    if log_loss is None or n_classes < 2 or log_loss <= math.log(n_classes):
        return None
    return (
        f"The probabilities of {in_sentence(main)} are worse than equal ones: their log loss on "
        f"the test items is {log_loss:.2f} nats, against {math.log(n_classes):.2f} for equal "
        "probabilities. It is confident where it is wrong: use its class, not its confidence."
    )


def _best(scores: Mapping[str, Any]) -> str | None:
    return max(scores, key=lambda name: scores[name]["balanced_accuracy"], default=None)


def _bounds(row: Mapping[str, Any]) -> tuple[float, float]:
    value = row["balanced_accuracy"]
    low, high = row.get("balanced_accuracy_ci95") or (value, value)
    return low, high


def interval(row: Mapping[str, Any], measure: str = "balanced_accuracy") -> str:
    """Write a score with its 95 % interval, if it has one."""
    bounds = row.get(f"{measure}_ci95")
    text = number_text(row.get(measure))
    return f"{text} (95 % interval {bounds[0]:.2f}–{bounds[1]:.2f})" if bounds else text


def percent_interval(row: Mapping[str, Any]) -> str:
    """Write a balanced accuracy in percent with its 95 % interval, if it has one."""
    bounds = row.get("balanced_accuracy_ci95")
    text = percent(row["balanced_accuracy"])
    if not bounds:
        return text
    return f"{text} (95 % interval {100 * bounds[0]:.0f}–{percent(bounds[1])})"


def number_text(value: float | None) -> str:
    """Write a number with two decimals; a missing one is a dash."""
    return "–" if value is None or pd.isna(value) else f"{value:.2f}"


def percent(share: float) -> str:
    """Write a share in whole percent."""
    return f"{100 * share:.0f} %"


def count(number: int, unit: str) -> str:
    """Write a number with its unit, in the plural where needed."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def capital(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]


def on_folds(metrics: Mapping[str, Any]) -> list[str]:
    """Say how well the main model does over the folds that were run, and in its worst fold."""
    main = main_model(metrics)
    scores, n_run = metrics["models"][main], len(metrics["folds"])
    low, high = scores["balanced_accuracy_ci95"]
    worst = scores["worst_fold"]
    of_all = "" if n_run == metrics["n_folds"] else f" of {metrics['n_folds']}"
    sentences = [
        f"Over {n_run}{of_all} folds, {in_sentence(main)} reaches a mean balanced accuracy of "
        f"{percent(scores['mean_balanced_accuracy'])} (95 % interval of the pooled folds "
        f"{100 * low:.0f}–{percent(high)}). Its worst fold, {worst['fold']}, reaches "
        f"{percent(worst['balanced_accuracy'])}.",
        *_with_pretrained(metrics, "mean_balanced_accuracy"),
        *_best_controls(metrics, "mean_balanced_accuracy"),
    ]
    leak = leak_sentence(metrics["shared_sound"])
    if leak:
        sentences.insert(0, leak)
    if scores["sd_over_seeds"] is not None:
        seeds = ", ".join(map(str, metrics["seeds"]))
        sentences.append(
            f"Between the seeds {seeds}, the mean varies with a standard deviation of "
            f"{100 * scores['sd_over_seeds']:.1f} points."
        )
    return sentences


def on_leakage(leakage: pd.DataFrame) -> list[str]:
    """Say how well each code predicts the target, beside chance and the controls."""
    rows = leakage[
        (leakage["factor"] == "target")
        & (leakage["condition"] == leakage["condition"].iloc[0])
        & leakage["score"].notna()
    ]
    control = rows["control"].astype(object).fillna("")
    untrained, raw = rows[control == "untrained"], rows[control == "raw"]
    sentences = []
    for code in rows[control == ""].to_dict("records"):
        others = [f"guessing gives {percent(code['chance'])}"]
        same_code = untrained[untrained["code"] == code["code"]]
        others += [f"an untrained encoder {percent(score)}" for score in same_code["score"]]
        others += [f"the raw spectrogram {percent(score)}" for score in raw["score"]]
        sentences.append(
            f"From {code['code']}, a probe recognises the target in {percent(code['score'])} of "
            f"test items ({', '.join(others)})."
        )
    return sentences


def on_codes(disentanglement: Mapping[str, Any]) -> list[str]:
    """Say how far each factor has its own code, and how many test items are voiced."""
    return [_on_block_dci(disentanglement), *_on_voicing(disentanglement.get("voiced_share"))]


def _on_block_dci(disentanglement: Mapping[str, Any]) -> str:
    trained = disentanglement["block_dci"]
    if trained is None:
        return f"Block DCI is not defined: {disentanglement['reason']}."
    untrained = disentanglement["controls"].get("untrained", {}).get("block_dci")
    beside = "" if untrained is None else f" (untrained encoders: {untrained:.2f})"
    return f"Block DCI is {trained:.2f}{beside}; 1 means that each code describes a single factor."


def _on_voicing(share: float | None) -> list[str]:
    """Say how many items are voiced; nothing where the fundamental was not measured."""
    if share is None:
        return []
    if share == 0:
        return ["No test item has a voiced frame, so the pitch code does not describe voices."]
    return [f"{percent(share)} of the test items have a voiced frame."]


def on_swaps(disentanglement: Mapping[str, Any]) -> str:
    """Say in how many swaps the attribute followed its donor, according to the readers."""
    swap = disentanglement["swap"]
    if swap.get("moved") is None:
        return ""
    text = f"In {percent(swap['moved'])} of all test swaps, the attribute follows the swapped code"
    if swap.get("stayed") is not None:
        text += f"; in {percent(swap['stayed'])}, the other attributes stay the same"
    if swap.get("rebuilt") is not None:
        original = swap.get("original")
        beside = "" if original is None else f"{percent(original)} of real and "
        text += (
            f". A reader recognises the attribute in {beside}{percent(swap['rebuilt'])} of rebuilt "
            "clips"
        )
    return f"{text}."


def on_confidence(confidence: Mapping[str, Any], model: str) -> list[str]:
    """Say how far a model's confidence is from its accuracy, and what rejection achieves."""
    errors = confidence["ece"].get(model, {})
    sentences = []
    if errors.get("after") is not None:
        before = errors.get("before")
        earlier = "" if before is None else f" ({100 * before:.0f} before calibration)"
        sentences.append(
            f"On average, the confidence of {in_sentence(model)} differs from its accuracy by "
            f"{100 * errors['after']:.0f} percentage points{earlier}."
        )
    rejection = confidence.get("rejection")
    if rejection is not None and rejection["accuracy"] is not None:
        sentences.append(
            f"If doubtful items are rejected, {percent(rejection['coverage'])} remain, and "
            f"{percent(rejection['accuracy'])} of these are right."
        )
    return sentences
