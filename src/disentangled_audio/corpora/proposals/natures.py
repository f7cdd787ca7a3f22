"""What a column is, from its values and, in a table, from its name."""

import re
from collections.abc import Collection, Sequence

UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CLOCK = r"(?:[01]\d|2[0-3])[-_.h]?[0-5]\d[-_.m]?[0-5]\d"
DATE = (
    r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
    rf"(?:T?{_CLOCK}Z?)?"
)
VERSION = r"\d{1,2}(?:\.\d{1,3}){1,2}"
# Endings of recordings inside a name, as of what they were cut from.
CLIP = r"(?:wav|mp3|m4a|mp4|ogg|oga|opus|flac|aac|aiff?|wma|webm|3gp|caf)"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RECORDER, DAY, TIME, RELEASE, SEX, AGE = "recorder", "date", "time", "version", "sex", "age"
PART, FOLD, TAKE, SOURCE, LABEL = "part", "published_fold", "take", "source", "label"

PARTS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
)
TEST_PARTS = frozenset({"test", "testing", "eval"})
TRAINING_PARTS = frozenset({"train", "training"})
_SEXES = frozenset({"m", "f", "male", "female", "man", "woman", "boy", "girl"})
_AGES = re.compile(r"(?:child|teen|adult|young|old|elderly|senior|kid|infant|\w+ties|\d0s)s?")
_FOLDS = frozenset({"fold", "split", "cv", "partition"})
_GROUPS = _words(
    "speaker spk spkr subject subj sub actor person people user participant patient singer "
    "player musician animal individual author client recordist site station location loc "
    "place room recorder device mic microphone phone session sess ses source src recording "
    "day night house home family"
)
_TAKES = _words(
    "take rep repetition trial utt utterance seg segment slice clip cut chunk no nr num "
    "number occurrence idx index"
)
_CLASSES = _words(
    "label labels class category species event emotion word digit instrument genre command "
    "sound keyword diagnosis disease target"
)
_PREFIXED = re.compile(r"([A-Za-z]{2,}?)[ _-]?(?:\d+|[A-Za-z])")
_SECONDS_SINCE_1970 = re.compile(r"1[0-9]{9}(?:[0-9]{3})?")


def nature(values: Collection[str], before: str = "") -> str:
    """Name what all values are, such as `sex`; empty if they do not tell.

    Parameters
    ----------
    values : collection of str
        Different values of a column.
    before : str
        Nature of the part before, since an age follows a sex.
    """
    lower = [value.lower() for value in values]
    if set(lower) <= PARTS and len(lower) > 1:
        return PART
    if set(lower) <= _SEXES and len(lower) > 1:
        return SEX
    for pattern, name in _WRITTEN.items():
        if all(re.fullmatch(pattern, value) for value in values):
            is_day = name == DAY and max(map(len, values)) <= len("2000-01-01")
            return name if name != DAY or is_day else TIME
    if all(map(_AGES.fullmatch, lower)) or (before == SEX and all(map(_is_age, values))):
        return AGE
    return _prefix(lower)


_WRITTEN = {
    UUID: RECORDER,
    _SECONDS_SINCE_1970.pattern: TIME,
    DATE: DAY,
    VERSION: RELEASE,
}


def nature_of_header(header: str, values: Collection[str]) -> str:
    """Name what a column of a table is, from its name; empty if that does not tell."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", header)
    words = [word.lower() for word in words]
    if not words:
        return ""
    if set(map(str.lower, values)) <= PARTS and len(values) > 1:
        return PART
    if "fold" in words:
        return FOLD
    kinds = ((_CLASSES, LABEL), (_GROUPS, SOURCE), (_TAKES, TAKE), ({SEX, "gender"}, SEX))
    found = (name for known, name in kinds if known.intersection(words))
    if {"age"} & set(words):
        return AGE
    return next(found, SOURCE if words[-1] == "id" else "")


def is_group(name: str) -> bool:
    """Whether recordings of one such thing resemble each other, such as those of a speaker."""
    return name in _GROUPS or name in {RECORDER, SOURCE}


def is_take(name: str) -> bool:
    """Whether such a column only counts."""
    return name in _TAKES or name == TAKE


def _is_age(value: str) -> bool:
    return value.isdigit() and int(value) <= 120


def _prefix(values: Sequence[str]) -> str:
    """Word that begins all values, such as `speaker03`, if it is known."""
    matches = [_PREFIXED.fullmatch(value) for value in values]
    words = {match[1] for match in matches if match}
    if len(words) != 1 or not all(matches):
        return ""
    word = words.pop()
    if word in _FOLDS:
        return FOLD
    return word if word in _GROUPS | _TAKES else ""
