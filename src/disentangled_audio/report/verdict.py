"""The shortcut audit in sentences: how well the label can be predicted without listening."""

from collections.abc import Mapping
from typing import Any

from disentangled_audio.evaluation.shortcuts.controls import SHORTCUT
from disentangled_audio.report.names import in_sentence, label
from disentangled_audio.report.sentences import (
    FEW_GROUPS,
    count,
    leak_sentence,
    main_model,
    percent,
    percent_interval,
)

# Controls that see the measurement chain of a response before or after they see the room.
_OF_THE_CHAIN = ("direct_sound", "quiet_parts")


def verdict(
    audit: Mapping[str, Any], margins: Mapping[str, Any], leakage: Mapping[str, Any]
) -> list[str]:
    """Sentences of the audit.

    Parameters
    ----------
    audit : mapping
        From `audit_controls`.
    margins : mapping
        From `margins_over_controls`.
    leakage : mapping
        ``shares`` of test items, by what they share with training items, and
        ``shared_sound`` from `sound_in_parts`.
    """
    leak = leak_sentence(leakage["shared_sound"])
    return [
        _subject(audit),
        *([leak] if leak else []),
        *_on_shortcuts(audit),
        *_on_baselines(audit),
        *_on_measurement_chain(audit),
        *_on_not_applicable(audit),
        *_on_guessed(audit),
        *_on_margins(margins),
        *_on_shares(leakage["shares"]),
    ]


def _subject(audit: Mapping[str, Any]) -> str:
    simulated = "These recordings are simulated. " if audit["simulated"] else ""
    return (
        f"{simulated}The audit predicts {audit['target']} in {audit['corpus']} (protocol "
        f"{audit['protocol']}) from shortcuts and simple baselines: "
        f"{len(audit['classes'])} classes, {count(audit['n_folds'], 'fold')}, "
        f"{count(audit['n_groups'], 'test group')}; guessing gives {percent(audit['chance'])}."
    )


def _on_shortcuts(audit: Mapping[str, Any]) -> list[str]:
    target = audit["target"]
    if audit["shortcuts"]:
        best, *others = audit["shortcuts"]
        sentences = [
            f"{label(best)}: this shortcut alone recognises the right {target} in "
            f"{percent_interval(audit['controls'][best])} of recordings"
            f"{_classes_found(audit, best)}."
        ]
        if others:
            sentences.append(f"Other shortcuts: {_listed(audit, others)}.")
        return [
            *sentences,
            "A score that a shortcut also reaches proves nothing: a model may use the shortcut "
            "wherever it can see it.",
        ]
    if not audit["can_be_significant"]:
        return [
            f"{count(audit['n_groups'], 'group')} are too few to show that any control predicts "
            f"the {target}: too few permutations of their labels exist."
        ]
    return [f"No shortcut predicts the {target} significantly better than chance."]


def _classes_found(audit: Mapping[str, Any], name: str) -> str:
    """Name the classes that a control gives away, if not all."""
    given = audit["controls"][name]["gives_away"]
    return f" (finds {' and '.join(given)} only)" if 0 < len(given) < len(audit["classes"]) else ""


def _listed(audit: Mapping[str, Any], names: list[str]) -> str:
    return "; ".join(
        f"{label(name)} {percent(audit['controls'][name]['balanced_accuracy'])}"
        f"{_classes_found(audit, name)}"
        for name in names
    )


def _on_baselines(audit: Mapping[str, Any]) -> list[str]:
    if not audit["baselines"]:
        return []
    return [
        f"Simple baselines, which hear the sound, predict the {audit['target']}: "
        f"{_listed(audit, audit['baselines'])}. A model that does no better is not needed."
    ]


def _on_measurement_chain(audit: Mapping[str, Any]) -> list[str]:
    """Say what tells the label of measured responses beside the room."""
    predicts = [*audit["shortcuts"], *audit["baselines"]]
    names = [name for name in _OF_THE_CHAIN if name in predicts]
    if audit["simulated"] or not names or "rir" not in audit["controls"][names[0]]["per_kind"]:
        return []
    listed = " and ".join(label(name).lower() for name in names)
    verb = "tell" if names != ["direct_sound"] else "tells"
    return [
        f"In these measured responses, the {listed} alone {verb} the {audit['target']}. A model "
        "may recognise the measurement chain (loudspeaker, microphone, converters, noise) "
        "instead of the acoustics."
    ]


def _on_not_applicable(audit: Mapping[str, Any]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for name, reason in audit["not_applicable"].items():
        reasons.setdefault(reason, []).append(label(name))
    return [
        f"These controls do not apply ({reason}): {', '.join(names)}."
        for reason, names in reasons.items()
    ]


def _on_guessed(audit: Mapping[str, Any]) -> list[str]:
    sentences = []
    for name, guessed in audit["guessed"].items():
        score = guessed["balanced_accuracy"]
        others = "" if score is None else f" It recognises {percent(score)} of the others."
        sentences.append(
            f"{label(name)}: {guessed['n']:,} of {count(audit['n_items'], 'test item')} have none, "
            f"so that the control guesses.{others}"
        )
    return sentences


def _on_margins(margins: Mapping[str, Any]) -> list[str]:
    sentences = []
    for heading, found in margins.items():
        best = f"{label(found['best_control'])} ({percent(found['balanced_accuracy'])})"
        main = main_model(found)
        sentences.append(_on_margin(main, found["models"][main], f"the best {heading}, {best}"))
        others = {name: row for name, row in found["models"].items() if name != main}
        if others and heading == SHORTCUT:
            listed = [f"{label(name)} {_points(row['difference'])}" for name, row in others.items()]
            sure = [label(name) for name, row in others.items() if row["significant"]]
            sentences.append(
                f"Of the other models ({', '.join(listed)}), "
                f"{', '.join(sure) if sure else 'none'} "
                f"{'are' if len(sure) > 1 else 'is'} significantly better than this shortcut."
            )
    return sentences


def _on_margin(model: str, margin: Mapping[str, Any], control: str) -> str:
    low, high = margin["difference_ci95"]
    word = "significant" if margin["significant"] else "not significant"
    how = f"paired bootstrap by {margin['resampled']}, {count(margin['n_groups'], 'group')}"
    care = ""
    if margin["resampled"] != "group":
        care = " One group says nothing about other groups."
    elif margin["significant"] and margin["n_groups"] < FEW_GROUPS:
        care = " With so few groups, this p is too small."
    return (
        f"On the test items of this fold, the margin of {in_sentence(model)} over {control}, is "
        f"{_points(margin['difference'])} percentage points (95 % interval {_points(low)} to "
        f"{_points(high)}), {word} ({how}, adjusted p = {margin['p_holm']:.3f}).{care}"
    )


def _points(difference: float) -> str:
    return f"{100 * difference:+.0f}".replace("-", "\N{MINUS SIGN}")


def _on_shares(shares: Mapping[str, float]) -> list[str]:
    sentences = [
        f"{percent(share)} of the test items share their {name} with training items."
        for name, share in shares.items()
        if share > 0
    ]
    return sentences or ["No test item shares its group or file with a training item."]
