"""Nested values by dotted names."""

from collections.abc import Mapping
from typing import Any


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as one mapping, such as ``{"a": {"b": 1}}`` as ``{"a.b": 1}``.

    An empty mapping is a value like any other.
    """
    named: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            named |= dotted(value, f"{name}.")
        else:
            named[name] = value
    return named
