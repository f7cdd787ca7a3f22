"""Parameters of the pipeline `inference`."""

from typing import Literal

from pydantic import Field

from disentangled_audio.parameters.base import Parameters, Texts


class InferenceParameters(Parameters):
    """Which recordings to classify, and with which models."""

    recordings: Texts = []
    """Files, folders, glob patterns or zip archives to classify."""
    rows: Literal["segments", "windows", "whole"] = "segments"
    """Rows of a recording that is longer than the training clips: one per `segments` (neighbouring
    windows of the same class), per window, or for the `whole` recording."""
    window_s: float | None = Field(default=None, gt=0)
    """Length of the windows in seconds; null, and the most, is that of the training clips."""
    hop_s: float | None = Field(default=None, gt=0)
    """Time in seconds from the start of a window to the next; null uses half of a window."""
    kind: str | None = None
    """Kind (such as `rir`) of all recordings that are not in the corpus; null uses the kind in a
    recording's name, or that of the corpus."""
    model_version: str | None = None
    """Version of the run that trained the models, as in `run_manifest`; null uses the newest one
    of the corpus and protocol."""
