"""Parameters of the pipeline `inference`."""

from disentangled_audio.parameters.base import Parameters, Texts


class InferenceParameters(Parameters):
    """Which recordings to classify, and with which models."""

    recordings: Texts = []
    """Files, folders, glob patterns or zip archives to classify."""
    kind: str | None = None
    """Kind (such as `rir`) of all recordings that are not in the corpus; null uses the kind in a
    recording's name, or that of the corpus."""
    model_version: str | None = None
    """Version of the run that trained the models, as in `run_manifest`; null uses the newest one
    of the corpus and protocol."""
