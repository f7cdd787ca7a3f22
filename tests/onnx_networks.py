"""Tiny ONNX files, written by hand so that no test needs the package `onnx`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Numbers of element types in onnx.proto.
TYPES = {"float32": 1, "int64": 7, "float64": 11}


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a message of Protocol Buffers."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def tensor(name: str, values: np.ndarray, *more: bytes) -> bytes:
    shape = b"".join(field(1, size) for size in values.shape)
    kind = field(2, TYPES[values.dtype.name])
    return shape + kind + field(8, name) + field(9, values.tobytes()) + b"".join(more)


def node(
    operator: str, inputs: Sequence[str], output: str, *attributes: bytes, domain: str = ""
) -> bytes:
    named = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator)
    return named + b"".join(field(5, one) for one in attributes) + field(7, domain)


def value(name: str, shape: Sequence[int | str], dtype: str = "float32") -> bytes:
    """Name, type and shape of an input or output; a text is a size that stays open."""
    sizes = [field(1, one) if isinstance(one, int) else field(2, one) for one in shape]
    described = field(1, TYPES[dtype]) + field(2, b"".join(field(1, size) for size in sizes))
    return field(1, name) + field(2, field(1, described))


def model(
    nodes: Sequence[bytes],
    weights: Sequence[bytes],
    taken: bytes,
    given: bytes,
    in_graph: bytes = b"",
    in_model: bytes = b"",
) -> bytes:
    parts = {1: nodes, 5: weights, 11: [taken], 12: [given]}
    graph = b"".join(field(number, one) for number, all_ in parts.items() for one in all_)
    return (
        field(1, 8) + field(7, field(2, "g") + graph + in_graph) + field(8, field(2, 13)) + in_model
    )


def dense(shape: Sequence[int | str], n_values: int, n_dims: int = 4, **changes: Any) -> bytes:
    """Flattens its input `x` and gives its products with fixed weights, `y`.

    `changes` may have other `weights`, and the `dtype` of the input.
    """
    weights = np.random.default_rng(0).standard_normal((n_values, n_dims))
    weights = changes.get("weights", weights.astype(changes.get("dtype", "float32")))
    return model(
        [node("Flatten", ["x"], "z"), node("MatMul", ["z", "w"], "y")],
        [tensor("w", weights)],
        value("x", shape, weights.dtype.name),
        value("y", ["n", n_dims], weights.dtype.name),
    )


def _varint(number: int) -> bytes:
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + _varint(high) if high else bytes([low])
