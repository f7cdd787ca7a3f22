"""Checks before a run, its log, the manifest and the closing table after it; tracking, if wanted.

A hook saves two entries of the catalog, because no node knows what they hold: `run_facts`, what is
known of the run in progress, which nodes read as an ordinary input, and `run_manifest`, which says
after the run how its results came about.
"""

import logging
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from disentangled_audio.errors import UserError
from disentangled_audio.runs.catalog import load_path, local_folder, register_hooks
from disentangled_audio.storage.locks import RUN_LOCK, RunLock

_logger = logging.getLogger(__name__)

FACTS = "run_facts"


class ProjectHooks:
    """What surrounds a run; holds its lock, its facts, and the clocks of its steps."""

    def __init__(self) -> None:
        self._project_path = Path.cwd()
        self._steps: dict[str, tuple[float, AbstractContextManager[None]]] = {}
        self._n_steps = 0
        self._is_inference = False
        self._facts: dict[str, Any] = {}
        self._of_predictions: dict[str, Any] = {}
        self._lock: RunLock | None = None

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember where the project is, for the git revision."""
        self._project_path = Path(context.project_path)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Check what only several parameters and datasets together can show; lock the outputs."""
        from disentangled_audio.runs.checks import check_places, check_run
        from disentangled_audio.runs.inference_models import is_inference, prepare_inference
        from disentangled_audio.runs.manifest import manifest_of_predictions, run_facts, trains_all

        # An interrupted run of this process (a notebook's, say) has not told any hook of its end.
        self._end_steps()
        self._release_lock()
        load_versions = run_params.get("load_versions") or {}
        check_places(self._project_path, load_versions, pipeline, catalog)
        self._is_inference = is_inference(pipeline)
        if self._is_inference:
            prepare_inference(run_params, pipeline, catalog)
            return
        check_run(run_params, pipeline, catalog)
        _check_models(catalog)
        self._n_steps = len(pipeline.nodes)
        self._facts = run_facts(run_params, self._project_path, catalog.load("parameters"))
        self._of_predictions = {
            "can_classify": trains_all(pipeline),
            "predictions_by": manifest_of_predictions(pipeline, catalog),
        }
        self._hand_over(catalog)
        self._lock = _run_lock(pipeline, catalog)
        if self._lock is not None:
            self._lock.acquire()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Let others run on this corpus and protocol."""
        self._end_steps()
        self._release_lock()

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start a node's clock and its bar."""
        if self._is_inference:
            return
        from disentangled_audio.storage.progress import step_progress

        bar = step_progress(node.name)
        bar.__enter__()
        self._steps[node.name] = time.perf_counter(), bar

    @hook_impl
    def after_node_run(self, node: Node, catalog: DataCatalog) -> None:
        """Stop a node's clock, and tell that it is done."""
        if self._is_inference:
            return
        from disentangled_audio.report.terminal import step_line

        started, bar = self._steps.pop(node.name)
        bar.__exit__(None, None, None)
        seconds = self._facts["seconds"]
        seconds[node.name] = round(time.perf_counter() - started, 3)
        self._hand_over(catalog)
        _logger.info("%s", step_line(len(seconds), self._n_steps, node.name, seconds[node.name]))

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Say which step failed; why is said where the command ends."""
        _logger.error("%s failed", node.name)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Save the manifest, and print the result where there is one."""
        if self._is_inference:
            # No run to go on from: the manifest that it used says how the models were made.
            _logger.info("Predictions: %s", load_path(catalog["inference_predictions_csv"]))
            return
        from disentangled_audio.runs.manifest import manifest

        try:
            catalog["run_manifest"].save(manifest(self._facts, pipeline, catalog))
        finally:
            self._release_lock()
        _print_result(pipeline.all_outputs(), catalog)

    def _hand_over(self, catalog: DataCatalog) -> None:
        """Save what is known so far, for the nodes that ask for it."""
        catalog[FACTS].save({**self._facts, **self._of_predictions})

    def _end_steps(self) -> None:
        """Take away the bars of steps that have not ended."""
        while self._steps:
            _, (_, bar) = self._steps.popitem()
            bar.__exit__(None, None, None)

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._lock = None


class TrackingHooks:
    """Tracks runs by MLflow where an `mlflow.yml` says so; elsewhere does nothing."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Register the hook that tracks, which then hears of all that follows.

        Raises
        ------
        UserError
            If tracking is configured, and kedro-mlflow not installed.
        """
        loader = context.config_loader
        loader.config_patterns.setdefault("mlflow", ["mlflow*", "mlflow*/**", "**/mlflow*"])
        try:
            configured = loader["mlflow"]
        except MissingConfigException:
            return
        # Of the base environment alone, a file that is not there is an empty one to Kedro.
        if not configured:
            return
        try:
            from disentangled_audio.runs.tracking import RunTracking
        except ModuleNotFoundError as error:
            raise UserError(
                f"mlflow.yml asks for tracking, and {error.name} is not installed: "
                "pip install -e '.[tracking]', or remove mlflow.yml from conf"
            ) from error
        tracking = RunTracking()
        register_hooks(context, tracking)
        # It has missed this event itself.
        tracking.after_context_created(context)


def _check_models(catalog: DataCatalog) -> None:
    """Check what only the code of the models knows of parameters."""
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


def _print_result(outputs: set[str], catalog: DataCatalog) -> None:
    """Tables that close a run that scored something."""
    from disentangled_audio.report.terminal import print_folds, print_summary

    if {"metrics", "report"} <= outputs:
        print_summary(
            catalog.load("metrics"),
            len(catalog.load("rejected_recordings")),
            Path(load_path(catalog["report"])),
        )
    if "cv_metrics" in outputs:
        print_folds(catalog.load("cv_metrics"), Path(load_path(catalog["cv_metrics"])))


def _run_lock(pipeline: Pipeline, catalog: DataCatalog) -> RunLock | None:
    """Lock of this corpus and protocol, beside their manifests; None where that is no disk.

    Jobs that only train some of the folds may run beside each other.
    """
    folder = local_folder(catalog["run_manifest"])
    if folder is None:
        return None
    if pipeline.all_outputs() == {"fold_runs"}:
        from disentangled_audio.storage.hashing import short_hash

        # Folds of another seed or other parameters are kept elsewhere.
        own = short_hash(catalog.load("parameters"))
        return RunLock(folder / f"{RUN_LOCK}-{own}", "another run of the same folds")
    purpose = (
        f"another run of corpus '{catalog.load('params:corpus_name')}' with protocol "
        f"'{catalog.load('params:protocol_name')}'"
    )
    return RunLock(folder / RUN_LOCK, purpose)
