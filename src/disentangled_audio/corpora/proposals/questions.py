"""What names and folders leave open, and the person who knows can answer."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from disentangled_audio.corpora.describe import MEASURED_COLUMNS
from disentangled_audio.corpora.proposals.choices import Column, are_alike
from disentangled_audio.corpora.proposals.layout import Layout, examples
from disentangled_audio.corpora.proposals.natures import DAY, is_group
from disentangled_audio.errors import UserError

NONE = "none"


@dataclass(frozen=True)
class Question:
    """A question with a proposal.

    Attributes
    ----------
    text : str
    default : str
        The proposed answer.
    choices : str
        What else can be answered.
    """

    text: str
    default: str
    choices: str


Ask = Callable[[Question], str]


def take_default(question: Question) -> str:
    """Answer as proposed."""
    return question.default


def class_question(layout: Layout, chosen: Column, others: Sequence[Column], ask: Ask) -> Column:
    """Ask which column is the class, if several can be."""
    facts = layout.facts
    others = [column for column in others if not are_alike(facts, chosen, column)]
    if not others:
        return chosen
    possible = {_short(layout, column): column for column in (chosen, *others)}
    described = [f"{short} ({examples(facts[c.name])})" for short, c in possible.items()]
    question = Question(
        f"Which is the class: {' or '.join(described)}?",
        _short(layout, chosen),
        f"one of {', '.join(possible)}",
    )
    answer = ask(question).strip().lower()
    if answer not in possible:
        raise UserError(f"{answer!r} is not the class; answer {question.choices}")
    return possible[answer]


def _short(layout: Layout, column: Column) -> str:
    """Number of a part of the names, or the name of another column."""
    if column.name in layout.fields:
        return str(layout.fields.index(column.name) + 1)
    return column.name.lower()


def group_question(
    layout: Layout, possible: Sequence[Column], ask: Ask
) -> tuple[Column | None, str]:
    """Ask what a group is that nobody has named; gives the group and its name."""
    if not possible:
        return None, ""
    group = possible[0]
    own_name = group.nature if is_group(group.nature) and group.origin != "table" else group.name
    if is_group(group.nature) or group.nature == DAY:
        return group, group.nature if group.nature == DAY else own_name
    shared = layout.facts[group.name].iloc[0]
    question = Question(
        f"Recordings that share {shared} stay together: is that the recorder, the site or the "
        "animal?",
        own_name,
        f"a word for it, or {NONE} if they need not stay together",
    )
    answer = ask(question).strip()
    if answer.lower() in {NONE, "no"}:
        return None, ""
    name = re.sub(r"\W+", "_", answer).strip("_").lower()
    if not name.isidentifier() or name in {*MEASURED_COLUMNS, "folder", "kind"}:
        raise UserError(f"{answer!r} cannot be the name of a column; answer with another word")
    return group, own_name if group.origin == "table" or group.name == "folder" else name


def label_question(values: pd.Series, ask: Ask) -> dict[str, str]:
    """Ask if names that differ in case and blanks only are one class; gives the new names."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in values.value_counts().index:
        alike[" ".join(name.split()).casefold()].append(name)
    several = [names for names in alike.values() if len(names) > 1]
    if not several:
        return {}
    shown = "; ".join(" and ".join(map(repr, names)) for names in several[:3])
    question = Question(f"Is this one class each: {shown}?", "yes", "no, to keep them apart")
    if ask(question).strip().lower() in {"no", "n"}:
        return {}
    return {name: names[0] for names in several for name in names[1:]}
