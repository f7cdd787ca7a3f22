"""Classify audio recordings from disentangled representations."""

import os

__version__ = "0.2.0"

# TensorFlow reads these once, when it is imported: oneDNN changes results between
# machines, and without the log level every run starts with a page of notices.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
