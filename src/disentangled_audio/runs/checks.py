"""Checks across parameters and saved datasets before the first node runs, and the lock."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from disentangled_audio.datasets.optional_json_dataset import OptionalJSONDataset
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    GROUPS,
    Corpus,
    CrossValidationParameters,
    FourierParameters,
    Protocol,
)
from disentangled_audio.parameters.names import checked_version
from disentangled_audio.runs.catalog import local_folder, place_of
from disentangled_audio.runs.provenance import digest_of_sources
from disentangled_audio.storage.hashing import short_hash
from disentangled_audio.storage.locks import RUN_LOCK, RunLock

# NumPy, scikit-learn and Keras accept larger seeds, which leaves room for seeds derived from this.
MAX_SEED = 2**31 - 1
PARAMETERS = ("seed", "corpus_name", "protocol_name", "corpus_file", *GROUPS)


def check_run(run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Stop a run whose parameters, corpus and earlier results do not fit together.

    Raises
    ------
    UserError
        Naming the key, its value and what is allowed.
    """
    _check_names(catalog.load("parameters"), run_params["runtime_params"] or {})
    _check_seed(catalog.load("params:seed"))
    _check_load_versions(run_params["load_versions"] or {}, pipeline)
    _check_earlier_pipelines(pipeline, catalog)
    # Kedro only validates parameters that a node of this run reads.
    corpus = Corpus.model_validate(catalog.load("params:corpus"))
    protocol = Protocol.model_validate(catalog.load("params:protocol"))
    _check_analysis(corpus, protocol, catalog.load("params:protocol_name"))
    _check_made_with(pipeline, catalog, corpus, protocol)
    splits = _splits(pipeline, catalog, corpus, protocol)
    if splits is not None and "params:fourier" in pipeline.all_inputs():
        fourier = FourierParameters.model_validate(catalog.load("params:fourier"))
        _check_components(fourier, int((splits["role"] == "train").sum()))


def check_places(
    project: Path, load_versions: dict[str, str], pipeline: Pipeline, catalog: DataCatalog
) -> None:
    """Stop if a dataset or a version would lie outside its layer, or inside another dataset.

    The user's own catalog may set paths outside the project's data folder.

    Raises
    ------
    UserError
        Naming the dataset and its path.
    """
    for name, version in load_versions.items():
        checked_version(version, f"--load-versions={name}")
    names = sorted({*pipeline.datasets(), "run_manifest"})
    places = {name: place for name in names if (place := place_of(catalog.get(name), project))}
    owners = {place: name for name, place in places.items()}
    for name, place in places.items():
        if ".." in place.parts:
            raise UserError(f"'{name}' would lie outside its folder: its path is {str(place)!r}")
        inside = next((owners[above] for above in place.parents if above in owners), None)
        if inside is not None:
            raise UserError(
                f"'{name}' would lie inside '{inside}', {str(place)!r}: give the corpus or "
                "protocol another name"
            )
        _check_layer(project / "data", name, place)


def run_lock(pipeline: Pipeline, catalog: DataCatalog) -> RunLock | None:
    """Lock of this corpus and protocol, beside their manifests; None if these are not on a disk.

    Jobs that only train folds can run at once: each fold has its own lock.
    """
    folder = local_folder(catalog["run_manifest"])
    if folder is None or pipeline.all_outputs() <= {"fold_plan", "fold_runs"}:
        return None
    purpose = (
        f"another run of corpus '{catalog.load('params:corpus_name')}' with protocol "
        f"'{catalog.load('params:protocol_name')}'"
    )
    return RunLock(folder / RUN_LOCK, purpose)


def _check_layer(data: Path, name: str, place: Path) -> None:
    if not place.is_relative_to(data):
        return
    # The data folder and its layers may be links to a larger disk; nothing below them may.
    layer = data / place.relative_to(data).parts[0]
    if not place.resolve().is_relative_to(layer.resolve()):
        raise UserError(
            f"'{name}' would lie outside its layer {layer}: {str(place)!r} is a link to "
            f"{str(place.resolve())!r}. Remove it; only {data} and its layers may be links"
        )


def _check_names(parameters: dict[str, Any], given: dict[str, Any]) -> None:
    names = [name for name in parameters if not name.startswith("_")]
    unknown = [name for name in [*names, *given] if name not in PARAMETERS]
    if unknown:
        raise UserError(
            f"unknown parameter '{unknown[0]}'; its first part must be one of "
            f"{', '.join(PARAMETERS)}"
        )


def _check_seed(seed: Any) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise UserError(f"seed={seed!r} must be a whole number from 0 to {MAX_SEED}")


def _check_load_versions(load_versions: dict[str, str], pipeline: Pipeline) -> None:
    for name in sorted(set(load_versions) & pipeline.all_outputs()):
        raise UserError(
            f"--load-versions={name}: this run computes {name} itself. Choose a version of a "
            "dataset that it only reads, or run fewer pipelines."
        )


def _check_earlier_pipelines(pipeline: Pipeline, catalog: DataCatalog) -> None:
    from kedro.framework.project import pipelines

    order = list(pipelines)
    missing = [
        # Folders are not results, so no pipeline makes them.
        (order.index(makers[0]), makers[0], name)
        for name in sorted(pipeline.inputs())
        if not name.startswith("param") and not catalog.exists(name)
        if not isinstance(catalog.get(name), OptionalJSONDataset)
        if (makers := [part for part in order if name in pipelines[part].all_outputs()])
    ]
    if missing:
        # The earliest pipeline: the others build on it.
        _, maker, name = min(missing)
        raise UserError(
            f"'{name}' is missing (or has no such version) for this corpus and protocol: run "
            f"kedro run --pipelines={maker} first, with the same --env and --params"
        )


def _check_made_with(
    pipeline: Pipeline, catalog: DataCatalog, corpus: Corpus, protocol: Protocol
) -> None:
    """Stop if saved clips or splits were made with other parameters or from other sources."""
    now = {"recordings": ("corpus.analysis", corpus.analysis), "splits": ("protocol", protocol)}
    stamps = {name: catalog.load(name).attrs for name in sorted(set(now) & pipeline.inputs())}
    for name, found in stamps.items():
        key, values = now[name]
        if found.get("made_with") != short_hash(values.model_dump()):
            raise UserError(
                f"the saved '{name}' were made with another {key} than this run's. Give the same "
                "--params again, or run all pipelines."
            )
    made_from = digest_of_sources(corpus)
    if stamps.get("recordings", {"made_from": made_from}).get("made_from") != made_from:
        raise UserError(
            f"the saved 'recordings' of corpus '{catalog.load('params:corpus_name')}' come from "
            "other corpus.sources or corpus.segments than this run's. If another corpus has the "
            "same name, rename yours in its file; otherwise run all pipelines again."
        )


def _check_analysis(corpus: Corpus, protocol: Protocol, name: str) -> None:
    analysis = corpus.analysis.model_dump()
    for key, value in protocol.analysis.items():
        if key not in analysis or analysis[key] != value:
            raise UserError(
                f"protocol '{name}' sets corpus.analysis.{key}={value}, which a run cannot change; "
                "choose another protocol"
            )


def _splits(
    pipeline: Pipeline, catalog: DataCatalog, corpus: Corpus, protocol: Protocol
) -> pd.DataFrame | None:
    """Splits that the run will make or read; None if they need fetching or decoding first."""
    if "splits" in pipeline.inputs():
        return catalog.load("splits")
    if "recording_folders" not in pipeline.inputs():
        return None
    from disentangled_audio.corpora.describe import MEASURED_COLUMNS
    from disentangled_audio.corpora.reading.expected import expected_columns, expected_items
    from disentangled_audio.evaluation.splits import make_splits, seeded_folds

    folders = catalog.load("recording_folders")
    columns = expected_columns(corpus, folders)
    known = list(dict.fromkeys([*columns, *MEASURED_COLUMNS]))
    asked = _columns(protocol)
    for key, column in [*asked, *_corpus_columns(corpus)]:
        if column not in known:
            raise UserError(
                f"{key} '{column}' is no column of corpus "
                f"'{catalog.load('params:corpus_name')}'; it has {', '.join(known)}"
            )
    items = expected_items(corpus, folders, protocol.target)
    if items is None or items.empty or not {column for _, column in asked} <= set(columns):
        return None
    seed = catalog.load("params:seed")
    if "fold_plan" in pipeline.all_outputs():
        asked = CrossValidationParameters.model_validate(catalog.load("params:cross_validation"))
        seeded_folds(items, protocol, asked.seeds or [seed])
    return make_splits(items, protocol, seed)


def _columns(protocol: Protocol) -> list[tuple[str, str]]:
    """Columns that a protocol names, with the naming key."""
    lists = {
        "protocol.target": [protocol.target],
        "protocol.group_by": protocol.group_by,
        "protocol.factors": protocol.factors,
        "protocol.where": list(protocol.where),
        "protocol.unlabelled": list(protocol.unlabelled),
        "protocol.split.column": [protocol.split.column] if protocol.split.column else [],
    }
    return [(key, column) for key, columns in lists.items() for column in columns]


def _corpus_columns(corpus: Corpus) -> list[tuple[str, str]]:
    """Columns that a corpus names for integrity and links, with the naming key."""
    expected = [("corpus.expected", column) for entry in corpus.expected for column in entry.where]
    linked = [("corpus.link.by", column) for column in (corpus.link.by if corpus.link else [])]
    return expected + linked


def _check_components(fourier: FourierParameters, n_training: int) -> None:
    if fourier.n_components > n_training:
        raise UserError(
            f"fourier.n_components={fourier.n_components} is more than the {n_training} training "
            f"rows; PCA allows {n_training} or less: add fourier.n_components={n_training} to "
            "--params"
        )
