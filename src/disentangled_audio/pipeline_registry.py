"""Registered pipelines; later ones need the results of earlier ones."""

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

# Measurements of a fold's codes.
MEASURED = ("leakage_matrix", "swaps", "disentanglement", "factor_predictions")


def register_pipelines() -> dict[str, Pipeline]:
    """Name every pipeline; `__default__` computes the whole result of one fold.

    `cross_validation` includes everything that its folds need, so it runs by itself. `folds` only
    trains and measures the chosen folds, from saved features: several jobs, each with its own folds
    (`--params=cross_validation.folds=theo`), can run at once, and `cross_validation` then uses
    their results.
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
    whole = (default + folds).to_outputs(*folds.all_outputs()) + folds.only_nodes("check_folds")
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
    """Nodes of a run that depend on the split."""
    learned = (ingestion, feature_engineering, representation_learning)
    learning = sum((part.create_pipeline() for part in learned), start=Pipeline([]))
    classification = svm_classification.create_pipeline()
    measurement = disentanglement.create_pipeline().to_outputs(*MEASURED)
    learning = learning.from_nodes("split_recordings")
    needed = classification.inputs() | measurement.inputs()
    training = learning.to_outputs(*(needed & learning.all_outputs()))
    return FoldPipelines(training, classification, measurement)
