"""Regular expressions of strangers, matched under a time limit.

Python's `re` cannot be interrupted: a pattern such as `(a+)+b` would take years on some names. The
package `regex` matches the same expressions and stops in time.
"""

import re
from collections.abc import Mapping
from typing import Any

import regex

from disentangled_audio.errors import UserError

# Of the process for one name, in seconds; a thousand times what a usual pattern takes.
LIMIT_S = 0.25


class Pattern:
    """A regular expression in the syntax of Python's `re`.

    Parameters
    ----------
    text : str
    what : str
        Names the pattern in errors, such as "name pattern '(.*)'".

    Raises
    ------
    UserError
        If it is not a regular expression.
    """

    def __init__(self, text: str, what: str) -> None:
        self._what = what
        try:
            # Refuses what `regex` has beside: recursion, fuzzy matches, groups of one name.
            re.compile(text)
            self._own = regex.compile(text)
        except (re.error, regex.error, OverflowError, RecursionError) as error:
            raise UserError(f"{what} is not a regular expression: {error}") from error

    @property
    def groups(self) -> Mapping[str, int]:
        """Names of the groups, with their numbers."""
        return self._own.groupindex

    def search(self, name: str) -> Any:
        """Match anywhere in a file's name, or None.

        Raises
        ------
        UserError
            If it takes longer than `LIMIT_S`.
        """
        return self._within_limit(self._own.search, name)

    def match(self, name: str) -> Any:
        """Match from the start of a file's name, or None; errors are those of `search`."""
        return self._within_limit(self._own.match, name)

    def _within_limit(self, matching: Any, name: str) -> Any:
        try:
            return matching(name, timeout=LIMIT_S)
        except TimeoutError as error:
            raise UserError(
                f"{self._what} takes more than {LIMIT_S:g} s for the name {name!r}; simplify it: "
                "repeats inside or beside each other, as in (a+)+ or a*a*a*, take long"
            ) from error
