"""What is tracked in MLflow with kedro-mlflow: parameters, losses, scores, figures and models.

`runs.tracking` imports it if conf has an `mlflow.yml`; the extra `tracking` may be missing.
"""

import logging
from typing import Any

import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from mlflow.entities import Metric
from pydantic import BaseModel

from disentangled_audio.datasets.keras_dataset import KerasDataset
from disentangled_audio.datasets.matplotlib_dataset import MatplotlibDataset
from disentangled_audio.datasets.skops_dataset import SkopsDataset
from disentangled_audio.runs.catalog import is_on_disk, load_path
from disentangled_audio.storage.dotted import dotted

logger = logging.getLogger(__name__)

# Folder in the MLflow run for files of each kind of dataset.
ARTIFACTS = {MatplotlibDataset: "plots", KerasDataset: "models", SkopsDataset: "models"}
HISTORY = "training_history"
SCORES = ("metrics", "cv_metrics")
# MLflow accepts so many metrics in one call.
MAX_BATCH = 1000


class RunTracking(MlflowHook):
    """Extend kedro-mlflow's hook, which logs only parameters, to results of a run."""

    def __init__(self) -> None:
        super().__init__()
        self._catalog: CatalogProtocol | None = None

    # Last, so that a run refused by the checks leaves nothing in MLflow.
    @hook_impl(trylast=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Start an MLflow run."""
        super().before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        self._catalog = catalog
        # Parameters are nested, and some lists exceed MLflow's longest value.
        self.flatten = True
        if self.long_params_strategy == "fail":
            self.long_params_strategy = "truncate"

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool
    ) -> None:
        """Log the parameters that a node reads; `parameters` would repeat them all."""
        if node.namespace:
            # Folds have the same parameters except for the protocol.
            return
        asked = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in inputs.items()
            if name.startswith("params:")
        }
        super().before_node_run(node=node, catalog=catalog, inputs=asked, is_async=is_async)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log losses by epoch, scores, and files of figures and models."""
        if not self._is_mlflow_enabled or self._catalog is None:
            return
        if dataset_name == HISTORY:
            self._log(_losses(data))
        elif dataset_name in SCORES:
            self._log(_scores(data, dataset_name))
        self._keep_file(dataset_name)

    def _log(self, metrics: list[Metric]) -> None:
        client = self.mlflow_config.server._mlflow_client
        for start in range(0, len(metrics), MAX_BATCH):
            client.log_batch(self.run_id, metrics=metrics[start : start + MAX_BATCH])

    def _keep_file(self, name: str) -> None:
        if "." in name:
            # A dataset of a fold; MLflow would keep the models of every fold.
            return
        dataset = self._catalog.get(name)
        folder = next((place for kind, place in ARTIFACTS.items() if isinstance(dataset, kind)), "")
        if not folder:
            return
        if not is_on_disk(dataset):
            logger.info("%s is in a remote store; it is not copied to MLflow", name)
            return
        client = self.mlflow_config.server._mlflow_client
        client.log_artifact(self.run_id, load_path(dataset), folder)


def _losses(history: pd.DataFrame) -> list[Metric]:
    """One metric per column and epoch, such as `training_history.loss`."""
    numbers = history.drop(columns="epoch", errors="ignore").select_dtypes("number")
    return [
        Metric(f"{HISTORY}.{column}", float(value), 0, step)
        for column in numbers
        for step, value in enumerate(numbers[column])
        if pd.notna(value)
    ]


def _scores(scores: dict[str, Any], name: str) -> list[Metric]:
    """Scores by dotted name, without those by class or kind and without intervals."""
    named = dotted({part: scores.get(part, {}) for part in ("models", "controls")})
    return [
        Metric(f"{name}.{key}", float(value), 0, 0)
        for key, value in named.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        if not {"per_class", "per_kind"} & set(key.split("."))
    ]
