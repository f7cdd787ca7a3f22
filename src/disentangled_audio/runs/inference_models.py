"""The run whose models are used: which one, and whether they are still what it made."""

import glob
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePosixPath
from typing import Any

from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from disentangled_audio.errors import UserError
from disentangled_audio.runs.catalog import base_path, file_system, is_on_disk, load_path, pin
from disentangled_audio.runs.trained_runs import (
    is_complete,
    is_trained,
    read_manifest,
)
from disentangled_audio.storage.hashing import code_hash, file_hash
from disentangled_audio.storage.safe_names import checked_version

_logger = logging.getLogger(__name__)

OUTPUT = "inference_predictions"
REPEAT = "Train anew with kedro run (same --env and --params)"


def is_inference(pipeline: Pipeline) -> bool:
    """Whether a run classifies recordings with models of an earlier one."""
    return OUTPUT in pipeline.all_outputs()


def columns_of(table: Any) -> list[str]:
    """Features of a table, in their order."""
    return [name for name in table.columns if name not in ("recording_id", "reasons")]


def prepare_inference(run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Let the catalog load what one run has made, and refuse it if anything of it has changed.

    Raises
    ------
    UserError
        If there is no such run, its models cannot be used, or there is nothing to classify; says
        which and why.
    """
    from disentangled_audio.corpora.sources.named import named_files
    from disentangled_audio.parameters import InferenceParameters

    if pipeline.outputs() != {OUTPUT, f"{OUTPUT}_csv"}:
        raise UserError("inference runs by itself: kedro run --pipelines=inference")
    asked = InferenceParameters.model_validate(catalog.load("params:inference"))
    if asked.model_version is not None:
        checked_version(asked.model_version, "inference.model_version")
    # Before the seconds that the models take.
    named_files(asked.recordings)
    manifest = _chosen_manifest(catalog["run_manifest"], asked.model_version)
    _check_packages(manifest)
    _tell_changed_code(manifest)
    pin(catalog["run_manifest"], manifest["run_id"])
    for name in sorted(pipeline.inputs() - {"run_manifest"}):
        if not name.startswith("params:"):
            _check_known(name, manifest)
            pin(catalog[name], manifest["dataset_versions"][name])
            _check_file(catalog[name], name, manifest)
    _check_kind(asked.kind, set(catalog.load("recordings")["kind"]))


def _chosen_manifest(dataset: Any, wanted: str | None) -> dict[str, Any]:
    """Manifest of the newest run that trained all models, or of the one that is asked for."""
    folder, fs = base_path(dataset), file_system(dataset)
    versions = _versions(fs, folder)
    selected = f"corpus '{folder.parts[-3]}' with protocol '{folder.parts[-2]}'"
    if wanted is not None and wanted not in versions:
        raise UserError(_unknown_version(fs, folder, wanted, versions, selected))
    files = [folder / name / folder.name for name in ([wanted] if wanted else reversed(versions))]
    manifests = ((file, read_manifest(file, fs)) for file in files)
    file, manifest = next(
        ((file, found) for file, found in manifests if found is not None and is_trained(found)),
        (None, None),
    )
    if manifest is None:
        what = f"version {wanted} of {selected}" if wanted else selected
        raise UserError(
            f"no model is trained: {what} has no run of all pipelines. Train first: kedro run, "
            "with the same --env and --params"
        )
    if not is_complete(manifest):
        raise UserError(
            f"{file} is of an older version of this project and does not tell all that its models "
            f"are checked by. {REPEAT}."
        )
    return manifest


def _versions(fs: Any, folder: PurePosixPath) -> list[str]:
    found = fs.glob(f"{glob.escape(str(folder))}/*/{folder.name}")
    return sorted(PurePosixPath(path).parent.name for path in found)


def _unknown_version(
    fs: Any, folder: PurePosixPath, wanted: str, versions: list[str], selected: str
) -> str:
    corpora = glob.escape(str(folder.parents[2]))
    others = sorted(fs.glob(f"{corpora}/*/*/{folder.name}/{wanted}/{folder.name}"))
    if others:
        corpus, protocol = PurePosixPath(others[0]).parts[-5:-3]
        return (
            f"model version {wanted} is of corpus '{corpus}' with protocol '{protocol}', not of "
            f"{selected}; add --params=corpus_name={corpus},protocol_name={protocol}"
        )
    known = ", ".join(versions[-5:]) or "none; train first: kedro run"
    return f"{selected} has no model version {wanted}; it has {known}"


def sha256_of(dataset: Any) -> str:
    """SHA-256 of a dataset's file."""
    return file_hash(load_path(dataset), fs=file_system(dataset))


def _check_known(name: str, manifest: dict[str, Any]) -> None:
    if name not in manifest["dataset_versions"]:
        raise UserError(
            f"run {manifest['run_id']} has no '{name}', which this version of the code classifies "
            f"with. {REPEAT}, or choose another model (--model, inference.model_version)."
        )


def _check_file(dataset: Any, name: str, manifest: dict[str, Any]) -> None:
    path, fs = load_path(dataset), file_system(dataset)
    place = path if is_on_disk(dataset) else fs.unstrip_protocol(path)
    if not fs.isfile(path):
        raise UserError(f"{place} is missing, which the model needs. {REPEAT}.")
    expected, found = manifest["file_sha256"].get(name), sha256_of(dataset)
    if expected != found:
        raise UserError(
            f"'{name}' is not the file that run {manifest['run_id']} made: {place} has the SHA-256 "
            f"{found}, the run's manifest says {expected}. Restore it, or choose another "
            f"model (--model, inference.model_version). {REPEAT}."
        )


def _check_packages(manifest: dict[str, Any]) -> None:
    for name, trained in manifest["packages"].items():
        now = _installed(name)
        if now is None or now.split(".")[0] != trained.split(".")[0]:
            raise UserError(
                f"the models of {manifest['run_id']} were trained with {name} {trained}, installed "
                f"is {now or 'none'}; another major version may compute something else. Install "
                f"{name} {trained}, or train anew with kedro run"
            )


def _check_kind(kind: str | None, trained: set[str]) -> None:
    if kind is not None and kind not in trained:
        raise UserError(
            f"kind {kind} (--kind, inference.kind) is none that the model was trained on; those "
            f"are {', '.join(sorted(trained))}"
        )


def _tell_changed_code(manifest: dict[str, Any]) -> None:
    now = code_hash("features")
    # Manifests of older versions do not say.
    if manifest.get("feature_code", now) != now:
        _logger.warning(
            "the code that computes features has changed since %s was trained: its answers may "
            "differ a little from what they were. %s to be sure",
            manifest["run_id"],
            REPEAT,
        )


def _installed(name: str) -> str | None:
    # The builds of TensorFlow for CPU and GPU are one package under two names.
    names = ("tensorflow", "tensorflow-cpu") if name.startswith("tensorflow") else (name,)
    for candidate in names:
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return None
