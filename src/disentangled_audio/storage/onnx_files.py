"""Networks in ONNX files, which may come from anyone.

A file is examined before onnxruntime sees it. Only standard operators without subgraphs pass, so a
network computes its output from its input and from nothing else: it reads no other file, loads no
library and has no loop. Sizes are limited, in the file and in memory.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from disentangled_audio.errors import UserError

MAX_BYTES = 2**29
# What the values of a running network may take.
MAX_MEMORY_BYTES = 2**31
MAX_FIELDS = 1_000_000
_EXTRA = "pip install 'disentangled-audio[pretrained]'"
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# Numbers of fields in onnx.proto, by message.
_GRAPH, _FUNCTIONS, _TRAINING = 7, 25, 20
_NODES, _INITIALISERS, _SPARSE_INITIALISERS = 1, 5, 15
_ATTRIBUTES, _DOMAIN, _OPERATOR = 5, 7, 4
_ATTRIBUTE_TENSORS, _SUBGRAPHS, _SPARSE_TENSORS = (5, 10), (6, 11), (22, 23)
_DIMENSIONS, _EXTERNAL_DATA, _LOCATION = 1, 13, 14

Field = tuple[int, int | memoryview]


def read_onnx(content: bytes, place: str) -> Any:
    """Make an inference session of one thread from the bytes of an ONNX file.

    Parameters
    ----------
    content : bytes
    place : str
        What messages call the file.

    Raises
    ------
    UserError
        If onnxruntime is missing, or the file is no ONNX network, is too large, needs other files,
        or uses anything but standard operators.
    """
    check_onnx(content, place)
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        # Folding would compute constants outside the limited memory.
        return runtime.InferenceSession(
            content,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"],
        )
    except Exception as error:
        raise UserError(
            f"{place} cannot be loaded by onnxruntime {runtime.__version__}: "
            f"{str(error).splitlines()[0]}. Export the network again"
        ) from error


def check_onnx(content: bytes, place: str) -> None:
    """Refuse a file that is no ONNX network, or one that could do more than compute."""
    check_size(len(content), place)
    try:
        model = list(_fields(memoryview(content)))
        graphs = _messages(model, _GRAPH)
        if len(graphs) != 1:
            raise ValueError("it has no graph")
        what = _unsafe(model, list(_fields(graphs[0])))
    except ValueError as error:
        raise UserError(f"{place} is not an ONNX network: {error}. Name an .onnx file") from error
    if what:
        raise UserError(f"{place} {what}")


def check_size(n_bytes: int, place: str) -> None:
    """Refuse a file that is larger than the limit."""
    if n_bytes > MAX_BYTES:
        raise UserError(
            f"{place} has {n_bytes:,} bytes, more than the limit of {MAX_BYTES:,}; use a smaller "
            "network"
        )


@cache
def _runtime() -> Any:
    """Import onnxruntime, and limit the memory of all its sessions."""
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_extra("onnxruntime") from error
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    # Take only what is needed (1); -1 keeps the defaults of the first and of unused parts.
    limits = onnxruntime.OrtArenaCfg(MAX_MEMORY_BYTES, 1, -1, -1)
    onnxruntime.create_and_register_allocator(memory, limits)
    return onnxruntime


def missing_extra(package: str) -> UserError:
    """Make the error for a package that pretrained weights need."""
    return UserError(f"pretrained weights need {package}, which is not installed: {_EXTRA}")


def _unsafe(model: list[Field], graph: list[Field]) -> str | None:
    """What the network has that only an untrusted one needs; None if nothing."""
    if _messages(model, _FUNCTIONS) or _messages(model, _TRAINING):
        return "defines functions or a training of its own; export it with standard operators only"
    if _messages(graph, _SPARSE_INITIALISERS):
        return "has sparse weights; export it with dense ones"
    for node in map(_listed, _messages(graph, _NODES)):
        what = _unsafe_node(node)
        if what:
            return what
    return _unsafe_tensor(_messages(graph, _INITIALISERS))


def _unsafe_node(node: list[Field]) -> str | None:
    operator, domain = (
        b"".join(bytes(text) for text in _messages(node, number)).decode("utf-8", "replace")
        for number in (_OPERATOR, _DOMAIN)
    )
    if domain not in _DOMAINS:
        return (
            f"uses the operator {operator!r} of {domain!r}, which is not standard ONNX; export it "
            "with standard operators only"
        )
    for attribute in map(_listed, _messages(node, _ATTRIBUTES)):
        if _messages(attribute, *_SUBGRAPHS):
            return f"has a loop or a branch ({operator}); export a network without one"
        if _messages(attribute, *_SPARSE_TENSORS):
            return "has sparse weights; export it with dense ones"
        what = _unsafe_tensor(_messages(attribute, *_ATTRIBUTE_TENSORS))
        if what:
            return what
    return None


def _unsafe_tensor(tensors: list[memoryview]) -> str | None:
    for content in tensors:
        tensor = _listed(content)
        if any(number in (_EXTERNAL_DATA, _LOCATION) and value != 0 for number, value in tensor):
            return "keeps weights in other files; export it as one file"
        # An element of the smallest type takes half a byte.
        if _n_elements(tensor) > 2 * len(content):
            return "claims weights that are larger than itself; export it again"
    return None


def _n_elements(tensor: list[Field]) -> int:
    dimensions: list[int] = []
    for number, value in tensor:
        if number == _DIMENSIONS:
            packed = [value] if isinstance(value, int) else _varints(value)
            dimensions += packed
    return math.prod(dimensions) if dimensions else 1


def _messages(fields: list[Field], *numbers: int) -> list[memoryview]:
    """Nested messages and texts with these numbers."""
    return [value for number, value in fields if number in numbers and not isinstance(value, int)]


def _listed(content: memoryview) -> list[Field]:
    return list(_fields(content))


def _fields(content: memoryview) -> Iterator[Field]:
    """Fields of a message in the wire format of Protocol Buffers; fixed-size values are skipped.

    Raises
    ------
    ValueError
        If the bytes do not have this format.
    """
    place, n_fields = 0, 0
    while place < len(content):
        n_fields += 1
        if n_fields > MAX_FIELDS:
            raise ValueError(f"a part of it has more than {MAX_FIELDS:,} fields")
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(content, place)
            yield number, value
        elif kind == 2:
            length, start = _varint(content, place)
            place = start + length
            if place > len(content):
                raise ValueError("it is cut off, or has another format")
            yield number, content[start:place]
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError("it has another format")


def _varints(content: memoryview) -> list[int]:
    values, place = [], 0
    while place < len(content):
        value, place = _varint(content, place)
        values.append(value)
    return values


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """Whole number at a place, and the place behind it."""
    value = shift = 0
    while place < len(content) and shift < 70:
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("it is cut off, or has another format")
