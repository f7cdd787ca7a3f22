"""Nested plain values."""

from collections.abc import Mapping
from typing import Any


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Values of nested mappings by dotted name, such as `svm.C`.

    Parameters
    ----------
    value
        A mapping, or what one holds.
    prefix : str
        The name of `value` itself.

    Returns
    -------
    dict
        Whatever is no mapping, lists too, and empty mappings, by their names.
    """
    if not isinstance(value, Mapping) or (prefix and not value):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for name, part in value.items():
        flat |= flatten(part, f"{prefix}.{name}" if prefix else str(name))
    return flat
