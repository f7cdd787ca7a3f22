"""Registered pipelines, in the order in which they build on each other."""

from functools import cache

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
from disentangled_audio.runs.folds import FoldPipelines

# What is measured of a fold's codes.
MEASURED = ("leakage_matrix", "swaps", "disentanglement", "factor_predictions")


def register_pipelines() -> dict[str, Pipeline]:
    """Name every pipeline; `__default__` is all that make one fold's result.

    `cross_validation` brings what its folds read, so that it runs by itself. `folds` trains and
    measures the wanted folds alone, from features that are there: jobs of it, each with folds of
    its own (`--params=cross_validation.folds=theo`), run side by side, and `cross_validation`
    then finds their results.
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
    confidence = Pipeline(reporting.confidence_nodes("cv_"))
    folds = cross_validation.create_pipeline(shared=fold_pipelines().shared) + confidence
    whole = (default + folds).to_outputs(*folds.all_outputs())
    return {
        **pipelines,
        "cross_validation": whole,
        "folds": folds.to_outputs("fold_runs"),
        "disentanglement": disentanglement.create_pipeline(),
        "inference": inference.create_pipeline(),
        "__default__": default,
    }


@cache
def fold_pipelines() -> FoldPipelines:
    """What depends on the split, from the parts of a whole run."""
    parts = (
        *(ingestion, feature_engineering, representation_learning, svm_classification),
        disentanglement,
    )
    whole = sum((part.create_pipeline() for part in parts), start=Pipeline([]))
    whole = whole.from_nodes("split_recordings")
    training = whole.to_outputs("predictions")
    return FoldPipelines(training, whole.to_outputs(*MEASURED) - training)
