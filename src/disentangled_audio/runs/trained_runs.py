"""Runs that trained models, found by their manifests in a project's data folder."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import checked_name, checked_version, is_name, shown

_logger = logging.getLogger(__name__)

REPORTING, MANIFEST = "07_reporting", "run_manifest.json"
# Training data with which new recordings are compared.
REFERENCES = ("recordings", "splits", "fourier_features", "codes", "provisional_codes")
# Facts in every manifest, with their types.
_FACTS = {
    "run_id": str,
    "packages": dict,
    "dataset_versions": dict,
    "parameters": dict,
}
# Facts about each model and reference, in manifests of runs that trained all models.
_BY_FILE = ("files", "file_sha256")


@dataclass(frozen=True)
class Result:
    """Something that was run and has a version: a run, a fold or a cross-validation.

    Attributes
    ----------
    file : `data/07_reporting/<corpus>/<protocol>/[<fold>/]<name>/<version>/<name>`.
    """

    file: Path

    @property
    def version(self) -> str:
        """Time that names it."""
        return self.file.parent.name

    @property
    def project(self) -> Path:
        """Project folder; `files` of a manifest are relative to it."""
        return Path(*self.file.parts[: self._reporting - 1])

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return self.file.parts[self._reporting + 1]

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return self.file.parts[self._reporting + 2]

    @property
    def fold(self) -> str | None:
        """Name of the fold; None unless it is a fold of a cross-validation."""
        below = self.file.parts[self._reporting + 3 : -3]
        return below[0] if below else None

    @property
    def _reporting(self) -> int:
        """Index of the results' folder in the path."""
        return len(self.file.parts) - 1 - self.file.parts[::-1].index(REPORTING)


@dataclass(frozen=True)
class TrainedRun(Result):
    """A run of all pipelines, or one fold of a cross-validation.

    Attributes
    ----------
    manifest : content of the file, a manifest.
    """

    manifest: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the run."""
        return self.manifest["parameters"]

    @property
    def target(self) -> str:
        """Column that it recognises."""
        return self.parameters["protocol"]["target"]

    @property
    def models(self) -> list[str]:
        """Names of its models in the catalog."""
        return models_of(self.manifest["dataset_versions"])

    def result(self, name: str) -> Path | None:
        """File of a result; None if it does not exist."""
        version = self.manifest["dataset_versions"].get(Path(name).stem)
        file = self.file.parents[2] / name / str(version) / name
        return file if file.is_file() else None

    def metrics(self) -> dict[str, Any]:
        """Metrics of the run; empty if they do not exist."""
        file = self.result("metrics.json")
        return {} if file is None else json.loads(file.read_text(encoding="utf-8"))


def read_manifest(file: Path) -> dict[str, Any] | None:
    """Read the manifest of a run; None, with a warning, if the file cannot be used."""
    manifest = read_json(file)
    if manifest is None:
        return None
    wrong = [name for name, kind in _FACTS.items() if not isinstance(manifest.get(name), kind)]
    if wrong:
        ignored(file, f"its '{wrong[0]}' is missing or has the wrong type")
        return None
    # They become parts of paths to results.
    versions = manifest["dataset_versions"]
    parts = map(str, [manifest["run_id"], *versions, *versions.values()])
    unsafe = [part for part in parts if not is_name(part)]
    if unsafe:
        ignored(file, f"its {shown(unsafe[0])} breaks the rule for names")
        return None
    return manifest


def read_json(file: Path) -> dict[str, Any] | None:
    """Read a JSON object; None, with a warning, if the file has none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        ignored(file, f"it cannot be read: {error}")
        return None
    if isinstance(content, dict):
        return content
    ignored(file, "it is not a JSON object")
    return None


def ignored(file: Path, why: str) -> None:
    """Warn about a file that cannot be used."""
    _logger.warning("%s is ignored because %s", file, why)


def models_of(names: Iterable[str]) -> list[str]:
    """Models that classify new recordings, among the names of a run's datasets.

    The table `svm_probabilities` comes from the model `svm`, and so on; only the probabilities
    of the network come from the disentangler.
    """
    suffix = "_probabilities"
    judges = {name.removesuffix(suffix) for name in names if name.endswith(suffix)}
    return ["fourier_pca", "disentangler", *sorted((judges | {"hybrid"}) - {"cnn"})]


def is_trained(manifest: dict[str, Any]) -> bool:
    """Whether a run trained models that can classify; only then its manifest describes them."""
    needed = {*models_of(manifest["dataset_versions"]), *REFERENCES}
    described = {"feature_schema", "feature_code"} <= set(manifest)
    return described and all(needed <= set(manifest.get(key, ())) for key in _BY_FILE)


def trained_runs(data: Path) -> list[TrainedRun]:
    """All runs and folds whose models can classify, the newest first."""
    places = (f"{REPORTING}/{'*/' * depth}{MANIFEST}/*/{MANIFEST}" for depth in (2, 3))
    manifests = {file: read_manifest(file) for place in places for file in data.glob(place)}
    found = [
        TrainedRun(file, manifest)
        for file, manifest in manifests.items()
        if manifest is not None and is_trained(manifest)
    ]
    return sorted(found, key=lambda run: run.version, reverse=True)


def run_of_folder(folder: Path) -> TrainedRun:
    """Run whose manifest is in a folder.

    Raises
    ------
    UserError
        If its manifest cannot be read, or its models cannot classify.
    """
    file = folder.absolute() / MANIFEST
    manifest = read_manifest(file)
    if manifest is None or not is_trained(manifest) or REPORTING not in file.parts:
        raise UserError(f"{file} is not from a run of all pipelines, so it has no models to load")
    return TrainedRun(file, manifest)


def find_run(
    data: Path,
    version: str | None = None,
    corpus: str | None = None,
    protocol: str | None = None,
    fold: str | None = None,
    *,
    others: Sequence[Result] = (),
) -> Any:
    """Find a run by version, or the newest of a corpus and protocol; None stands for any.

    A fold of a cross-validation is only found by its name, or by a version that nothing else has.

    Parameters
    ----------
    data : Path
        The project's data folder.
    version, corpus, protocol, fold : str, optional
    others : sequence of Result
        Other results that may be meant, after the trained runs.

    Returns
    -------
    TrainedRun, or one of the others

    Raises
    ------
    UserError
        If there is no such run, or a name breaks the rule for names.
    """
    if version is not None:
        checked_version(version, "version of a run")
    asked = {
        what: checked_name(name, f"name of a {what}")
        for what, name in (("corpus", corpus), ("protocol", protocol))
        if name is not None
    }
    found = [*trained_runs(data), *others]
    if not found:
        why = "has no run of all pipelines" if data.is_dir() else "does not exist"
        raise UserError(
            f"no model is trained yet: {data} {why}. In the project's folder, train one: "
            "kedro run, or kedro run --env=folder --params=corpus_file=my_corpus.yml"
        )
    of_version = [run for run in found if version in (None, run.version)]
    if not of_version:
        newest = ", ".join(sorted({run.version for run in found}, reverse=True)[:5])
        raise UserError(f"there is no trained run {version}; the newest: {newest}")
    matching = [
        run for run in of_version if all(getattr(run, what) == asked[what] for what in asked)
    ]
    if not matching:
        text = " and ".join(f"{what} '{name}'" for what, name in asked.items())
        where = ", ".join(sorted({f"{run.corpus} ({run.protocol})" for run in of_version}))
        known = "there are models" if version is None else f"run {version} is"
        raise UserError(f"no model of {text} is trained yet; {known} of {where}")
    return _of_fold(matching, fold, version)


def _of_fold(runs: list[Any], fold: str | None, version: str | None) -> Any:
    """Newest run of a fold; without a name, of no fold, or the only run of a version."""
    chosen = [run for run in runs if run.fold == fold]
    if chosen:
        return chosen[0]
    if fold is None and version is not None and len(runs) == 1:
        return runs[0]
    folds = ", ".join(sorted({run.fold for run in runs if run.fold is not None}))
    if fold is None:
        raise UserError(f"there are only folds of a cross-validation; choose a fold: {folds}")
    raise UserError(f"there is no fold '{fold}' with models; there are {folds or 'no folds'}")
