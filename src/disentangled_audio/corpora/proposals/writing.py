"""The proposed corpus file, with a comment on every line."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_COMMENTS = {
    "corpora": "what the recordings are",
    "protocols": "what is asked of them, and how they are split",
    "sources": "where the recordings are",
    "files": "which files below that folder",
    "metadata": "the table whose columns are added",
    "metadata_key": "its column with the names of the recordings",
    "name_patterns": "what the names of files and folders say: each named group is a column",
    "kind": "rir: room impulse responses, which are trained with values of their own",
    "licence": "for the report: write that of your recordings",
    "analysis": "how a recording becomes a clip",
    "sample_rate_hz": "that of most recordings; others are resampled",
    "duration_s": "length of a clip in seconds: 95 % of the recordings are no longer, or 10 s",
    "target": "column with the classes",
    "labels": "one class for each value of that column",
    "group_by": "recordings with the same value are never on two sides of the split",
    "where": "the classes to use; others have too few recordings for a split",
    "split": "how recordings for training, validation and test are chosen",
    "n_folds": "each part is tested once; one is tested in a single run",
    "validation_folds": "one of so many parts of the training recordings is for validation",
    "column": "column that names the parts",
    "train": "values for training; validation recordings are drawn from these",
    "test": "values for testing",
}
_STRATEGIES = {
    "grouped": "whole groups are drawn",
    "random": "recordings are drawn; those that share sound stay together",
    "column": "the parts are given by a column",
}
_NO_GROUP = "nothing but shared sound keeps recordings together"


def corpus_file(name: str, corpus: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    """Write a corpus and its protocol as YAML; every line has a comment.

    Parameters
    ----------
    name : str
    corpus, protocol : mapping
        Their definitions.
    """
    content = {
        "corpora": {name: corpus},
        "protocols": {f"{name}_{protocol['target']}": protocol},
    }
    lines = ["# Proposed by init-corpus; change what is wrong.", *_lines(content, 0)]
    return "\n".join(lines) + "\n"


def _lines(content: Mapping[str, Any], depth: int) -> Iterator[str]:
    for key, value in content.items():
        start = f"{'  ' * depth}{_one_line(key)}:"
        comment = _comment(key, value, depth)
        if isinstance(value, dict) and key not in {"labels", "where"}:
            yield f"{start}  # {comment}"
            yield from _lines(value, depth + 1)
        else:
            yield f"{start} {_one_line(value)}  # {comment}"


def _comment(key: str, value: Any, depth: int) -> str:
    if depth == 1:
        return "its name, under which results are stored"
    if key == "strategy":
        return _STRATEGIES[value]
    return _NO_GROUP if key == "group_by" and not value else _COMMENTS[key]


def _one_line(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=2**31)
    text = text.removesuffix("\n").removesuffix("...").rstrip("\n")
    # Of a name with a line break, YAML would make several lines.
    return json.dumps(value) if "\n" in text else text
