"""Hooks: checks before a run, its log, manifest and closing table.

The hooks save two catalog entries whose content no node knows: `run_facts`, which describes the run
in progress and which nodes read like any input, and `run_manifest`, saved after the run, which
tells how its results were made.
"""

import logging
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from disentangled_audio.runs.catalog import hooks_of, load_path
from disentangled_audio.storage.locks import RunLock

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)

FACTS = "run_facts"


class ProjectHooks:
    """Hooks around a run; they hold its lock, its facts, and the clocks of its steps."""

    def __init__(self) -> None:
        self._project_path = Path.cwd()
        self._steps: dict[str, tuple[float, AbstractContextManager[None]]] = {}
        self._n_steps = self._n_done = 0
        self._is_inference = False
        self._facts: dict[str, Any] = {}
        self._of_predictions: dict[str, Any] = {}
        self._lock: RunLock | None = None
        self._hook_manager: Any = None
        self._entries: Any = None

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember the project's folder, and the hooks that are called for nodes of folds."""
        self._project_path = Path(context.project_path)
        self._hook_manager = hooks_of(context)

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any], conf_creds: Any) -> None:
        """Remember how to make a catalog with the same entries, for versions of folds."""
        self._entries = partial(DataCatalog.from_config, conf_catalog, conf_creds)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Check parameters and datasets against each other; lock the outputs."""
        from disentangled_audio.runs.checks import check_places, check_run, run_lock
        from disentangled_audio.runs.inference_models import is_inference, prepare_inference
        from disentangled_audio.runs.manifest import manifest_of_predictions, run_facts, trains_all

        # No hook is called at the end of an interrupted run, for example in a notebook.
        self._end_steps()
        self._release_lock()
        load_versions = run_params.get("load_versions") or {}
        check_places(self._project_path, load_versions, pipeline, catalog)
        self._is_inference = is_inference(pipeline)
        if self._is_inference:
            prepare_inference(self._project_path, pipeline, catalog)
            return
        check_run(run_params, pipeline, catalog)
        _check_models(catalog)
        embedder = _checked_weights(pipeline, catalog)
        self._n_steps, self._n_done = len(pipeline.nodes), 0
        self._facts = run_facts(
            run_params,
            self._project_path,
            catalog.load("parameters"),
            None if embedder is None else embedder.facts,
        )
        self._of_predictions = {
            "can_classify": trains_all(pipeline),
            "predictions_by": manifest_of_predictions(pipeline, catalog),
        }
        self._save_facts(catalog)
        self._lock = run_lock(pipeline, catalog)
        if self._lock is not None:
            self._lock.acquire()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Release the lock of this corpus and protocol."""
        self._end_steps()
        self._release_lock()

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the clock and the progress bar of a node."""
        if self._is_inference:
            return
        from disentangled_audio.storage.progress import step_progress

        bar = step_progress(node.name)
        bar.__enter__()
        self._steps[node.name] = time.perf_counter(), bar

    @hook_impl
    def after_node_run(self, node: Node, catalog: DataCatalog, outputs: dict[str, Any]) -> None:
        """Stop the clock of a node and log it; run folds once they are planned."""
        if self._is_inference:
            return
        from disentangled_audio.report.terminal import step_line

        started, bar = self._steps.pop(node.name)
        bar.__exit__(None, None, None)
        seconds = self._facts["seconds"]
        seconds[node.name] = round(time.perf_counter() - started, 3)
        if node.namespace:
            # A node of a fold is no step of the run itself.
            _logger.info("%s", step_line(None, self._n_steps, node.name, seconds[node.name]))
            return
        self._save_facts(catalog)
        self._n_done += 1
        _logger.info("%s", step_line(self._n_done, self._n_steps, node.name, seconds[node.name]))
        if "fold_plan" in outputs:
            self._run_folds(catalog, outputs["fold_plan"])

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Log the failed step; the command then shows the reason."""
        _logger.error("%s failed", node.name)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Save the manifest, and print scores if the run made any."""
        if self._is_inference:
            # Inference leaves no manifest: that of the models tells how they were made.
            _logger.info("Predictions: %s", load_path(catalog["inference_predictions_csv"]))
            return
        from disentangled_audio.runs.manifest import manifest

        try:
            catalog["run_manifest"].save(manifest(self._facts, pipeline, catalog))
        finally:
            self._release_lock()
        _print_result(pipeline.all_outputs(), catalog)

    def _save_facts(self, catalog: DataCatalog) -> None:
        """Save what is known so far, for nodes that read it."""
        catalog[FACTS].save({**self._facts, **self._of_predictions})

    def _end_steps(self) -> None:
        """Remove the bars of unfinished steps."""
        while self._steps:
            _, (_, bar) = self._steps.popitem()
            bar.__exit__(None, None, None)

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def _run_folds(self, catalog: DataCatalog, plan: "pd.DataFrame") -> None:
        from disentangled_audio.pipeline_registry import fold_pipelines
        from disentangled_audio.runs.folds import FoldRuns

        FoldRuns(
            fold_pipelines(),
            self._project_path,
            catalog,
            self._entries,
            self._hook_manager,
            self._facts,
        ).run(plan)


def _check_models(catalog: DataCatalog) -> None:
    """Check parameters against the code of the models."""
    from disentangled_audio.models.bank import check_members
    from disentangled_audio.models.views import check_views
    from disentangled_audio.parameters import (
        Corpus,
        DisentanglerParameters,
        HybridParameters,
        ViewParameters,
    )

    check_members(HybridParameters.model_validate(catalog.load("params:hybrid")).members)
    check_views(
        ViewParameters.model_validate(catalog.load("params:views")),
        DisentanglerParameters.model_validate(catalog.load("params:disentangler")),
        Corpus.model_validate(catalog.load("params:corpus")),
    )


def _checked_weights(pipeline: Pipeline, catalog: DataCatalog) -> Any:
    """Read and try the pretrained weights; refuse saved features that others made."""
    from disentangled_audio.errors import UserError
    from disentangled_audio.models.embedding import embedder_of
    from disentangled_audio.models.embedding_features import MADE_WITH
    from disentangled_audio.parameters import PretrainedParameters

    asked = PretrainedParameters.model_validate(catalog.load("params:pretrained"))
    embedder = embedder_of(asked)
    if embedder is not None:
        embedder.check()
    if "embedding_features" in pipeline.inputs():
        made_with = catalog.load("embedding_features").attrs.get(MADE_WITH)
        if made_with != (embedder and embedder.made_with):
            raise UserError(
                "the saved 'embedding_features' were made with other 'pretrained' weights than "
                "this run's. Give the same --params again, or run kedro run "
                "--pipelines=feature_engineering first"
            )
    return embedder


def _print_result(outputs: set[str], catalog: DataCatalog) -> None:
    """Print the closing tables of a run that made scores."""
    from disentangled_audio.report.terminal import print_folds, print_summary

    if {"metrics", "report"} <= outputs:
        print_summary(
            catalog.load("metrics"),
            len(catalog.load("rejected_recordings")),
            Path(load_path(catalog["report"])),
        )
    if "cv_metrics" in outputs:
        print_folds(catalog.load("cv_metrics"), Path(load_path(catalog["cv_metrics"])))
