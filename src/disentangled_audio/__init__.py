"""Classify audio recordings from disentangled representations.

`Classifier` is imported on first use, so that importing the package is fast.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from disentangled_audio.models.classifier import Classifier

__version__ = "0.2.0"
__all__ = ["Classifier", "__version__"]

# TensorFlow reads these when it is imported: oneDNN changes results between machines, and without
# the log level every run starts with a page of notices.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name == "Classifier":
        from disentangled_audio.models.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
