"""What a run is known by: how it was started, versions, times, and the hashes of what it made.

No node can know all of this, so that a hook hands it over, through the catalog alone: before each
node as `run_facts`, an input like any other, and after the run as `run_manifest`.
"""

import platform
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Pipeline

from disentangled_audio.parameters import GROUPS, Corpus
from disentangled_audio.runs.catalog import file_system, version_path
from disentangled_audio.runs.inference_models import columns_of, sha256_of
from disentangled_audio.runs.provenance import stamp_of
from disentangled_audio.runs.trained_runs import (
    REFERENCES,
    is_complete,
    is_trained,
    models_of,
    read_manifest,
)
from disentangled_audio.runs.versions import package_versions
from disentangled_audio.storage.dotted import dotted
from disentangled_audio.storage.hashing import code_hash

PACKAGES = (
    *("disentangled-audio", "kedro", "keras", "numpy", "pandas", "scikit-learn", "scipy"),
    *("skops", "soundfile", "soxr", "tensorflow", "tensorflow-cpu", "zarr"),
)
# What features are made of and are, by which new recordings are checked.
ARRAYS = (
    *("waveforms", "fourier_spectra"),
    *("log_mel", "content_view", "rhythm_view", "pitch_view"),
)
TABLES = ("fourier_features", "mel_features", "timbre_features", "acoustic_parameters", "codes")


def run_facts(
    run_params: Mapping[str, Any], project: Path, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """What is known of a run before its first node.

    Parameters
    ----------
    run_params : mapping
        As Kedro gives it to hooks.
    project : Path
        Where the project is, for the git revision.
    parameters : mapping
        All parameters of the run.
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
        "parameters": plain(parameters),
    }


def manifest(
    facts: Mapping[str, Any], pipeline: Pipeline, catalog: DataCatalog, namespace: str = ""
) -> dict[str, Any]:
    """What a finished run leaves: its facts, and versions and hashes of what it used and made.

    Parameters
    ----------
    facts : mapping
        From `run_facts`, with the seconds of each node.
    pipeline : Pipeline
        What has run: all of it, or the part that the manifest is about, such as one fold.
    catalog : DataCatalog
    namespace : str
        Of the part's names in the catalog; the manifest has them without.
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
    """Whether a run trains a hybrid, and uses or makes all that classifying needs beside it."""
    names = _names(pipeline, namespace)
    needed = {*models_of(names), *REFERENCES, *ARRAYS, *TABLES}
    return needed <= names.keys() and names["hybrid"] in pipeline.all_outputs()


def manifest_of_predictions(pipeline: Pipeline, catalog: DataCatalog) -> dict[str, Any] | None:
    """Manifest of the earlier run whose predictions this one reads; None if it makes its own.

    Where that run broke off after its predictions, its name is all that is known: parameters of
    another run need not be its own.
    """
    if "predictions" not in pipeline.inputs():
        return None
    version = catalog["predictions"].resolve_load_version()
    manifests = catalog["run_manifest"]
    path, fs = version_path(manifests, version), file_system(manifests)
    found = read_manifest(path, fs) if fs.exists(str(path)) else None
    if found is None:
        return {"run_id": version, "can_classify": False}
    return {**found, "can_classify": is_trained(found) and is_complete(found)}


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON can hold them, without the corpora and protocols not chosen."""
    return {
        # Kedro has made models only of what a node of the run asks for.
        name: GROUPS[name].model_validate(value).model_dump(mode="json")
        if name in GROUPS
        else value
        for name, value in parameters.items()
        if not name.startswith("_")
    }


def _names(pipeline: Pipeline, namespace: str) -> dict[str, str]:
    """Names in the catalog, by their names without the namespace."""
    prefix = f"{namespace}." if namespace else ""
    return {name.removeprefix(prefix): name for name in pipeline.datasets()}


def _model_facts(names: Mapping[str, str], catalog: DataCatalog) -> dict[str, Any]:
    """Hashes of models, and what features they take."""
    files = [*models_of(names), *REFERENCES]
    shapes = {name: list(catalog.load(names[name]).shape[1:]) for name in ARRAYS}
    columns = {name: columns_of(catalog.load(names[name])) for name in TABLES}
    return {
        "file_sha256": {name: sha256_of(catalog[names[name]]) for name in files},
        "feature_schema": {**shapes, **columns},
        "feature_code": code_hash("features"),
    }


def _dataset_versions(
    names: Mapping[str, str], made: Iterable[str], catalog: DataCatalog
) -> dict[str, str]:
    """Version of every versioned dataset the run loaded or saved."""
    versions = {}
    for plain_name, name in sorted(names.items()):
        dataset = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset):
            continue
        if name in made:
            versions[plain_name] = dataset.resolve_save_version()
        elif catalog.exists(name):
            # A run can do without some datasets.
            versions[plain_name] = dataset.resolve_load_version()
    return versions


def _sources(pipeline: Pipeline, catalog: DataCatalog) -> list[dict[str, Any]]:
    """Where the recordings came from, with the hashes of archives; empty if none were read."""
    if "recording_folders" not in pipeline.inputs():
        return []
    from disentangled_audio.corpora.sources.places import source_records

    corpus = Corpus.model_validate(catalog.load("params:corpus"))
    return source_records(corpus, catalog.load("recording_folders"))


def _options(run_params: Mapping[str, Any]) -> str:
    """Environment and parameters as one types them, so that a report can tell others."""
    env = run_params["env"]
    given = dotted(run_params["runtime_params"] or {})
    options = [f"--env={env}"] if env and env not in {"base", "local"} else []
    if given:
        # Kedro splits at commas: a value with one cannot be typed, and is left to the reader.
        typed = {name: "…" if "," in str(value) else value for name, value in given.items()}
        options.append("--params=" + ",".join(f"{name}={value}" for name, value in typed.items()))
    return shlex.join(options)


def _git(project: Path) -> dict[str, Any] | None:
    """Revision and whether files differ from it; None outside of a git checkout."""
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
