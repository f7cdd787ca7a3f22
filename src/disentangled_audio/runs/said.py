"""Warnings that are given once, although several folds of a run have the same reason for them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# What was warned about in each enclosing `once`.
_said: list[set[str]] = []


@contextmanager
def once() -> Iterator[None]:
    """Give only the first warning about each thing."""
    _said.append(set())
    try:
        yield
    finally:
        _said.pop()


def warn(logger: logging.Logger, about: str, text: str) -> None:
    """Log a warning about something, such as a member of the hybrid, unless `once` forbids it."""
    if _said and about in _said[-1]:
        return
    if _said:
        _said[-1].add(about)
    logger.warning("%s %s", about, text)
