"""The rule for names from users that become a part of a path."""

import re
import unicodedata
from typing import Any

from disentangled_audio.errors import UserError

MAX_CHARACTERS = 64
# File names have at most 255 bytes; temporary folders and locks add a prefix or suffix.
MAX_BYTES = 192
RULE = (
    f"a name has 1 to {MAX_CHARACTERS} letters, digits, '_', '-' or '.' (at most {MAX_BYTES} bytes "
    "in UTF-8), begins with a letter, a digit or '_', does not end in '.', and is not a Windows "
    "device name such as CON"
)
# Kedro's format of versions.
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
# Invisible letters and marks, with which two different folders would look the same.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_DEVICE = re.compile(r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]")
_SHOWN = 80


def is_name(name: str) -> bool:
    """Whether a name is valid as one part of a path on every system, without invisible letters."""
    if not 0 < len(name) <= MAX_CHARACTERS or not all(map(_is_allowed, name)):
        return False
    begins_well = name[0].isalnum() or name[0] == "_"
    fits = len(name.encode()) <= MAX_BYTES
    return begins_well and fits and name[-1] != "." and not _is_device(name)


def checked_name(name: Any, origin: str) -> Any:
    """Return the name of a corpus or protocol; raise UserError if it cannot become a folder.

    Parameters
    ----------
    name : str, or another type that YAML made of a name, such as a number
    origin : str
        Where it was read, for the message.

    Returns
    -------
    str or as given
        Text in Unicode's composed form (NFC), so that one name is one folder.
    """
    found = _checked(name, origin)
    if VERSION.fullmatch(str(found)):
        raise UserError(f"{origin}: {shown(name)} looks like the version of a run; choose another")
    return found


def checked_version(version: Any, origin: str) -> Any:
    """Return a version from a user; raise UserError if it breaks the rule for names."""
    return _checked(version, origin)


def is_file_name(name: str) -> bool:
    """Whether a foreign name, such as an archive's, is safe for a file; blanks and signs are."""
    printable = name.isprintable() and name == name.strip()
    fits = len(name) > 0 and printable and len(name.encode()) <= MAX_BYTES
    plain = not re.search(r'[/\\:*?"<>|]', name) and not _is_device(name)
    return fits and plain and name[0] not in ".~-" and name[-1] != "."


def shown(value: Any) -> str:
    """A value for a message: quoted, without control characters, and not too long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _checked(name: Any, origin: str) -> Any:
    text = "" if name is None else unicodedata.normalize("NFC", str(name))
    if not is_name(text):
        raise UserError(f"{origin}: {shown(name)} cannot be used as a name; {RULE}")
    return text if isinstance(name, str) else name


def _is_allowed(character: str) -> bool:
    is_mark = unicodedata.category(character) in ("Mn", "Mc")
    seen = not _UNSEEN.match(character)
    return seen and (character.isalnum() or is_mark or character in "_-.")


def _is_device(name: str) -> bool:
    # Windows ignores everything after the first dot, and reads COM¹ as COM1.
    stem = unicodedata.normalize("NFKC", name.partition(".")[0]).strip()
    return _DEVICE.fullmatch(stem.upper()) is not None
