"""Display names of models and controls; code, tables and the catalog use the short names.

Members of the bank define theirs in `models.bank`, controls in `evaluation.shortcuts.controls`.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID, PRETRAINED_HYBRID
from disentangled_audio.evaluation.shortcuts.controls import CONTROLS, by_heading
from disentangled_audio.models.bank import BANK, NETWORK

LABELS = {
    HYBRID: "Hybrid",
    PRETRAINED_HYBRID: "Hybrid with pretrained weights",
    **{name: member.label for name, member in BANK.items()},
    NETWORK: "Network",
    **{name: control.label for name, control in CONTROLS.items()},
}
EXPLANATIONS = {
    HYBRID: "the calibrated probabilities of the other models, weighted by their reliability",
    PRETRAINED_HYBRID: (
        "the same, with models on weights that were trained elsewhere; all others learned from the "
        "corpus alone"
    ),
    **{name: member.says for name, member in BANK.items()},
    NETWORK: "the neural network that computes the codes, with its own output layer",
    **{name: control.says for name, control in CONTROLS.items()},
}
# Columns of tables, and keys of mappings, whose values are names of models and controls.
_COLUMNS = ("model", "member", "hybrid")
_LISTS = ("shortcuts", "baselines")


def label(name: str) -> str:
    """Display name of a model or a control; without one, the name itself."""
    return LABELS.get(name, name)


def in_sentence(name: str) -> str:
    """Display name of a model within a sentence, such as "the hybrid"."""
    has_article = name in {HYBRID, PRETRAINED_HYBRID, NETWORK}
    return f"the {label(name).lower()}" if has_article else label(name)


def pretrained_facts(weights: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is said of pretrained weights wherever their scores stand."""
    keys = {"weights": "name", "licence": "licence", "training data": "training_data"}
    return [*((name, weights[key]) for name, key in keys.items()), ("SHA-256", weights["sha256"])]


def named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with display names of its models or members."""
    columns = [column for column in _COLUMNS if column in table]
    return table.assign(**{column: table[column].map(label) for column in columns})


def named_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics or an audit with display names of models and controls, in each fold too.

    Controls are sorted by their ``heading``, "shortcut" or "simple baseline".
    """
    shown = dict(scores)
    if "models" in scores:
        shown["models"] = {label(name): row for name, row in scores["models"].items()}
    if "controls" in scores:
        shown["controls"] = {
            label(name): {**row, "heading": heading}
            for heading, rows in by_heading(scores["controls"]).items()
            for name, row in rows.items()
        }
    for part in set(_LISTS) & set(scores):
        shown[part] = [label(name) for name in scores[part]]
    if "folds" in scores:
        shown["folds"] = {fold: named_scores(row) for fold, row in scores["folds"].items()}
    return shown
