"""Nested mappings as flat mappings with dotted keys."""

from collections.abc import Mapping
from typing import Any


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``.

    An empty mapping is kept as a value.
    """
    named: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            named |= dotted(value, f"{name}.")
        else:
            named[name] = value
    return named
