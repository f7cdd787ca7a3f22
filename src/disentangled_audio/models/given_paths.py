"""Paths as they are given to `Classifier`."""

from collections.abc import Iterable, Sequence
from os import PathLike, fsdecode
from typing import Any

from disentangled_audio.errors import UserError

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


def path_texts(paths: Paths) -> list[str]:
    """Names of files or folders."""
    if isinstance(paths, str | bytes | PathLike) or not isinstance(paths, Iterable):
        return [path_text(paths, "paths")]
    return [path_text(path, "paths") for path in paths]


def path_text(path: Any, argument: str) -> str:
    """Name of a file or folder.

    Raises
    ------
    UserError
        If it is none, or empty.
    """
    try:
        text = fsdecode(path)
    except TypeError as error:
        hint = "; predict_array takes samples" if argument == "paths" else ""
        raise UserError(
            f"{argument}: {type(path).__name__} is not the name of a file or folder{hint}"
        ) from error
    if not text:
        raise UserError(f"{argument}: a name is empty; name a file or folder")
    return text
