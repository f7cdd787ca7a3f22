"""Hashes of what stored results depend on: values, files, and the code that computes them."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

_LIBRARIES = ("numpy", "scipy", "soundfile", "soxr")
# Source files, relative to the package, that decide what a stage computes. A test holds that each
# stage lists every file of `signal` that its other files import.
_CLIPS = (
    *("signal/clip.py", "signal/shortcuts.py", "corpora/reading/chunk.py"),
    *("corpora/reading/decode.py", "corpora/reading/ingest.py", "corpora/reading/items.py"),
    *("corpora/reading/audio.py", "corpora/reading/containers.py", "corpora/reading/content.py"),
    *("corpora/reading/counted.py", "corpora/reading/ffmpeg.py", "corpora/reading/joined.py"),
    *("corpora/reading/mpeg.py", "corpora/reading/ogg.py"),
    *("corpora/reading/parts.py", "corpora/reading/sound.py"),
)
_SOURCES = {
    "clips": _CLIPS,
    "features": (
        *_CLIPS,
        *("signal/acoustics.py", "signal/augment.py", "signal/band_decay.py"),
        *("signal/band_filters.py", "signal/blocks.py", "signal/decay.py"),
        *("signal/fourier.py", "signal/mel.py", "signal/pitch.py"),
        *("models/views.py", "models/windows.py", "models/mel_features.py"),
        *("models/feature_values.py", "models/arrays.py"),
        *("models/streaming_pca.py", "models/tables.py", "pipelines/feature_engineering/nodes.py"),
    ),
    # What the search for copies and overlapping cuts stores of each clip.
    "shared_sound": (
        *("corpora/shared_sound.py", "signal/agreement.py", "signal/blocks.py"),
        *("signal/fourier.py", "signal/landmarks.py"),
    ),
    "training": (
        *("models/training.py", "models/batches.py", "models/losses.py", "models/resuming.py"),
        *("models/disentangler.py", "models/layers.py", "models/augmentation.py"),
        *("models/factor_targets.py", "models/independence.py", "models/encoding.py"),
        *("models/checkpoint.py", "models/views.py", "pipelines/representation_learning/nodes.py"),
    ),
    # What turns features and a trained network into the predictions of a fold.
    "classifiers": (
        *("models/bank.py", "models/svm.py", "models/svm_search.py", "models/intercepts.py"),
        *("models/absent.py", "models/calibration.py", "models/fusion.py"),
        *("models/tables.py", "models/decay_features.py"),
        *("evaluation/scores/pooling.py", "evaluation/scores/recall.py"),
        "pipelines/svm_classification/nodes.py",
    ),
    # What pretrained weights make of the clips.
    "embedding": (
        *(
            "models/embedding.py",
            "models/embedding_features.py",
            "signal/clip.py",
            "signal/fourier.py",
            "signal/blocks.py",
        ),
        "signal/mel.py",
    ),
    # What only controls of the audit see of the clips.
    "audit": (
        *("signal/clip.py", "signal/quiet_parts.py", "signal/shortcuts.py"),
        *("models/quiet_values.py", "models/shortcut_values.py"),
    ),
    # What is measured of the codes of a fold.
    "measurement": (
        *("evaluation/representation/*.py", "evaluation/scores/intervals.py"),
        *("models/decoding.py", "pipelines/disentanglement/nodes.py"),
    ),
}


def short_hash(content: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a value, written as JSON."""
    text = json.dumps(content, sort_keys=True, default=str)
    return bytes_hash([text.encode()])[:16]


def bytes_hash(parts: Iterable[bytes | memoryview]) -> str:
    """Hexadecimal SHA-256 of parts, one after the other."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def file_hash(path: PurePath | str, algorithm: str = "sha256", fs: Any = None) -> str:
    """Hexadecimal hash of a file on the local disk, or on the fsspec file system `fs`."""
    with open(path, "rb") if fs is None else fs.open(str(path), "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def hash_of(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file as `algorithm:hexadecimal`, computed only once for an unchanged file."""
    status = path.stat()
    return _hash_of_version(path, algorithm, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash_of_version(path: Path, algorithm: str, n_bytes: int, modified_ns: int) -> str:
    return f"{algorithm}:{file_hash(path, algorithm)}"


@cache
def code_hash(stage: str) -> str:
    """Hash of a stage's source files and of the versions of the libraries that they use.

    `stage` is a key of `_SOURCES`, such as "clips".
    """
    package = Path(__file__).parents[1]
    files = sorted({path for pattern in _SOURCES[stage] for path in package.glob(pattern)})
    code = bytes_hash(path.read_bytes() for path in files)
    return short_hash([code, [version(name) for name in _LIBRARIES]])
