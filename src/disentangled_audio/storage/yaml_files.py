"""YAML files of strangers, within limits that are checked before anything is built of them."""

import math
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError

# All configuration of this project together has 70 kB; a megabyte is read in half a second.
MAX_BYTES = 2**20
# Parameters nest about six deep.
MAX_DEPTH = 50
# Counted as if aliases were written out.
MAX_VALUES = 200_000


def read_yaml(path: Path) -> Any:
    """Read a YAML file with plain values.

    Raises
    ------
    UserError
        If it is not valid YAML in UTF-8, or exceeds a limit.
    OSError
        If it cannot be read.
    """
    import yaml

    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _refused(path, f"has more than {MAX_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
        _check_depth(text, path)
        # Nodes are shared by their aliases, so they take no more memory than the text does.
        _check_aliases(yaml.compose(text, Loader=_loader()), path)
        return yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError) as error:
        # Its places are on lines of their own.
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error


def _check_depth(text: str, path: Path) -> None:
    """Check the depth before nodes are made, for which libyaml would overflow its stack."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _too_deep(path)


def _check_aliases(node: Any, path: Path) -> None:
    n_values, depth = _extent(node, {})
    if depth > MAX_DEPTH:
        raise _too_deep(path)
    if n_values > MAX_VALUES:
        raise _refused(path, f"has aliases that stand for more than {MAX_VALUES:,} values")


def _extent(node: Any, known: dict[int, tuple[float, float]]) -> tuple[float, float]:
    """Number of values and depth of a node, as if its aliases were written out."""
    if id(node) not in known:
        # An alias of a node that it lies in is met before that node is measured.
        known[id(node)] = math.inf, math.inf
        parts = [_extent(part, known) for part in _parts(node)]
        values, depths = zip(*parts, strict=True) if parts else ((), ())
        known[id(node)] = 1 + sum(values), 1 + max(depths, default=0)
    return known[id(node)]


def _parts(node: Any) -> list[Any]:
    if node is None or isinstance(node.value, str):
        return []
    # A mapping has pairs of nodes.
    return [
        part for entry in node.value for part in (entry if isinstance(entry, tuple) else [entry])
    ]


def _loader() -> Any:
    import yaml

    # That of libyaml is ten times as fast, where it is installed.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _too_deep(path: Path) -> UserError:
    return _refused(path, f"nests more than {MAX_DEPTH} levels deep")


def _refused(path: Path, why: str) -> UserError:
    return UserError(f"{path} {why}. Write it shorter, or ask who made it.")
