"""Each run in MLflow, by kedro-mlflow: parameters, losses by epoch, scores, figures, models.

Imported only where an `mlflow.yml` asks for it, so the extra `tracking` need not be installed.
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

# Kinds of datasets whose files are kept with the run, and in which folder of it.
ARTIFACTS = {MatplotlibDataset: "plots", KerasDataset: "models", SkopsDataset: "models"}
HISTORY = "training_history"
SCORES = ("metrics", "cv_metrics")
# What MLflow takes in one call.
MAX_BATCH = 1000


class RunTracking(MlflowHook):
    """kedro-mlflow's hook, which knows parameters alone, and what else a run makes."""

    def __init__(self) -> None:
        super().__init__()
        self._catalog: CatalogProtocol | None = None

    # Last, so that what the checks before a run refuse leaves no run in MLflow.
    @hook_impl(trylast=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Start a run of MLflow."""
        super().before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        self._catalog = catalog
        # Parameters are nested, and some lists are longer than MLflow's longest value.
        self.flatten = True
        if self.long_params_strategy == "fail":
            self.long_params_strategy = "truncate"

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool
    ) -> None:
        """Log the node's parameters by their names in YAML; `parameters` would repeat them all."""
        asked = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in inputs.items()
            if name.startswith("params:")
        }
        super().before_node_run(node=node, catalog=catalog, inputs=asked, is_async=is_async)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log the losses of every epoch, scores, and the files of figures and models."""
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
        dataset = self._catalog.get(name)
        folder = next((place for kind, place in ARTIFACTS.items() if isinstance(dataset, kind)), "")
        if not folder:
            return
        if not is_on_disk(dataset):
            logger.info("%s lies in a store; it is not copied to MLflow", name)
            return
        client = self.mlflow_config.server._mlflow_client
        client.log_artifact(self.run_id, load_path(dataset), folder)


def _losses(history: pd.DataFrame) -> list[Metric]:
    """A metric per column and epoch, as `training.reconstruction`."""
    numbers = history.drop(columns="epoch", errors="ignore").select_dtypes("number")
    return [
        Metric(f"{HISTORY}.{column}", float(value), 0, step)
        for column in numbers
        for step, value in enumerate(numbers[column])
        if pd.notna(value)
    ]


def _scores(scores: dict[str, Any], name: str) -> list[Metric]:
    """Scores by dotted name; those by class or kind, and intervals, are left to the report."""
    named = dotted({part: scores.get(part, {}) for part in ("models", "controls")})
    return [
        Metric(f"{name}.{key}", float(value), 0, 0)
        for key, value in named.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        if not {"per_class", "per_kind"} & set(key.split("."))
    ]
