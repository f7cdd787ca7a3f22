"""Runs that trained models, as their manifests in a project's data folder tell of them."""

import csv
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from disentangled_audio.errors import UserError
from disentangled_audio.storage.dotted import dotted
from disentangled_audio.storage.safe_names import checked_name, checked_version, is_name, shown

_logger = logging.getLogger(__name__)

MANIFESTS = "07_reporting/*/*/run_manifest.json/*/run_manifest.json"
# What new recordings are compared with.
REFERENCES = ("recordings", "splits", "fourier_features", "codes", "provisional_codes")
# What runs of older versions lack.
_LATER = ("provisional_codes",)
# What every manifest has, and what type that is of.
_FACTS = {
    "run_id": str,
    "environment": str | None,
    "packages": dict,
    "dataset_versions": dict,
    "parameters": dict,
}


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


def read_manifest(file: PurePath, fs: Any = None) -> dict[str, Any] | None:
    """A run's manifest; None, with a warning that names the file, if it is none.

    Parameters
    ----------
    file : its path.
    fs : fsspec's file system that it is on; the local disk otherwise.
    """
    try:
        with (fs or LocalFileSystem()).open(str(file), "rb") as opened:
            manifest = json.load(opened)
    except (OSError, ValueError) as error:
        _logger.warning("%s is left out, it cannot be read: %s", file, error)
        return None
    if not isinstance(manifest, dict):
        _logger.warning("%s is left out, it is no manifest of a run", file)
        return None
    for name, kind in _FACTS.items():
        if name not in manifest or not isinstance(manifest[name], kind):
            _logger.warning("%s is left out, it does not say '%s' as it should", file, name)
            return None
    unsafe = next((text for text in _path_parts(manifest) if not is_name(text)), None)
    if unsafe is not None:
        _logger.warning("%s is left out, its %s is no name of a version", file, shown(unsafe))
        return None
    return manifest


def _path_parts(manifest: dict[str, Any]) -> list[str]:
    """What a manifest says that becomes a part of paths: to results, and to configuration."""
    # Without an environment a run has the default one.
    environment = manifest["environment"] or "local"
    named = [str(part) for pair in manifest["dataset_versions"].items() for part in pair]
    return [manifest["run_id"], environment, *named]


def models_of(names: Iterable[str]) -> list[str]:
    """Models that classify new recordings, among the names of a run's datasets.

    Every table of probabilities, such as `svm_probabilities`, has its model under the name before
    it; only the network's are of the disentangler.
    """
    suffix = "_probabilities"
    judges = {name.removesuffix(suffix) for name in names if name.endswith(suffix)}
    return ["fourier_pca", "disentangler", *sorted((judges | {"hybrid"}) - {"cnn"})]


def is_trained(manifest: dict[str, Any]) -> bool:
    """Whether a run trained a hybrid, and used or made all that classifying needs beside it."""
    versions = manifest["dataset_versions"]
    needed = {*models_of(versions), *REFERENCES} - set(_LATER)
    return versions.get("hybrid") == manifest["run_id"] and needed <= set(versions)


def is_complete(manifest: dict[str, Any]) -> bool:
    """Whether the manifest of a trained run knows all that its models are checked by."""
    known = {"file_sha256", "feature_schema"} <= set(manifest)
    return known and set(_LATER) <= set(manifest["file_sha256"])


def trained_runs(data: Path) -> list[TrainedRun]:
    """All runs that trained models that can classify, the newest first."""
    manifests = {file: read_manifest(file) for file in data.glob(MANIFESTS)}
    found = [
        TrainedRun(file.parents[2], manifest)
        for file, manifest in manifests.items()
        if manifest is not None and is_trained(manifest)
    ]
    return sorted(found, key=lambda run: run.version, reverse=True)


def find_run(
    data: Path, version: str | None, corpus: str | None = None, protocol: str | None = None
) -> TrainedRun:
    """The run of a version, or the newest one of a corpus and protocol; None stands for any.

    Raises
    ------
    UserError
        If there is none; says what there is. If what is asked for breaks the rule for names.
    """
    if version is not None:
        checked_version(version, "version of a run")
    for what, name in {"corpus": corpus, "protocol": protocol}.items():
        if name is not None:
            checked_name(name, f"name of a {what}")
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
    for run in matching:
        if corpus in (None, run.corpus) and protocol in (None, run.protocol):
            return run
    named = {"corpus": corpus, "protocol": protocol}
    asked = " and ".join(f"{what} '{name}'" for what, name in named.items() if name is not None)
    if version is not None:
        run = matching[0]
        raise UserError(
            f"run {version} is of corpus '{run.corpus}' and protocol '{run.protocol}', not of "
            f"{asked}"
        )
    known = ", ".join(sorted({f"{run.corpus} ({run.protocol})" for run in runs}))
    raise UserError(f"no model of {asked} is trained yet; there are models of {known}")


_COMPARED_SCORES = ("balanced_accuracy", "accuracy", "log_loss", "ece")


def summary(run: TrainedRun) -> dict[str, Any]:
    """Version, corpus, protocol, fold, the hybrid's balanced accuracy and date of a run.

    What is not known is None.
    """
    metrics = run.metrics()
    return {
        "version": run.version,
        "corpus": run.corpus,
        "protocol": run.protocol,
        "fold": metrics.get("fold"),
        "hybrid": metrics.get("models", {}).get("hybrid", {}).get("balanced_accuracy"),
        "date": run.version[:16].replace("T", " ").replace(".", ":"),
    }


def comparison(runs: list[TrainedRun]) -> dict[str, Any]:
    """What some runs reached, in what parameters they differ, and what they confused.

    Returns
    -------
    dict
        `runs`, each as in `summary`; `metrics`: by model and score, a value a run; `parameters`
        that differ: by dotted name, a value a run; `confusion` of the hybrid, a run each: counts
        by true and said class. What a run does not have is None.
    """
    models = [run.metrics().get("models", {}) for run in runs]
    flat = [dotted(run.manifest["parameters"]) for run in runs]
    names = sorted(set().union(*flat))
    values = {name: [of_run.get(name) for of_run in flat] for name in names}
    return {
        "runs": [summary(run) for run in runs],
        "metrics": {
            model: {
                score: [of_run.get(model, {}).get(score) for of_run in models]
                for score in _COMPARED_SCORES
            }
            for model in dict.fromkeys(name for of_run in models for name in of_run)
        },
        "parameters": {
            name: pair for name, pair in values.items() if any(v != pair[0] for v in pair)
        },
        "confusion": [_confusion(run) for run in runs],
    }


def _confusion(run: TrainedRun) -> dict[str, dict[str, int]]:
    file = run.result("confusion_matrices.csv")
    if file is None:
        return {}
    counts: dict[str, dict[str, int]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["model"] == "hybrid":
                counts.setdefault(row["target"], {})[row["predicted"]] = int(float(row["count"]))
    return counts
