"""What stored results depend on, as names of their folders and files."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

_LIBRARIES = ("numpy", "scipy", "soundfile", "soxr")


def short_hash(content: Any) -> str:
    """Part of the SHA-256 of anything that JSON can hold; tells what a folder was made from."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@cache
def code_hash() -> str:
    """What a result depends on beside its inputs: this package's code and the libraries'."""
    package = Path(__file__).parent
    files = sorted(package.rglob("*.py"))
    code = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return short_hash([code, [version(name) for name in _LIBRARIES]])
