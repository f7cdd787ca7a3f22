"""Options of the run that a page is about, to type them again."""

import shlex
from collections.abc import Iterable, Iterator


def of_runs(options: str) -> str:
    """Options to put behind `kedro run`, quoted as a shell needs them."""
    return _typed(shlex.split(options))


def of_scripts(options: str) -> str:
    """Environment and parameters as the project's scripts take them, which `kedro run` took."""
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
