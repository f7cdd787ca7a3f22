"""Runs that trained models, as their manifests in a project's data folder tell of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError

MANIFESTS = "07_reporting/*/*/run_manifest.json/*/run_manifest.json"


@dataclass(frozen=True)
class TrainedRun:
    """A run of all pipelines.

    Attributes
    ----------
    folder : with the results of its corpus and protocol.
    manifest : what it says of itself.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        """Its name, a time."""
        return self.manifest["run_id"]

    @property
    def corpus(self) -> str:
        """Name of its corpus."""
        return self.folder.parent.name

    @property
    def protocol(self) -> str:
        """Name of its protocol."""
        return self.folder.name

    def result(self, name: str) -> Path | None:
        """File of one of its results; None if it is not there."""
        version = self.manifest["dataset_versions"].get(Path(name).stem)
        file = self.folder / name / str(version) / name
        return file if file.is_file() else None

    def metrics(self) -> dict[str, Any]:
        """Its metrics; empty if they are not there."""
        file = self.result("metrics.json")
        return {} if file is None else json.loads(file.read_text(encoding="utf-8"))


def trained_runs(data: Path) -> list[TrainedRun]:
    """All runs that trained a hybrid, the newest first."""
    found = []
    for file in data.glob(MANIFESTS):
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # Half of a manifest is none; `prune` tells of it.
            continue
        versions = manifest.get("dataset_versions", {})
        if versions.get("hybrid") == manifest.get("run_id") and "fourier_pca" in versions:
            found.append(TrainedRun(file.parents[2], manifest))
    return sorted(found, key=lambda run: run.version, reverse=True)


def find_run(data: Path, version: str | None, corpus: str | None = None) -> TrainedRun:
    """The run of a version, or the newest one.

    Raises
    ------
    UserError
        If there is none; says what there is.
    """
    runs = trained_runs(data)
    if not runs:
        raise UserError(
            f"no model is trained yet: {data} has no run of all pipelines. Train one first: "
            "kedro run, or kedro run --env=folder --params=corpus_file=my_corpus.yml"
        )
    matching = [run for run in runs if version in (None, run.version)]
    if not matching:
        known = ", ".join(run.version for run in runs[:5])
        raise UserError(f"there is no trained run {version}; there are {known} (see: runs)")
    of_corpus = [run for run in matching if corpus in (None, run.corpus)]
    if of_corpus:
        return of_corpus[0]
    if version is not None:
        raise UserError(f"run {version} is of corpus '{matching[0].corpus}', not of '{corpus}'")
    known = ", ".join(sorted({run.corpus for run in runs}))
    raise UserError(f"no model of corpus '{corpus}' is trained yet; there are models of {known}")
