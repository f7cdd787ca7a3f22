"""Files of a trained run, and checks that they are unchanged; independent of Kedro."""

import logging
from pathlib import Path
from typing import Any

import fsspec

from disentangled_audio.errors import UserError
from disentangled_audio.runs.trained_runs import REFERENCES, TrainedRun
from disentangled_audio.runs.versions import package_versions
from disentangled_audio.storage.hashing import bytes_hash, code_hash

_logger = logging.getLogger(__name__)

REPEAT = "Train again with kedro run (same --env and --params)"


def columns_of(table: Any) -> list[str]:
    """Names of a table's features, in order."""
    return [name for name in table.columns if name not in ("recording_id", "reasons")]


def read_files(run: TrainedRun) -> dict[str, bytes]:
    """Read all files that are needed to classify, by catalog entry.

    Raises
    ------
    UserError
        If a file is missing or has changed, or a package has another version.
    """
    check_software(run.manifest)
    return {name: _read(run, name) for name in (*run.models, *REFERENCES)}


def _read(run: TrainedRun, name: str) -> bytes:
    place = run.manifest["files"][name]
    # A file in a remote store has a URL.
    is_stored = "://" in place
    shown = place if is_stored else str(run.project / place)
    if not is_stored and not Path(shown).is_file():
        raise missing(shown)
    try:
        with fsspec.open(place) if is_stored else Path(shown).open("rb") as file:
            content = file.read()
    except FileNotFoundError as error:
        raise missing(shown) from error
    check_hash(name, shown, bytes_hash([content]), run.manifest)
    return content


def missing(place: str) -> UserError:
    """Make the error for a missing file of a run."""
    return UserError(f"{place} is missing; the model needs it. {REPEAT}.")


def check_hash(name: str, place: str, found: str, manifest: dict[str, Any]) -> None:
    """Refuse a file whose SHA-256 differs from the manifest."""
    expected = manifest["file_sha256"].get(name)
    if expected != found:
        raise UserError(
            f"'{name}' is not the file that run {manifest['run_id']} made: {place} has the SHA-256 "
            f"{found}, the run's manifest has {expected}. Restore the file, or choose another "
            f"run. {REPEAT}."
        )


def check_software(manifest: dict[str, Any]) -> None:
    """Refuse models that the installed packages cannot use; warn if features may differ."""
    _check_packages(manifest)
    if manifest["feature_code"] != code_hash("features"):
        _logger.warning(
            "the code that computes features has changed since %s was trained: its answers may "
            "differ slightly. %s to be sure",
            manifest["run_id"],
            REPEAT,
        )


def _check_packages(manifest: dict[str, Any]) -> None:
    for name, trained in manifest["packages"].items():
        # TensorFlow has two names, one for each build (CPU, GPU).
        builds = ("tensorflow", "tensorflow-cpu") if name.startswith("tensorflow") else (name,)
        now = next(iter(package_versions(builds).values()), "none")
        if now.split(".")[0] != trained.split(".")[0]:
            raise UserError(
                f"the models of {manifest['run_id']} were trained with {name} {trained}, but {now} "
                "is installed; another major version may give other results. "
                f"Install {name} {trained}, or train again with kedro run"
            )


def check_kind(kind: str | None, trained: list[str]) -> None:
    """Refuse a kind that no training recording had."""
    if kind is not None and kind not in trained:
        raise UserError(
            f"the model was not trained on kind '{kind}'; it was trained on {', '.join(trained)}"
        )
