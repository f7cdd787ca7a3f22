"""Files of a trained run, and whether they are still what that run made; knows no Kedro."""

import hashlib
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import fsspec

from disentangled_audio.errors import UserError
from disentangled_audio.runs.trained_runs import REFERENCES, TrainedRun, is_complete
from disentangled_audio.storage.hashing import code_hash

_logger = logging.getLogger(__name__)

REPEAT = "Train anew with kedro run (same --env and --params)"


def columns_of(table: Any) -> list[str]:
    """Features of a table, in their order."""
    return [name for name in table.columns if name not in ("recording_id", "reasons")]


def read_files(run: TrainedRun) -> dict[str, bytes]:
    """Contents of all files that classifying needs, by catalog entry.

    Raises
    ------
    UserError
        If one is missing, or is not what the run made; names the file.
    """
    check_manifest(run.manifest, run.file)
    return {name: _read(run, name) for name in (*run.models, *REFERENCES)}


def _read(run: TrainedRun, name: str) -> bytes:
    place = run.manifest["files"][name]
    # What conf keeps in a store has a URL.
    is_stored = "://" in place
    shown = place if is_stored else str(run.project / place)
    if not is_stored and not Path(shown).is_file():
        raise missing(shown)
    try:
        with fsspec.open(place) if is_stored else Path(shown).open("rb") as file:
            content = file.read()
    except FileNotFoundError as error:
        raise missing(shown) from error
    check_hash(name, shown, hashlib.sha256(content).hexdigest(), run.manifest)
    return content


def missing(place: str) -> UserError:
    """The error for a file of a run that is not there."""
    return UserError(f"{place} is missing, which the model needs. {REPEAT}.")


def check_hash(name: str, place: str, found: str, manifest: dict[str, Any]) -> None:
    """Refuse a file with another SHA-256 than the manifest has."""
    expected = manifest["file_sha256"].get(name)
    if expected != found:
        raise UserError(
            f"'{name}' is not the file that run {manifest['run_id']} made: {place} has the SHA-256 "
            f"{found}, the run's manifest says {expected}. Restore it, or choose another "
            f"model (--model, inference.model_version). {REPEAT}."
        )


def check_manifest(manifest: dict[str, Any], file: Any) -> None:
    """Refuse a run whose manifest, read from `file`, lacks facts; else as `check_software`."""
    if not is_complete(manifest):
        raise UserError(
            f"{file} is of an older version of this project and does not tell all that its models "
            f"are checked by. {REPEAT}."
        )
    check_software(manifest)


def check_software(manifest: dict[str, Any]) -> None:
    """Refuse models that the installed packages cannot use; warn if features may differ."""
    _check_packages(manifest)
    if manifest["feature_code"] != code_hash("features"):
        _logger.warning(
            "the code that computes features has changed since %s was trained: its answers may "
            "differ a little from what they were. %s to be sure",
            manifest["run_id"],
            REPEAT,
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


def check_kind(kind: str | None, trained: list[str]) -> None:
    """Refuse a kind that the models know no recording of."""
    if kind is not None and kind not in trained:
        raise UserError(
            f"kind {kind} (--kind, inference.kind) is none that the model was trained on; those "
            f"are {', '.join(trained)}"
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
