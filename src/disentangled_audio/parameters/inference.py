"""Parameters of the pipeline `inference`."""

from disentangled_audio.parameters.base import Parameters, Texts


class InferenceParameters(Parameters):
    """What is classified, with which trained models."""

    recordings: Texts = []
    """Files, folders, glob patterns or zip archives."""
    kind: str | None = None
    """Kind (such as `rir`) of all recordings that the corpus does not have, whatever their names;
    null takes the kind from the name, or the corpus's own."""
    model_version: str | None = None
    """Version of the run that trained the models, as `run_manifest` names it; null takes the
    newest of the corpus and protocol."""
