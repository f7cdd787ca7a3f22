"""Registered pipelines, in the order in which they build on each other."""

from kedro.pipeline import Pipeline

from disentangled_audio.pipelines.audit import pipeline as audit
from disentangled_audio.pipelines.cross_validation import pipeline as cross_validation
from disentangled_audio.pipelines.disentanglement import pipeline as disentanglement
from disentangled_audio.pipelines.feature_engineering import pipeline as feature_engineering
from disentangled_audio.pipelines.inference import pipeline as inference
from disentangled_audio.pipelines.ingestion import pipeline as ingestion
from disentangled_audio.pipelines.reporting import pipeline as reporting
from disentangled_audio.pipelines.representation_learning import pipeline as representation_learning
from disentangled_audio.pipelines.svm_classification import pipeline as svm_classification


def register_pipelines() -> dict[str, Pipeline]:
    """Name every pipeline; `__default__` is all that make one fold's result.

    `cross_validation` brings what its folds read, so that it runs by itself.
    """
    pipelines = {
        "ingestion": ingestion.create_pipeline(),
        "feature_engineering": feature_engineering.create_pipeline(),
        "representation_learning": representation_learning.create_pipeline(),
        "svm_classification": svm_classification.create_pipeline(),
        "audit": audit.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    default = sum(pipelines.values(), start=Pipeline([]))
    folds = cross_validation.create_pipeline()
    whole = (default + folds).to_outputs(*folds.all_outputs())
    return {
        **pipelines,
        "cross_validation": whole,
        "disentanglement": disentanglement.create_pipeline(),
        "inference": inference.create_pipeline(),
        "__default__": default,
    }
