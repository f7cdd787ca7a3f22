"""Checks before a run, the manifest and the closing table after it; tracking, if wanted."""

import logging
import platform
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from disentangled_audio.errors import UserError
from disentangled_audio.runs.versions import package_versions
from disentangled_audio.storage.locks import RUN_LOCK, RunLock
from disentangled_audio.storage.values import flatten

_logger = logging.getLogger(__name__)

PACKAGES = (
    "disentangled-audio",
    "kedro",
    "keras",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "skops",
    "soundfile",
    "soxr",
    "tensorflow",
    "tensorflow-cpu",
    "zarr",
)


class ProjectHooks:
    """What surrounds a run; holds its lock, and the times of the run in progress."""

    def __init__(self) -> None:
        self._project_path = Path.cwd()
        self._started: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._run: dict[str, Any] = {}
        self._trains_all = False
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
        from disentangled_audio.runs.inference_models import (
            is_inference,
            prepare_inference,
            trains_all,
        )

        # An interrupted run of this process (a notebook's, say) has not told any hook of its end.
        self._release_lock()
        self._started.clear()
        self._seconds.clear()
        load_versions = run_params.get("load_versions") or {}
        check_places(self._project_path, load_versions, pipeline, catalog)
        if is_inference(pipeline):
            prepare_inference(run_params, pipeline, catalog)
            return
        check_run(run_params, pipeline, catalog)
        _check_views(catalog)
        self._run = self._run_facts(run_params)
        self._trains_all = trains_all(pipeline)
        self._lock = _run_lock(pipeline, catalog)
        if self._lock is not None:
            self._lock.acquire()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Let others run on this corpus and protocol."""
        self._release_lock()

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: DataCatalog, inputs: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Start a node's clock; hand what is known of runs to the node that asks."""
        self._started[node.name] = time.perf_counter()
        known = {
            "params:seconds": lambda: dict(self._seconds),
            "params:run": lambda: dict(self._run),
            "params:trained": lambda: self._trained(catalog),
        }
        return {name: tell() for name, tell in known.items() if name in inputs} or None

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Stop a node's clock."""
        self._seconds[node.name] = round(time.perf_counter() - self._started[node.name], 3)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Save the manifest, and print the result where there is one."""
        from disentangled_audio.runs.inference_models import is_inference

        if is_inference(pipeline):
            # No run to go on from: the manifest that it used says how the models were made.
            table = catalog["inference_predictions_csv"]
            _logger.info("Predictions: %s", table._get_load_path())
            return
        try:
            catalog["run_manifest"].save(self._manifest(run_params, pipeline, catalog))
        finally:
            self._release_lock()
        _print_result(pipeline.all_outputs(), catalog)

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def _run_facts(self, run_params: dict[str, Any]) -> dict[str, Any]:
        """What is known of a run before its first node."""
        return {
            "run_id": run_params["run_id"],
            "environment": run_params["env"],
            "options": _options(run_params),
            "pipelines": run_params["pipeline_names"] or ["__default__"],
            "git": _git(self._project_path),
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "packages": package_versions(PACKAGES),
        }

    def _trained(self, catalog: DataCatalog) -> dict[str, Any]:
        """Manifest of the run that made the predictions; of this one, what there is so far.

        `can_classify` beside it tells whether `classify` takes the run's models.
        """
        from disentangled_audio.runs.trained_runs import is_complete, is_trained, read_manifest

        version = catalog["predictions"].resolve_load_version()
        if version == self._run["run_id"]:
            return {
                **self._run,
                **self._measured(catalog),
                "can_classify": self._trains_all,
            }
        manifests = catalog["run_manifest"]
        path = manifests._get_versioned_path(version)
        manifest = read_manifest(path, manifests._fs) if manifests._fs.exists(str(path)) else None
        if manifest is None:
            # That run broke off after its predictions: this one's parameters need not be its own.
            return {"run_id": version, "can_classify": False}
        return {**manifest, "can_classify": is_trained(manifest) and is_complete(manifest)}

    def _measured(self, catalog: DataCatalog) -> dict[str, Any]:
        """What only the run itself can tell: its times so far, and its parameters."""
        from disentangled_audio.pipelines.reporting.nodes import plain

        return {
            "seconds": dict(self._seconds),
            "parameters": plain(catalog.load("parameters")),
        }

    def _manifest(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> dict[str, Any]:
        from disentangled_audio.runs.inference_models import model_facts
        from disentangled_audio.runs.provenance import stamp_of

        hashes = {}
        for name in ("recordings", "splits"):
            if name in pipeline.datasets() and catalog.exists(name):
                hashes.update(stamp_of(catalog.load(name)))
        return {
            **self._run,
            **hashes,
            "sources": _sources(pipeline, catalog),
            "dataset_versions": _dataset_versions(pipeline, catalog),
            **model_facts(pipeline, catalog, self._project_path),
            **self._measured(catalog),
        }


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
        context._hook_manager.register(tracking)
        # It has missed this event itself.
        tracking.after_context_created(context)


def _check_views(catalog: DataCatalog) -> None:
    from disentangled_audio.models.views import check_views
    from disentangled_audio.parameters import Corpus, DisentanglerParameters, ViewParameters

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
            Path(catalog["report"]._get_load_path()),
        )
    if "cv_metrics" in outputs:
        print_folds(catalog.load("cv_metrics"), Path(catalog["cv_metrics"]._get_load_path()))


def _run_lock(pipeline: Pipeline, catalog: DataCatalog) -> RunLock | None:
    """Lock of this corpus and protocol, beside their manifests; None where that is no disk.

    Jobs that only train some of the folds may run beside each other.
    """
    manifest = catalog["run_manifest"]
    if getattr(manifest, "_protocol", None) != "file":
        return None
    folder = Path(manifest._filepath).parent
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


def _sources(pipeline: Pipeline, catalog: DataCatalog) -> list[dict[str, Any]]:
    """Where the recordings came from, with the hashes of archives; empty if none were read."""
    if "recording_folders" not in pipeline.inputs():
        return []
    from disentangled_audio.corpora.sources.locate import source_records
    from disentangled_audio.parameters import Corpus

    corpus = Corpus.model_validate(catalog.load("params:corpus"))
    return source_records(corpus, catalog.load("recording_folders"))


def _options(run_params: dict[str, Any]) -> str:
    """What was given beside the pipelines, as one types it, so that a report can tell others."""
    env = run_params["env"]
    given = flatten(run_params["runtime_params"] or {})
    options = [f"--env={env}"] if env and env not in {"base", "local"} else []
    if given:
        # Kedro splits at commas: what has one cannot be typed, and is left to whoever reads it.
        typed = {name: "…" if "," in str(value) else value for name, value in given.items()}
        options.append("--params=" + ",".join(f"{name}={value}" for name, value in typed.items()))
    return shlex.join(options)


def _git(project_path: Path) -> dict[str, Any] | None:
    """Revision and whether files differ from it; None outside of a git checkout."""
    try:
        answers = [
            subprocess.run(
                ["git", *arguments],
                cwd=project_path,
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return {"revision": answers[0], "changed": bool(answers[1])}


def _dataset_versions(pipeline: Pipeline, catalog: DataCatalog) -> dict[str, str]:
    """Version of every versioned dataset the run loaded or saved."""
    versions = {}
    for name in sorted(pipeline.datasets()):
        dataset = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset):
            continue
        saved = name in pipeline.all_outputs()
        if not saved and not catalog.exists(name):
            # What a run can do without.
            continue
        versions[name] = dataset.resolve_save_version() if saved else dataset.resolve_load_version()
    return versions
