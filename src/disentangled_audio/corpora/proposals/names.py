"""Patterns that split the names of recordings into parts, and folders into levels."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from disentangled_audio.corpora.proposals.natures import CLIP, DATE, UUID, VERSION

_SEPARATOR = r"[_\-. ()\[\]]"
_NO_SEPARATOR = r"[^/_\-. ()\[\]]"
_OUTER_SEPARATORS = "_- "
# Separators as they stand in a pattern.
_SIGNS = ("_", "-", " ", r"\.", r" \(", r"\)")
# Names that show which separators occur.
_LOOKED_AT = 200
# Parts that contain separators, and all others.
_WHOLE = rf"(?:{UUID}|{DATE}|(?<![.]){VERSION}(?![.]))"
_TOKEN = re.compile(rf"(?<!{_NO_SEPARATOR}){_WHOLE}(?!{_NO_SEPARATOR})|{_NO_SEPARATOR}+")
_KINDS_OF_TOKENS = (f"{_NO_SEPARATOR}+", UUID, DATE, VERSION)
_SOURCE = re.compile(rf"(?P<source>.+?\.{CLIP}){_SEPARATOR}+(?P<rest>.+)", re.IGNORECASE)
# Runs of digits, capital and small letters, or else of digits and letters.
_RUNS = (r"\d+|[A-Z][a-z]{2,}|[A-Z]+|[a-z]+|[^\W\da-zA-Z_]+", r"\d+|[^\W\d_]+")
_LETTERS = r"[^\W\d_]+"
_LONGEST_LETTERS = 3
_FIELD = re.compile(r"\(\?P<(field\d+)>")


def readings(names: Sequence[str]) -> list[str]:
    """Give patterns of the names' stems, the likeliest first; each matches all of them.

    The named groups `field1`, `field2`, … of a pattern are the parts of the names.

    Parameters
    ----------
    names : sequence of str
        Paths with forward slashes.
    """
    stems = [PurePosixPath(name).stem for name in names]
    found = (reading(stems) for reading in _READINGS)
    patterns = dict.fromkeys(_numbered(pattern) for pattern in found if pattern)
    return [_plain(pattern, stems) for pattern in patterns if _matches(pattern, stems)]


def _matches(pattern: str, stems: Sequence[str]) -> bool:
    match = re.compile(pattern).fullmatch
    return all(map(match, stems))


def _plain(pattern: str, stems: Sequence[str]) -> str:
    """Name the separators that occur, for people who read the pattern."""
    some = stems[:: len(stems) // _LOOKED_AT + 1]
    plain = pattern
    for repeats, signs in (("*", ("", *_SIGNS)), ("+", _SIGNS)):
        before, *after = plain.split(_SEPARATOR + repeats)
        for number, part in enumerate(after):
            rest = (_SEPARATOR + repeats).join(["", *after[number + 1 :]])
            tried = (before + sign + part + rest for sign in signs)
            shorter = next((one for one in tried if _matches(one, some)), None)
            before = (
                before + _SEPARATOR + repeats + part
                if shorter is None
                else (shorter.removesuffix(rest) if rest else shorter)
            )
        plain = before
    return plain if _matches(plain, stems) else pattern


def levels_of(names: Sequence[str]) -> str:
    """Pattern of the folders above the names; the groups `level1`, … are those that all have."""
    depths = {len(PurePosixPath(name).parts) - 1 for name in names}
    levels = "".join(rf"(?P<level{number + 1}>[^/]+)/" for number in range(min(depths)))
    return levels + ("(?:[^/]+/)*" if len(depths) > 1 else "")


def _numbered(pattern: str) -> str:
    """Number the fields of a pattern, which all have the number 0."""
    numbers = iter(range(1, pattern.count("(?P<field0>") + 1))
    return _FIELD.sub(lambda _: f"(?P<field{next(numbers)}>", pattern)


def _field(values: Sequence[str]) -> str:
    kind = next((k for k in _KINDS_OF_TOKENS if all(re.fullmatch(k, v) for v in values)), "[^/]+?")
    return f"(?P<field0>{kind})"


def _joined(parts: Sequence[Sequence[str]], separator: str) -> str:
    return separator.join(_field(values) for values in zip(*parts, strict=True))


def _cut_from_file(stems: Sequence[str]) -> str | None:
    """Names such as `laugh_1.m4a_9`: the name of another recording, and what was cut from it."""
    matches = [_SOURCE.fullmatch(stem) for stem in stems]
    if not all(matches):
        return None
    sources = [PurePosixPath(match["source"]) for match in matches if match]
    inner = _fields([source.stem for source in sources])
    rest = _fields([match["rest"] for match in matches if match])
    return rf"(?P<source>{inner}\.\w+){_SEPARATOR}+{rest}"


def _fields(stems: Sequence[str]) -> str:
    found = (reading(stems) for reading in (_by_separators, _by_one_separator, _by_runs))
    return next(filter(None, found), "(?P<field0>[^/]+?)")


def _by_separators(stems: Sequence[str]) -> str | None:
    parts = [_TOKEN.findall(stem) for stem in stems]
    n_parts = {len(tokens) for tokens in parts}
    if len(n_parts) > 1 or max(n_parts) < 2:
        return None
    return rf"{_SEPARATOR}*{_joined(parts, f'{_SEPARATOR}+')}{_SEPARATOR}*"


def _by_one_separator(stems: Sequence[str]) -> str | None:
    """Parts between one separator; a part may contain the others, as in `dog-bark_3`."""
    for separator in _OUTER_SEPARATORS:
        counts = {stem.count(separator) for stem in stems}
        if len(counts) == 1 and counts != {0}:
            field = rf"(?P<field0>[^/{separator}]+)"
            return separator.join([field] * (counts.pop() + 1))
    return None


def _ending_alike(stems: Sequence[str]) -> str | None:
    """Words, then as many parts as all names have, the last of which is a number."""
    parts = [_TOKEN.findall(stem) for stem in stems]
    n_last = min(map(len, parts)) - 1
    if n_last < 1 or not all(tokens[-1].isdigit() for tokens in parts):
        return None
    last = _joined([tokens[-n_last:] for tokens in parts], f"{_SEPARATOR}+")
    words = rf"(?P<field0>[^/]*{_NO_SEPARATOR})"
    return rf"{_SEPARATOR}*{words}{_SEPARATOR}+{last}{_SEPARATOR}*"


def _beginning_alike(stems: Sequence[str]) -> str | None:
    parts = [_TOKEN.findall(stem) for stem in stems]
    n_first = min(map(len, parts))
    if n_first < 1 or max(map(len, parts)) < 2:
        return None
    first = _joined([tokens[:n_first] for tokens in parts], f"{_SEPARATOR}+")
    return rf"{_SEPARATOR}*{first}(?:{_SEPARATOR}[^/]*)?"


def _by_runs(stems: Sequence[str]) -> str | None:
    """Names without separators: runs of letters, digits, capital and small letters."""
    for runs in _RUNS:
        parts = [re.findall(runs, stem) for stem in stems]
        if len({len(tokens) for tokens in parts}) == 1 and len(parts[0]) > 1:
            fields = [_run(values) for values in zip(*parts, strict=True)]
            return rf"{_SEPARATOR}*" + rf"{_SEPARATOR}*".join(fields) + rf"{_SEPARATOR}*"
    return None


def _run(values: Sequence[str]) -> str:
    """Pattern of a run; a few letters that vary one by one are parts of their own."""
    if values[0].isdigit():
        return r"(?P<field0>\d+)"
    n_letters = {len(value) for value in values}
    if max(n_letters) == 1:
        return r"(?P<field0>[^\W\d_])"
    letters = [len(set(column)) for column in zip(*values, strict=False)]
    each = len(n_letters) == 1 and max(n_letters) <= _LONGEST_LETTERS and min(letters) > 1
    if each and len(set(values)) == math.prod(letters):
        return r"(?P<field0>[^\W\d_])" * len(letters)
    kinds = ("[A-Z]+", "[a-z]+", "[A-Z][a-z]+")
    alike = (kind for kind in kinds if all(re.fullmatch(kind, value) for value in values))
    return f"(?P<field0>{next(alike, _LETTERS)})"


def _words_then_number(stems: Sequence[str]) -> str | None:
    """Names such as `Barnowl`, `Barnowl 1` and `cat (12)`."""
    pattern = rf"(?P<field0>[^/]*?[^/\d_\-. ()\[\]]){_SEPARATOR}*(?P<field0>\d*){_SEPARATOR}*"
    return pattern if any(re.search(r"\d\W*\Z", stem) for stem in stems) else None


_READINGS: tuple[Callable[[Sequence[str]], str | None], ...] = (
    *(_cut_from_file, _by_separators, _by_one_separator, _ending_alike, _by_runs),
    *(_beginning_alike, _words_then_number),
)


def fields_of(pattern: str) -> Iterator[str]:
    """Names of the fields of a pattern, in order."""
    return iter(_FIELD.findall(pattern))
