"""Choice of the run whose models classify, and checks that they are unchanged."""

from pathlib import Path
from typing import Any

from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import checked_version
from disentangled_audio.runs.catalog import file_place, file_system, load_path, pin, sha256_of
from disentangled_audio.runs.run_files import check_hash, check_software, missing
from disentangled_audio.runs.trained_runs import find_run

OUTPUT = "inference_predictions"


def is_inference(pipeline: Pipeline) -> bool:
    """Whether a run classifies recordings with models of an earlier run."""
    return OUTPUT in pipeline.all_outputs()


def prepare_inference(project: Path, pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Make the catalog load the models of one run; refuse files that have changed.

    Raises
    ------
    UserError
        If there is no such run, its models cannot be used, or there is nothing to classify.
    """
    from disentangled_audio.corpora.sources.named import named_files
    from disentangled_audio.parameters import InferenceParameters

    if pipeline.outputs() != {OUTPUT, f"{OUTPUT}_csv"}:
        raise UserError("inference runs by itself: kedro run --pipelines=inference")
    asked = InferenceParameters.model_validate(catalog.load("params:inference"))
    if asked.model_version is not None:
        checked_version(asked.model_version, "inference.model_version")
    if not asked.recordings:
        raise UserError(
            "inference.recordings is empty: name a file, folder, glob pattern or zip "
            "(--params=inference.recordings=PATH)"
        )
    # Fail before the models are loaded, which takes seconds.
    named_files(asked.recordings)
    selected = (str(catalog.load(f"params:{name}")) for name in ("corpus_name", "protocol_name"))
    run = find_run(project / "data", asked.model_version, *selected)
    if run.fold is not None:
        raise UserError(
            f"inference.model_version={run.version} is fold '{run.fold}' of a cross-validation; "
            "disentangled-audio classify can use it"
        )
    check_software(run.manifest)
    pin(catalog["run_manifest"], run.version)
    for name in sorted(pipeline.inputs() - {"run_manifest"}):
        if not name.startswith("params:"):
            _check_known(name, run.manifest)
            pin(catalog[name], run.manifest["dataset_versions"][name])
            _check_file(catalog[name], name, run.manifest)


def _check_known(name: str, manifest: dict[str, Any]) -> None:
    if name not in manifest["dataset_versions"]:
        raise UserError(
            f"run {manifest['run_id']} did not train '{name}', which this pipeline loads; use "
            "disentangled-audio classify, or train again with kedro run"
        )


def _check_file(dataset: Any, name: str, manifest: dict[str, Any]) -> None:
    if not file_system(dataset).isfile(load_path(dataset)):
        raise missing(file_place(dataset))
    check_hash(name, file_place(dataset), sha256_of(dataset), manifest)
