"""The audit in words: what the label can be told from beside the sound itself."""

from collections.abc import Mapping
from typing import Any

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.evaluation.shortcuts.controls import (
    ALL_METADATA,
    CONTROLS,
)

# Below, intervals and p from resampled groups are known to be too narrow and too small.
FEW_GROUPS = 10


def verdict(
    audit: Mapping[str, Any], margins: Mapping[str, Any], leakage: Mapping[str, Any]
) -> list[str]:
    """Say in sentences what the figures say.

    Parameters
    ----------
    audit : mapping
        From `audit_controls`.
    margins : mapping
        From `margins_over_controls`.
    leakage : mapping
        ``shares`` of test items, by what they share with training items, and
        ``near_duplicates``.

    Returns
    -------
    list of str
    """
    return [
        _subject(audit),
        *_on_shortcuts(audit),
        *_on_parts_of_sound(audit),
        *_on_not_applicable(audit),
        *_on_margins(margins),
        *_on_leakage(leakage),
    ]


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


def _on_shortcuts(audit: Mapping[str, Any]) -> list[str]:
    if audit["shortcuts"]:
        best, *others = audit["shortcuts"]
        low, high = audit["controls"][best]["balanced_accuracy_ci95"]
        sentences = [
            f"{_capital(says(best))} alone names the {audit['target']} with balanced accuracy "
            f"{_reached(audit, best)} (95 % interval {low:.2f}–{high:.2f}, chance "
            f"{audit['chance']:.2f})."
        ]
        if others:
            listed = "; ".join(f"{says(name)} {_reached(audit, name)}" for name in others)
            sentences.append(f"It can also be told from {listed}.")
        return [
            *sentences,
            "None of this is the sound itself; a model may use it as far as it can see it.",
        ]
    if not audit["can_be_significant"]:
        return [
            f"{_counted(audit['n_groups'], 'group')} are too few to show that any control tells "
            f"the {audit['target']}: their labels can be dealt out in too few ways."
        ]
    return [f"Nothing beside the sound tells the {audit['target']} significantly above chance."]


def _reached(audit: Mapping[str, Any], name: str) -> str:
    """Balanced accuracy of a control, and which classes it finds if not all."""
    scores = audit["controls"][name]
    given = scores["gives_away"]
    some = f" (finds {' and '.join(given)} only)" if 0 < len(given) < len(audit["classes"]) else ""
    return f"{scores['balanced_accuracy']:.2f}{some}"


def _on_parts_of_sound(audit: Mapping[str, Any]) -> list[str]:
    if not audit["parts_of_sound"]:
        return []
    listed = "; ".join(f"{says(name)} {_reached(audit, name)}" for name in audit["parts_of_sound"])
    return [
        f"Parts of the sound that tell the {audit['target']} by themselves: {listed}. Unless the "
        f"{audit['target']} is a matter of the spectrum, they tell how it was recorded."
    ]


def _on_not_applicable(audit: Mapping[str, Any]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for name, reason in audit["not_applicable"].items():
        reasons.setdefault(reason, []).append(says(name))
    return [
        f"Controls that do not apply, {reason}: {', '.join(names)}."
        for reason, names in reasons.items()
    ]


def says(control: str) -> str:
    """A control in words."""
    if control == ALL_METADATA:
        return "all facts beside the sound together"
    return CONTROLS[control].says if control in CONTROLS else control


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _on_margins(margins: Mapping[str, Any]) -> list[str]:
    sentences = []
    for kind, of in margins.items():
        named = {"shortcut": "the best shortcut control", "part_of_sound": "the best part of sound"}
        control = f"{named[kind]}, {says(of['best_control'])} ({of['balanced_accuracy']:.2f})"
        main = HYBRID if HYBRID in of["models"] else next(reversed(of["models"]))
        sentences.append(_on_margin(main, of["models"][main], control))
        others = {name: row for name, row in of["models"].items() if name != main}
        above = [f"{name} {_signed(row['difference'])}" for name, row in others.items()]
        if above and kind == "shortcut":
            sure = [name for name, row in others.items() if row["significant"]]
            sentences.append(
                f"Of the other models ({', '.join(above)}), "
                f"{', '.join(sure) if sure else 'none'} "
                f"{'are' if len(sure) > 1 else 'is'} significantly above it."
            )
    return sentences


def _on_margin(model: str, of: Mapping[str, Any], control: str) -> str:
    low, high = of["difference_ci95"]
    word = "significant" if of["significant"] else "not significant"
    how = f"paired bootstrap by {of['resampled']}, {_counted(of['n_groups'], 'group')}"
    care = ""
    if of["resampled"] != "group":
        care = " One group says nothing of other groups."
    elif of["significant"] and of["n_groups"] < FEW_GROUPS:
        care = " With so few groups, that p is too small."
    return (
        f"On the test items of this fold, the margin of {model} over {control} is "
        f"{_signed(of['difference'])} (95 % interval {_signed(low)} to {_signed(high)}), {word} "
        f"({how}, adjusted p = {of['p_holm']:.3f}).{care}"
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


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
