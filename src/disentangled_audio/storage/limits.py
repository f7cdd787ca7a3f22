"""Limits for untrusted files, checked before any memory is allocated."""

import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from disentangled_audio.errors import UserError

# The description of a model with ten thousand classes takes 3 MB. Parsed, JSON takes up to sixty
# times its size.
MAX_JSON_BYTES = 2**24
# Models of this project nest about fifteen deep.
MAX_JSON_DEPTH = 100


def refused(path: Any, what: str) -> UserError:
    """Make the error for a file that this project did not write."""
    return UserError(f"{path} {what}. It was not written by this project; delete this version.")


def not_loaded(path: Any, error: Exception) -> UserError:
    """Make the error for a file that passed the checks and still cannot be loaded."""
    return UserError(
        f"{path} cannot be loaded ({type(error).__name__}: {error}). It is damaged, or comes from "
        "another version of the project; delete this version."
    )


def stored_members(archive: ZipFile, n_bytes: int, path: Any) -> dict[str, int]:
    """Give the size in bytes of each member, all of which must be stored uncompressed.

    This project compresses neither `.skops` nor `.keras`, so the members together are no larger
    than the `n_bytes` of the file. A file that grows when it is read is therefore refused.

    Raises
    ------
    UserError
        If a member is compressed, encrypted or duplicated, or they exceed the file's size.
    """
    members = archive.infolist()
    sizes = {member.filename: member.file_size for member in members}
    if len(sizes) < len(members):
        name, _ = Counter(member.filename for member in members).most_common(1)[0]
        raise refused(path, f"has two members of the same name, {name!r}")
    for member in members:
        if member.compress_type != ZIP_STORED or member.flag_bits & 1:
            raise refused(path, f"has the compressed or encrypted member {member.filename!r}")
    if sum(sizes.values()) > n_bytes:
        raise refused(path, f"claims to hold more than its {n_bytes:,} bytes")
    return sizes


def opened_zip(file: Any, path: Any) -> ZipFile:
    """Open a zip archive, or raise an error that names the file."""
    try:
        return ZipFile(file)
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged: {error}. Delete it, or get it again.") from error


def json_member(archive: ZipFile, name: str, path: Any) -> Any:
    """Read a JSON member, and refuse one that is too large or nested too deeply."""
    if name not in archive.namelist():
        raise refused(path, f"has no member {name!r}")
    size = archive.getinfo(name).file_size
    if size > MAX_JSON_BYTES:
        raise refused(path, f"has {size:,} bytes of {name!r}; {MAX_JSON_BYTES:,} are allowed")
    try:
        content = json.loads(archive.read(name))
    except (ValueError, RecursionError, BadZipFile, EOFError, NotImplementedError) as error:
        raise refused(path, f"has a member {name!r} that cannot be read ({error})") from error
    for _ in json_mappings(content, path):
        pass
    return content


def json_mappings(content: Any, path: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in JSON values, the outermost first, without recursion.

    Raises
    ------
    UserError
        If the values nest deeper than `MAX_JSON_DEPTH`.
    """
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_JSON_DEPTH:
            raise refused(path, f"nests more than {MAX_JSON_DEPTH} levels deep")
        if isinstance(value, dict):
            yield value
            waiting.extend((part, depth + 1) for part in value.values())
        elif isinstance(value, list):
            waiting.extend((part, depth + 1) for part in value)


def check_npy(content: bytes, path: Any, name: str) -> None:
    """Refuse an `.npy` member whose header does not describe exactly the numbers that follow.

    NumPy allocates what the header claims before it reads.
    """
    from numpy.lib import format as npy

    stream = io.BytesIO(content)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        shape, _, dtype = read_header[npy.read_magic(stream)](stream)
    except Exception as error:
        # NumPy parses the header as Python literals, which can fail in many ways.
        raise refused(path, f"has an unreadable array {name!r} ({error})") from error
    if dtype.kind not in "biuf":
        raise refused(path, f"has an array {name!r} of {dtype}, which is not numeric")
    n_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or stream.tell() + n_bytes != len(content):
        raise refused(path, f"has an array {name!r} whose shape {shape} does not fit its size")
