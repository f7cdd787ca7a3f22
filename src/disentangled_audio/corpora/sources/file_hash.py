"""Hashes of downloaded files, known from a corpus or recorded at the first download."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from disentangled_audio.errors import UserError


def check_hash(path: Path, known_hash: str | None) -> None:
    """Compare a file with its known hash, or else with the recorded one.

    Raises
    ------
    UserError
        If they differ; names the file, both values and how to proceed.
    """
    expected = known_hash or recorded_hash(path)
    if expected is None:
        return
    found = hash_of(path, expected.partition(":")[0])
    if found != expected:
        raise UserError(
            f"{path} is not the file that is expected: its hash is {found}, expected is "
            f"{expected}.\nDelete it to have it downloaded again. {how_to_accept(path, found)}"
        )


def recorded_hash(path: Path) -> str | None:
    """Hash of the first download, `sha256:…`, if it was recorded beside the file.

    Raises
    ------
    UserError
        If the record holds no such hash.
    """
    record = _record_of(path)
    if not record.is_file():
        return None
    match = re.match(r"[0-9a-f]{64}(?=\s|$)", record.read_text(encoding="utf-8", errors="replace"))
    if match is None:
        raise UserError(f"{record} holds no SHA-256; delete it to trust the next download")
    return f"sha256:{match[0]}"


def hash_of(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file as `algorithm:hexadecimal`; computed once while the file is unchanged.

    Raises
    ------
    UserError
        If the file cannot be read.
    """
    try:
        status = path.stat()
        return _known_hash_of(path, algorithm, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def computed_hash(path: Path, algorithm: str) -> str:
    """Hash of a file as `algorithm:hexadecimal`, read now."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def record_hash(path: Path) -> None:
    """Write a file's SHA-256 beside it."""
    # The format of sha256sum, so that `sha256sum --check` reads it too.
    record = _record_of(path)
    temporary = record.with_name(f".{record.name}")
    hexadecimal = hash_of(path).partition(":")[2]
    temporary.write_text(f"{hexadecimal}  {path.name}\n", encoding="utf-8")
    temporary.replace(record)


def how_to_accept(path: Path, found: str) -> str:
    """What to tell those who trust a file whose hash is another than the expected one."""
    record = _record_of(path)
    recorded = f" and delete {record}" if record.is_file() else ""
    return (
        f"If you trust it, set 'hash: {found}', or 'hash: null' to take any file{recorded}; hash "
        "belongs to the corpus's source, in conf/base/parameters_corpora.yml (for SLR28 it is "
        "_slr28_hash there) or in your corpus file."
    )


@lru_cache(maxsize=256)
def _known_hash_of(path: Path, algorithm: str, n_bytes: int, modified_ns: int) -> str:
    return computed_hash(path, algorithm)


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
