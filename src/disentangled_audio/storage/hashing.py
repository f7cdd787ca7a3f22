"""What stored results depend on, as hashes: values, files, and the code that computes them."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

_LIBRARIES = ("numpy", "scipy", "soundfile", "soxr")
# Source files, below the package, that decide what a stage of the work computes. A file that is
# added to a stage belongs here, and nowhere else.
_CLIPS = ("signal/*.py", "corpora/reading/*.py")
_SOURCES = {
    "clips": _CLIPS,
    "features": (
        *_CLIPS,
        *("models/views.py", "models/windows.py", "models/mel_features.py"),
        *("models/feature_values.py", "models/arrays.py"),
        *("pipelines/feature_engineering/nodes.py", "pipelines/audit/nodes.py"),
    ),
    "training": (
        *("models/training.py", "models/disentangler.py", "models/layers.py"),
        *("models/factor_targets.py", "models/independence.py"),
    ),
}


def short_hash(content: Any) -> str:
    """Part of the SHA-256 of anything that JSON can hold; tells what a folder was made from."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_hash(path: PurePath | str, algorithm: str = "sha256", fs: Any = None) -> str:
    """Hash of a file's bytes, hexadecimal; on the local disk, or on fsspec's file system `fs`."""
    with open(path, "rb") if fs is None else fs.open(str(path), "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@cache
def code_hash(stage: str) -> str:
    """What a result depends on beside its inputs: the code of its stage and the libraries'.

    Parameters
    ----------
    stage : {"clips", "features", "training"}
    """
    package = Path(__file__).parents[1]
    files = sorted({path for pattern in _SOURCES[stage] for path in package.glob(pattern)})
    code = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return short_hash([code, [version(name) for name in _LIBRARIES]])
