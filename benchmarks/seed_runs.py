"""Stored cross-validations of one protocol with several seeds; those that lack are run."""

import argparse
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf
from record import REPOSITORY, record, title

from disentangled_audio.runs.manifest import plain

READ = ("cv_leakage_matrix", "cv_metrics", "cv_disentanglement")


@dataclass(frozen=True)
class SeedRun:
    """What a run of all folds with one seed left.

    Attributes
    ----------
    version : str
    revision : str
        Of git, with a mark where files differed from it.
    matrix : DataFrame
        `cv_leakage_matrix`.
    metrics, summary : dict
        `cv_metrics` and `cv_disentanglement`.
    """

    version: str
    revision: str
    matrix: pd.DataFrame
    metrics: dict[str, Any]
    summary: dict[str, Any]


def project_context(env: str, params: dict[str, Any], project: Path = REPOSITORY) -> Any:
    """Parameters and catalog, as `kedro run --env=… --params=…` sees them."""
    # Before Kedro sets its own logging up: nothing but the tables is to be printed.
    logging.disable(logging.INFO)
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    # Catalog paths are relative to the project.
    os.chdir(project)
    with KedroSession.create(project, env=env, runtime_params=params) as session:
        return session.load_context()


def seed_run(
    env: str,
    params: list[str],
    seed: int,
    *,
    again: bool,
    measured: bool = True,
    project: Path = REPOSITORY,
) -> SeedRun:
    """The newest stored run of this seed; it is made if there is none, or if asked.

    Scores need no measurement of the codes.
    """
    given = [*params, f"seed={seed}"]
    if not measured:
        given.append("cross_validation.disentanglement=false")
    context = project_context(env, OmegaConf.to_container(OmegaConf.from_dotlist(given)), project)
    manifest = None if again else _newest(context)
    if manifest is None:
        command = [sys.executable, "-m", "kedro", "run", f"--env={env}"]
        command += ["--pipelines=cross_validation", f"--params={','.join(given)}"]
        subprocess.run(command, cwd=project, check=True, stdout=sys.stderr)
        manifest = _newest(context)
    if manifest is None:
        raise SystemExit(
            f"the run of seed {seed} is not there: cross_validation.folds must be null"
        )
    versions, git = manifest["dataset_versions"], manifest["git"] or {}
    matrix, metrics, summary = (context.catalog.load(name, version=versions[name]) for name in READ)
    matrix["control"] = matrix["control"].fillna("")
    revision = str(git.get("revision", "?"))[:9] + " with changes" * bool(git.get("changed"))
    return SeedRun(manifest["run_id"], revision, matrix, metrics, summary)


def _newest(context: Any) -> dict[str, Any] | None:
    """Manifest of the newest run with these parameters and all folds."""
    wanted = _comparable(plain(context.catalog.load("parameters")))
    file = Path(context.catalog["run_manifest"]._filepath)
    for path in sorted(file.glob(f"*/{file.name}"), reverse=True):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        versions = manifest["dataset_versions"]
        if set(READ) <= set(versions) and _comparable(manifest["parameters"]) == wanted:
            metrics = context.catalog.load("cv_metrics", version=versions["cv_metrics"])
            if len(metrics["folds"]) == metrics["n_folds"]:
                return manifest
    return None


def _comparable(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters that results depend on, as a file gives them back."""
    return json.loads(json.dumps({k: v for k, v in parameters.items() if k != "parallel"}))


def mean_and_spread(
    values: list[float | None], digits: int = 3
) -> tuple[float | None, float | None]:
    """Mean over the seeds, and their standard deviation where there are several."""
    known = np.array([value for value in values if value is not None and np.isfinite(value)])
    if len(known) == 0:
        return None, None
    spread = round(float(known.std(ddof=1)), digits) if len(known) > 1 else None
    return round(float(known.mean()), digits), spread


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that choose the runs."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--env", default="base", help="of `kedro run`")
    options.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    options.add_argument("--again", action="store_true", help="run even what is stored")
    options.add_argument("--params", nargs="+", default=[], metavar="KEY=VALUE")
    return options


def command_of(script: str, env: str, params: list[str], seeds: list[int]) -> str:
    """What a person types to measure the same again."""
    given = f" --params {' '.join(params)}" if params else ""
    return f"python benchmarks/{script} --env {env}{given} --seeds {' '.join(map(str, seeds))}"


def record_runs(
    table: str, rows: list[dict[str, Any]], runs: list[SeedRun], command: str, seeds: list[int]
) -> None:
    """Record rows of a table."""
    metrics = runs[0].metrics
    record(
        table,
        title(metrics["corpus"], metrics["protocol"]),
        rows,
        command=command,
        recordings="simulated" if metrics["simulated"] else "real",
        seeds=seeds,
        revision=", ".join(dict.fromkeys(run.revision for run in runs)),
    )
