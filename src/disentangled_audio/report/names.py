"""What people call models and controls; code, JSON, tables and the catalog have their short names.

Names of the bank's members stand with their members (`models.bank`).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.models.bank import BANK, NETWORK

CONTROLS = {
    "majority": "Majority class",
    "duration": "Duration",
    "byte_size": "File size",
    "channels": "Channels",
    "kind": "Kind of recording",
    "sample_rate": "Sampling rate",
    "peak": "Peak level",
    "level": "RMS level",
    "tail_level": "Level of the tail",
    "first_arrival": "First arrival",
    "noise_floor": "Noise floor",
    "stored_bits": "Stored bits",
    "name_length": "Length of the name",
    "bandwidth": "Bandwidth",
    "direct_sound": "Direct sound",
    "long_term_spectrum": "Long-term spectrum",
    "all_metadata": "All metadata",
}
LABELS = {
    HYBRID: "Hybrid",
    **{name: member.label for name, member in BANK.items()},
    NETWORK: "Network",
    **CONTROLS,
}
EXPLANATIONS = {
    HYBRID: "the others' calibrated probabilities, weighted by how reliable each one is",
    **{name: member.says for name, member in BANK.items()},
    NETWORK: "the neural network that makes the codes, with its own output layer",
}
# Columns of tables, and keys of mappings, that hold names of models and controls.
_COLUMNS = ("model", "member")
_LISTS = ("shortcuts", "parts_of_sound")


def label(name: str) -> str:
    """What people call a model or a control; its own name where the table has none."""
    return LABELS.get(name, name)


def named(table: pd.DataFrame) -> pd.DataFrame:
    """A table with the display names of its models or members."""
    columns = [column for column in _COLUMNS if column in table]
    return table.assign(**{column: table[column].map(label) for column in columns})


def named_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics or audit with the display names of their models and controls, those by fold too."""
    shown = dict(scores)
    for part in {"models", "controls"} & set(scores):
        shown[part] = {label(name): row for name, row in scores[part].items()}
    for part in set(_LISTS) & set(scores):
        shown[part] = [label(name) for name in scores[part]]
    if "folds" in scores:
        shown["folds"] = {fold: named_scores(row) for fold, row in scores["folds"].items()}
    return shown
