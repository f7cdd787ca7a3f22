"""Runs that trained models, as their manifests in a project's data folder tell of them."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import checked_name, checked_version, is_name, shown

_logger = logging.getLogger(__name__)

REPORTING, MANIFEST = "07_reporting", "run_manifest.json"
# What new recordings are compared with.
REFERENCES = ("recordings", "splits", "fourier_features", "codes", "provisional_codes")
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
    """A run of all pipelines, or one fold of a cross-validation.

    Attributes
    ----------
    file : its manifest.
    manifest : what it says of itself.
    """

    file: Path
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        """Its name, a time."""
        return self.manifest["run_id"]

    @property
    def project(self) -> Path:
        """The project's folder, from which `files` of the manifest are counted."""
        return Path(*self.file.parts[: self._reporting - 1])

    @property
    def corpus(self) -> str:
        """Name of its corpus."""
        return self.file.parts[self._reporting + 1]

    @property
    def protocol(self) -> str:
        """Name of its protocol."""
        return self.file.parts[self._reporting + 2]

    @property
    def fold(self) -> str | None:
        """Name of the fold of a cross-validation that it is; None for a run of its own."""
        below = self.file.parts[self._reporting + 3 : -3]
        return below[0] if below else None

    @property
    def parameters(self) -> dict[str, Any]:
        """All that it was run with."""
        return self.manifest["parameters"]

    @property
    def target(self) -> str | None:
        """The column that it recognises."""
        return self.parameters.get("protocol", {}).get("target")

    @property
    def models(self) -> list[str]:
        """Names of its models in the catalog."""
        return models_of(self.manifest["dataset_versions"])

    @property
    def _reporting(self) -> int:
        """Which part of the path is the folder of results."""
        return len(self.file.parts) - 1 - self.file.parts[::-1].index(REPORTING)

    def result(self, name: str) -> Path | None:
        """File of one of its results; None if it is not there."""
        version = self.manifest["dataset_versions"].get(Path(name).stem)
        file = self.file.parents[2] / name / str(version) / name
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
    return versions.get("hybrid") == manifest["run_id"] and {
        *models_of(versions),
        *REFERENCES,
    } <= set(versions)


def is_complete(manifest: dict[str, Any]) -> bool:
    """Whether the manifest of a trained run knows all that its models are checked by."""
    needed = {*models_of(manifest["dataset_versions"]), *REFERENCES}
    known = {"feature_schema", "feature_code"} <= set(manifest)
    return known and all(needed <= set(manifest.get(name, ())) for name in ("files", "file_sha256"))


def trained_runs(data: Path) -> list[TrainedRun]:
    """All runs and folds that trained models that can classify, the newest first."""
    places = (f"{REPORTING}/{'*/' * depth}{MANIFEST}/*/{MANIFEST}" for depth in (2, 3))
    manifests = {file: read_manifest(file) for place in places for file in data.glob(place)}
    found = [
        TrainedRun(file, manifest)
        for file, manifest in manifests.items()
        if manifest is not None and is_trained(manifest)
    ]
    return sorted(found, key=lambda run: run.version, reverse=True)


def run_of_folder(folder: Path) -> TrainedRun:
    """The run whose manifest lies in a folder.

    Raises
    ------
    UserError
        If its manifest cannot be read, or it trained no models that can classify.
    """
    file = folder.absolute() / MANIFEST
    manifest = read_manifest(file)
    if manifest is None or not is_trained(manifest) or REPORTING not in file.parts:
        raise UserError(f"{file} is not of a run of all pipelines; see: disentangled-audio runs")
    return TrainedRun(file, manifest)


def find_run(
    data: Path,
    version: str | None = None,
    corpus: str | None = None,
    protocol: str | None = None,
    fold: str | None = None,
) -> TrainedRun:
    """The run of a version, or the newest one of a corpus and protocol; None stands for any.

    A fold of a cross-validation is meant only where its name is given, or a version that no run
    of its own has.

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
    of_version = [run for run in runs if version in (None, run.version)]
    if not of_version:
        known = ", ".join(dict.fromkeys(run.version for run in runs[:5]))
        raise UserError(f"there is no trained run {version}; there are {known} (see: runs)")
    matching = [
        run
        for run in of_version
        if corpus in (None, run.corpus) and protocol in (None, run.protocol)
    ]
    if not matching:
        raise _none_of(version, {"corpus": corpus, "protocol": protocol}, of_version)
    chosen = [run for run in matching if run.fold == fold]
    if chosen:
        return chosen[0]
    if fold is None and version is not None and len(matching) == 1:
        return matching[0]
    folds = ", ".join(sorted({run.fold for run in matching if run.fold is not None})) or "none"
    what = "folds of a cross-validation alone" if fold is None else f"no fold '{fold}'"
    raise UserError(f"there is {what}; choose one of its folds (--fold): {folds}")


def _none_of(
    version: str | None, named: dict[str, str | None], runs: list[TrainedRun]
) -> UserError:
    asked = " and ".join(f"{what} '{name}'" for what, name in named.items() if name is not None)
    if version is not None:
        run = runs[0]
        return UserError(
            f"run {version} is of corpus '{run.corpus}' and protocol '{run.protocol}', not of "
            f"{asked}"
        )
    known = ", ".join(sorted({f"{run.corpus} ({run.protocol})" for run in runs}))
    return UserError(f"no model of {asked} is trained yet; there are models of {known}")
