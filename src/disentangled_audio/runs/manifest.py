"""Manifest of a run: how it was started, versions, times, and hashes of its results.

No node knows all of this, so hooks save it in the catalog: before each node as `run_facts`, an
input like any other, and after the run as `run_manifest`.
"""

import platform
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Pipeline

from disentangled_audio.parameters import GROUPS, Corpus
from disentangled_audio.runs.catalog import base_path, file_place, sha256_of, version_path
from disentangled_audio.runs.provenance import stamp_of
from disentangled_audio.runs.run_files import columns_of
from disentangled_audio.runs.trained_runs import (
    REFERENCES,
    REPORTING,
    is_trained,
    models_of,
    read_manifest,
)
from disentangled_audio.runs.versions import package_versions
from disentangled_audio.storage.dotted import dotted
from disentangled_audio.storage.hashing import code_hash

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = (
    *("disentangled-audio", "kedro", "keras", "numpy", "pandas", "scikit-learn", "scipy"),
    *("skops", "soundfile", "soxr", "tensorflow", "tensorflow-cpu", "zarr"),
)
# Features and their inputs, whose shapes and columns are checked for new recordings.
ARRAYS = (
    *("waveforms", "fourier_spectra"),
    *("log_mel", "content_view", "rhythm_view", "pitch_view"),
)
TABLES = (
    *("fourier_features", "mel_features", "timbre_features", "acoustic_parameters"),
    *("embedding_features", "codes"),
)


def run_facts(
    run_params: Mapping[str, Any],
    project: Path,
    parameters: Mapping[str, Any],
    pretrained: dict[str, Any] | None,
) -> dict[str, Any]:
    """Facts of a run before its first node.

    Parameters
    ----------
    run_params : mapping
        As Kedro gives it to hooks.
    project : Path
        Folder of the project, for the git revision.
    parameters : mapping
        All parameters of the run.
    pretrained : dict, optional
        Facts about the pretrained weights, if the run uses any.
    """
    return {
        "run_id": run_params["run_id"],
        "environment": run_params["env"],
        "options": _options(run_params),
        "pipelines": run_params["pipeline_names"] or ["__default__"],
        "git": _git(project),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": package_versions(PACKAGES),
        "seconds": {},
        "pretrained": pretrained,
        "parameters": plain(parameters),
    }


def manifest(
    facts: Mapping[str, Any], pipeline: Pipeline, catalog: DataCatalog, namespace: str = ""
) -> dict[str, Any]:
    """Facts of a finished run, with versions and hashes of all that it used and made.

    Parameters
    ----------
    facts : mapping
        From `run_facts`, with the seconds of each node.
    pipeline : Pipeline
        The pipeline that ran, or the part that the manifest describes, such as one fold.
    catalog : DataCatalog
    namespace : str
        Namespace of the part in the catalog; the manifest leaves it out.
    """
    names = _names(pipeline, namespace)
    hashes = {}
    for name in ("recordings", "splits"):
        if name in names and catalog.exists(names[name]):
            hashes.update(stamp_of(catalog.load(names[name])))
    made = pipeline.all_outputs()
    return {
        **facts,
        **hashes,
        "sources": _sources(pipeline, catalog),
        "dataset_versions": _dataset_versions(names, made, catalog),
        **(_model_facts(names, catalog) if trains_all(pipeline, namespace) else {}),
    }


def trains_all(pipeline: Pipeline, namespace: str = "") -> bool:
    """Whether a run trains a hybrid, and uses or makes everything else needed to classify."""
    names = _names(pipeline, namespace)
    needed = {*models_of(names), *REFERENCES, *ARRAYS, *TABLES}
    return needed <= names.keys() and names["hybrid"] in pipeline.all_outputs()


def manifest_of_predictions(pipeline: Pipeline, catalog: DataCatalog) -> dict[str, Any] | None:
    """Manifest of the earlier run whose predictions this run reads; None if it makes its own.

    If that run stopped before its manifest, only its name is known.
    """
    if "predictions" not in pipeline.inputs():
        return None
    version = catalog["predictions"].resolve_load_version()
    file = version_path(catalog["run_manifest"], version)
    found = read_manifest(file) if file.is_file() else None
    if found is None:
        return {"run_id": version, "can_classify": False}
    return {**found, "can_classify": is_trained(found)}


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON values, without the corpora and protocols that were not chosen."""
    return {
        # Kedro only validates parameters that a node of this run reads.
        name: GROUPS[name].model_validate(value).model_dump(mode="json")
        if name in GROUPS
        else value
        for name, value in parameters.items()
        if not name.startswith("_")
    }


def _names(pipeline: Pipeline, namespace: str) -> dict[str, str]:
    """Catalog names by their names without the namespace."""
    prefix = f"{namespace}." if namespace else ""
    return {name.removeprefix(prefix): name for name in pipeline.datasets()}


def _model_facts(names: Mapping[str, str], catalog: DataCatalog) -> dict[str, Any]:
    """Files of models with their hashes, and the features that they take."""
    files = [*models_of(names), *REFERENCES]
    shapes = {name: list(catalog.load(names[name]).shape[1:]) for name in ARRAYS}
    columns = {name: columns_of(catalog.load(names[name])) for name in TABLES}
    project = _project(catalog)
    places = {name: file_place(catalog[names[name]]) for name in files}
    return {
        # Relative to the project's folder, which may be moved.
        "files": {name: place.removeprefix(project) for name, place in places.items()},
        "file_sha256": {name: sha256_of(catalog[names[name]]) for name in files},
        "feature_schema": {**shapes, **columns},
        "feature_code": code_hash("features"),
    }


def _project(catalog: DataCatalog) -> str:
    """Project folder, with a trailing slash: the one above the data with the manifests."""
    return str(base_path(catalog["run_manifest"])).partition(f"data/{REPORTING}/")[0]


def _dataset_versions(
    names: Mapping[str, str], made: Iterable[str], catalog: DataCatalog
) -> dict[str, str]:
    """Version of every versioned dataset that the run loaded or saved."""
    versions = {}
    for plain_name, name in sorted(names.items()):
        dataset = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset):
            continue
        if name in made:
            versions[plain_name] = dataset.resolve_save_version()
        elif catalog.exists(name):
            # Some inputs are optional.
            versions[plain_name] = dataset.resolve_load_version()
    if "fold_runs" in versions:
        versions |= _fold_versions(catalog.load(names["fold_runs"]))
    return versions


def _fold_versions(fold_runs: "pd.DataFrame") -> dict[str, str]:
    """Versions of the manifests of folds that a cross-validation gathered, by entry."""
    newest = fold_runs["measured"].where(fold_runs["measured"] != "", fold_runs["version"])
    return {
        f"{folder}.run_manifest": version
        for folder, version in zip(fold_runs["folder"], newest, strict=True)
    }


def _sources(pipeline: Pipeline, catalog: DataCatalog) -> list[dict[str, Any]]:
    """Sources of the recordings, with hashes of archives; empty if none were read."""
    if "recording_folders" not in pipeline.inputs():
        return []
    from disentangled_audio.corpora.sources.places import source_records

    corpus = Corpus.model_validate(catalog.load("params:corpus"))
    return source_records(corpus, catalog.load("recording_folders"))


def _options(run_params: Mapping[str, Any]) -> str:
    """Environment and parameters as typed, for commands in the report."""
    env = run_params["env"]
    given = dotted(run_params["runtime_params"] or {})
    options = [f"--env={env}"] if env and env not in {"base", "local"} else []
    if given:
        # Kedro splits --params at commas, so a value with a comma cannot be typed.
        typed = {name: "…" if "," in str(value) else value for name, value in given.items()}
        options.append("--params=" + ",".join(f"{name}={value}" for name, value in typed.items()))
    return shlex.join(options)


def _git(project: Path) -> dict[str, Any] | None:
    """Git revision, and whether files differ from it; None outside a git checkout."""
    try:
        answers = [
            subprocess.run(
                ["git", *arguments],
                cwd=project,
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
