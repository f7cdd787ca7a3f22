"""Options of the reported run, ready to be typed again."""

import shlex
from collections.abc import Iterable, Iterator


def of_runs(options: str) -> str:
    """Options for `kedro run`, quoted for a shell."""
    return _typed(shlex.split(options))


def of_scripts(options: str) -> str:
    """The same environment and parameters as the benchmark scripts take them."""
    return _typed(_for_scripts(shlex.split(options)))


def _for_scripts(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        name, _, value = word.partition("=")
        if name == "--env":
            yield word
        elif name == "--params":
            yield from [name, *value.split(",")]


def _typed(words: Iterable[str]) -> str:
    return "".join(f" {shlex.quote(word)}" for word in words)
