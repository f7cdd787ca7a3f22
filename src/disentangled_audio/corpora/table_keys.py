"""Finds the row of a table that belongs to a file."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

_DRIVE = re.compile(r"^[a-z]:/")


class TableKeys:
    """Keys of a table's rows, and the files that they name.

    A key is a file's path, or the end of it. Where it says so of one row only, the way in which it
    is written does not matter: `./`, backslashes, upper and lower case, composed and decomposed
    letters, a missing ending, or another folder in front of a common folder and name.

    Parameters
    ----------
    rows : mapping
        Rows by key.
    """

    def __init__(self, rows: Mapping[str, Any]) -> None:
        self._rows = rows
        self._used: set[str] = set()

    def find(self, name: str) -> str | None:
        """Key of a file's row; None if there is none, or it is not clear which.

        Parameters
        ----------
        name : str
            Path below the source's folder, with forward slashes.
        """
        key = next((key for key in _ends(name) if key in self._rows), None)
        if key is None:
            key = self._alike(_plain(name))
        if key is not None:
            self._used.add(key)
        return key

    @property
    def unused(self) -> list[str]:
        """Keys that named no file so far."""
        return [key for key in self._rows if key not in self._used]

    def _alike(self, name: str) -> str | None:
        for given in (name, _without_ending(name)):
            # The key is the path or its end.
            for end in _ends(given):
                if end in self._whole:
                    return self._whole[end]
            # The path is the end of the key, or both end in a common folder and name.
            for end in _ends(given):
                if end in self._parts and (end == given or "/" in end):
                    return self._parts[end]
        return None

    @property
    def _inside(self) -> list[str]:
        """Keys that do not lead out of the folder."""
        return [key for key in self._rows if ".." not in _plain(key).split("/")]

    @cached_property
    def _whole(self) -> dict[str, str | None]:
        """Keys by how they are written; None where two are alike."""
        return _unique((form, key) for key in self._inside for form in _forms(_plain(key)))

    @cached_property
    def _parts(self) -> dict[str, str | None]:
        """Keys by each of their ends."""
        return _unique(
            (end, key)
            for key in self._inside
            for form in _forms(_plain(key))
            for end in list(_ends(form))[1:]
        )


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for form, key in pairs:
        found[form] = key if found.get(form, key) == key else None
    return found


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFC", text.strip().replace("\\", "/")).casefold()
    parts = [part for part in _DRIVE.sub("/", plain).split("/") if part not in ("", ".")]
    return "/".join(parts)


def _forms(plain: str) -> set[str]:
    return {plain, _without_ending(plain)}


def _without_ending(plain: str) -> str:
    path = PurePosixPath(plain)
    return path.with_suffix("").as_posix() if path.suffix else plain


def _ends(path: str) -> Iterator[str]:
    """A path, and the path without its first folders, down to the name."""
    parts = path.split("/")
    return ("/".join(parts[first:]) for first in range(len(parts)))
