"""A trained run in one file that needs neither the project nor its configuration.

A bundle is a ZIP archive with a fixed list of members, stored without compression: the models in
skops and Keras format, a summary of the training recordings with which new ones are compared, a
manifest, a model card, and the SHA-256 of each member. It contains no path and no recording's name.
The same run gives the same bytes.

The hashes reveal damage and edits. They are not a signature, because a forger can recompute them.
Therefore `storage.skops_files` and `storage.keras_files` create only types that this project
writes. Use bundles only from people whose results you trust.
"""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from disentangled_audio.errors import UserError
from disentangled_audio.models.embedding import trained_embedder
from disentangled_audio.models.preparation import facts_of
from disentangled_audio.models.reference import Reference
from disentangled_audio.parameters.names import is_name
from disentangled_audio.runs.run_files import check_software, read_files
from disentangled_audio.runs.trained_runs import REFERENCES, TrainedRun
from disentangled_audio.storage.array_files import read_arrays, write_arrays
from disentangled_audio.storage.hashing import bytes_hash
from disentangled_audio.storage.keras_files import read_keras
from disentangled_audio.storage.limits import json_member, opened_zip, stored_members
from disentangled_audio.storage.onnx_files import check_onnx
from disentangled_audio.storage.parquet_files import read_parquet
from disentangled_audio.storage.skops_files import read_skops
from disentangled_audio.storage.temporaries import write_whole

# The user's own network, in bundles of runs that used one.
PRETRAINED = "pretrained"
# Kinds of files that are not skops.
_KINDS = {"disentangler": "keras", PRETRAINED: "onnx"}
MANIFEST, REFERENCE, CARD, HASHES = "manifest.json", "reference.npz", "README.md", "hashes.json"
# All members except the models.
MEMBERS = (MANIFEST, CARD, REFERENCE, HASHES)
# A bundle for 60,000 recordings has about 100 MB.
MAX_BYTES = 2**31
# The earliest date that ZIP can store.
_DATE = (1980, 1, 1, 0, 0, 0)


class _ReferenceFacts(BaseModel):
    """Plain values of `Reference.packed`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    shares: dict[str, float]
    n_channels: list[int]
    rates_hz: list[int]
    kinds: list[str]
    roles: list[str]
    compared_kinds: list[str]


class BundleManifest(BaseModel):
    """Contents of `manifest.json`: those of `preparation.facts_of`, and two more.

    Attributes
    ----------
    format : version of the bundle's format.
    pretrained : facts about the pretrained weights; None without.
    reference : plain values of the reference.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1] = 1
    run_id: str
    corpus: str
    protocol: str
    fold: str | None
    packages: dict[str, str]
    feature_code: str
    feature_schema: dict[str, list[int] | list[str]]
    pretrained: dict[str, Any] | None = None
    parameters: dict[str, Any]
    reference: _ReferenceFacts


def write_bundle(run: TrainedRun, path: Path, card: str) -> None:
    """Write the models of a run as one file, atomically.

    Parameters
    ----------
    run : TrainedRun
    path : Path
        A file that does not exist yet.
    card : str
        The model card, in Markdown.

    Raises
    ------
    UserError
        If the file exists, or a file of the run was changed after the run.
    """
    if path.exists():
        raise UserError(f"{path} exists already; remove it, or name another file")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path} cannot be written: {path.parent} is no folder; create it first")
    contents = read_files(run)
    described = facts_of(run.manifest, run.fold)
    own = _own_network(described)
    facts, arrays = read_reference(contents, run.parameters["seed"]).packed()
    manifest = BundleManifest.model_validate({**described, "reference": facts})
    members = {
        MANIFEST: _json(manifest.model_dump()),
        CARD: card.encode(),
        REFERENCE: write_arrays(arrays),
        **{_file(name): contents[name] for name in run.models},
        **own,
    }
    members[HASHES] = _json({name: bytes_hash([content]) for name, content in members.items()})
    write_whole(path, lambda unfinished: unfinished.write_bytes(_zipped(members)))


def read_bundle(path: Path) -> tuple[dict[str, Any], Reference, dict[str, Any]]:
    """Read the manifest, the reference and the models by name; every member's hash is checked.

    Raises
    ------
    UserError
        If the file is not a bundle, a member was changed, or a package has another version.
    """
    members = _members(path)
    place = f"{path}:{MANIFEST}"
    try:
        manifest = BundleManifest.model_validate_json(members[MANIFEST])
    except ValidationError as error:
        raise UserError(
            f"{place} is of another version of this project; install that version: {error}"
        ) from error
    facts = manifest.model_dump(exclude={"format"})
    check_software(facts)
    arrays = read_arrays(members[REFERENCE], f"{path}:{REFERENCE}")
    reference = Reference.unpacked(facts.pop("reference"), arrays, path)
    files = {PurePath(file).stem: file for file in members if file not in MEMBERS}
    contents = {name: members[file] for name, file in files.items()}
    models = read_models(files, contents, {name: f"{path}:{file}" for name, file in files.items()})
    return facts, reference, models


def read_models(
    names: Iterable[str], contents: dict[str, bytes], places: dict[str, str]
) -> dict[str, Any]:
    """Read models from the bytes of their files; messages name `places`."""
    return {name: _read_model(name, contents[name], places[name]) for name in names}


def read_reference(contents: dict[str, bytes], seed: int) -> Reference:
    """Make the reference from the bytes of a run's tables."""
    tables = {name: read_parquet(contents[name], f"'{name}'") for name in REFERENCES}
    return Reference.of_tables(tables, seed)


def _own_network(facts: dict[str, Any]) -> dict[str, bytes]:
    """The user's own network as a member, whose path the facts then no longer name."""
    embedder = trained_embedder(facts["pretrained"], facts["run_id"])
    if embedder is None or facts["pretrained"]["onnx"] is None:
        return {}
    member = _file(PRETRAINED)
    asked = {**facts["pretrained"]["onnx"], "path": member}
    facts["pretrained"] = {**facts["pretrained"], "onnx": asked}
    return {member: embedder.network}


def _read_model(name: str, content: bytes, place: str) -> Any:
    kind = _KINDS.get(name)
    if kind == "onnx":
        check_onnx(content, place)
        return content
    return (read_keras if kind == "keras" else read_skops)(content, place)


def _file(model: str) -> str:
    return f"{model}.{_KINDS.get(model, 'skops')}"


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=False, ensure_ascii=False).encode()


def _zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _DATE)
            # Unix, so that every system writes the same bytes.
            member.create_system = 3
            archive.writestr(member, content)
    return file.getvalue()


def _members(path: Path) -> dict[str, bytes]:
    """Read all members and compare them with their hashes."""
    content = _content(path)
    with opened_zip(io.BytesIO(content), path) as archive:
        names = list(stored_members(archive, len(content), path))
        hashes = json_member(archive, HASHES, path) if HASHES in names else None
        wrong = _wrong_member(names, hashes)
        if hashes is None or wrong:
            raise _changed(path, f"has a foreign member, or lacks one: {wrong!r}")
        members = {}
        for name in names:
            try:
                members[name] = archive.read(name)
            except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
                raise _changed(path, f"has a damaged member '{name}' ({error})") from error
    for name, expected in hashes.items():
        if bytes_hash([members[name]]) != expected:
            raise _changed(path, f"has a member '{name}' with another SHA-256 than its record")
    if members[HASHES] != _json(hashes):
        raise _changed(path, f"has a member '{HASHES}' that was edited")
    return members


def _wrong_member(names: list[str], hashes: Any) -> str | None:
    """The first foreign or missing member; None if there is none."""
    fixed = {*MEMBERS, *map(_file, ("fourier_pca", "disentangler", "hybrid"))} - {HASHES}
    if not isinstance(hashes, dict) or not fixed <= set(hashes):
        return HASHES
    found, expected = set(names), {*hashes, HASHES}
    models = (PurePath(name) for name in sorted(expected - {*MEMBERS}))
    foreign = [str(model) for model in models if not _is_model(model)]
    return next(iter([*foreign, *sorted(found ^ expected)]), None)


def _is_model(member: PurePath) -> bool:
    return is_name(member.stem) and _file(member.stem) == str(member)


def _content(path: Path) -> bytes:
    if path.suffix != ".zip":
        raise UserError(f"{path} is neither a project's folder nor a bundle (a .zip file)")
    n_bytes = path.stat().st_size
    if n_bytes > MAX_BYTES:
        raise UserError(f"{path} has {n_bytes:,} bytes; a bundle has at most {MAX_BYTES:,}")
    return path.read_bytes()


def _changed(path: Path, what: str) -> UserError:
    return UserError(f"{path} {what}. It is not a bundle, or was changed; ask for a new copy")
