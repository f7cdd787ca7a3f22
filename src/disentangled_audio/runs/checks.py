"""Checks across parameters and saved datasets, made before the first node runs."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from disentangled_audio.datasets.optional_json_dataset import OptionalJSONDataset
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import GROUPS, Corpus, FourierParameters, Protocol
from disentangled_audio.runs.provenance import digest_of_sources
from disentangled_audio.storage.hashing import short_hash
from disentangled_audio.storage.safe_names import checked_version

# NumPy, scikit-learn and Keras all take it, with a little room for seeds derived from it.
MAX_SEED = 2**31 - 1
PARAMETERS = ("seed", "corpus_name", "protocol_name", "corpus_file", *GROUPS)


def check_run(run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Stop a run whose parameters, corpus or earlier results cannot fit together.

    Raises
    ------
    UserError
        Naming the key, its value and what is allowed.
    """
    _check_names(catalog.load("parameters"), run_params["runtime_params"] or {})
    _check_seed(catalog.load("params:seed"))
    _check_load_versions(run_params["load_versions"] or {}, pipeline)
    _check_earlier_pipelines(pipeline, catalog)
    # Kedro has validated them only where a node of this run asks for them.
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
    """Stop where a dataset or a version would lie out of its layer, or in another dataset.

    A path that the user's own catalog sets outside of the project's data folder stays allowed.

    Raises
    ------
    UserError
        Naming the dataset and its path.
    """
    for name, version in load_versions.items():
        checked_version(version, f"--load-versions={name}")
    names = sorted({*pipeline.datasets(), "run_manifest"})
    places = {name: place for name in names if (place := _place(project, catalog.get(name)))}
    owners = {place: name for name, place in places.items()}
    for name, place in places.items():
        if ".." in place.parts:
            raise UserError(f"'{name}' would lie out of its folder: its path is {str(place)!r}")
        inside = next((owners[above] for above in place.parents if above in owners), None)
        if inside is not None:
            raise UserError(
                f"'{name}' would lie inside of '{inside}', {str(place)!r}: give the corpus or "
                "protocol another name"
            )
        _check_layer(project / "data", name, place)


def _place(project: Path, dataset: Any) -> Path | None:
    """Where a dataset lies; of a store, the path in it."""
    place = getattr(dataset, "_filepath", getattr(dataset, "_folder", None))
    if place is None:
        return None
    on_disk = getattr(dataset, "_protocol", "file") == "file"
    return project / place if on_disk else Path(place)


def _check_layer(data: Path, name: str, place: Path) -> None:
    if not place.is_relative_to(data):
        return
    # The data folder and its layers may be links to a larger disk, what is below them may not.
    layer = data / place.relative_to(data).parts[0]
    if not place.resolve().is_relative_to(layer.resolve()):
        raise UserError(
            f"'{name}' would lie out of its layer {layer}: {str(place)!r} leads by a link to "
            f"{str(place.resolve())!r}. Remove the link; {data} and its layers may be links"
        )


def _check_names(parameters: dict[str, Any], given: dict[str, Any]) -> None:
    names = [name for name in parameters if not name.startswith("_")]
    unknown = [name for name in [*names, *given] if name not in PARAMETERS]
    if unknown:
        raise UserError(
            f"unknown parameter '{unknown[0]}'; the first part is one of {', '.join(PARAMETERS)}"
        )


def _check_seed(seed: Any) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise UserError(f"seed={seed!r} must be a whole number from 0 to {MAX_SEED}")


def _check_load_versions(load_versions: dict[str, str], pipeline: Pipeline) -> None:
    for name in sorted(set(load_versions) & pipeline.all_outputs()):
        raise UserError(
            f"--load-versions={name}: this run makes {name} anew. Choose a version of something "
            "that it only reads, or run fewer pipelines."
        )


def _check_earlier_pipelines(pipeline: Pipeline, catalog: DataCatalog) -> None:
    from kedro.framework.project import pipelines

    order = list(pipelines)
    missing = [
        # Folders have no maker: they are not results.
        (order.index(makers[0]), makers[0], name)
        for name in sorted(pipeline.inputs())
        if not name.startswith("param") and not catalog.exists(name)
        if not isinstance(catalog.get(name), OptionalJSONDataset)
        if (makers := [part for part in order if name in pipelines[part].all_outputs()])
    ]
    if missing:
        # The earliest, since the others build on it.
        _, maker, name = min(missing)
        raise UserError(
            f"'{name}' is not there (or not in this version) for this corpus and protocol: run "
            f"kedro run --pipelines={maker} first, with the same --env and --params"
        )


def _check_made_with(
    pipeline: Pipeline, catalog: DataCatalog, corpus: Corpus, protocol: Protocol
) -> None:
    """Stop where saved clips or splits were made with or from other than this run names."""
    now = {"recordings": ("corpus.analysis", corpus.analysis), "splits": ("protocol", protocol)}
    stamps = {name: catalog.load(name).attrs for name in sorted(set(now) & pipeline.inputs())}
    for name, found in stamps.items():
        key, values = now[name]
        if found.get("made_with") != short_hash(values.model_dump()):
            raise UserError(
                f"the saved '{name}' were made with another {key} than this run's. Give the same "
                "--params as then, or run all pipelines again."
            )
    made_from = digest_of_sources(corpus)
    if stamps.get("recordings", {"made_from": made_from}).get("made_from") != made_from:
        raise UserError(
            f"the saved 'recordings' of corpus '{catalog.load('params:corpus_name')}' come from "
            "other corpus.sources than this run's. Is it another corpus of the same name? Then "
            "give yours a name of its own in its file; or run all pipelines again."
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
    """Splits that the run will make or read; None where only fetching or decoding tells them."""
    if "splits" in pipeline.inputs():
        return catalog.load("splits")
    if "recording_folders" not in pipeline.inputs():
        return None
    from disentangled_audio.corpora.describe import MEASURED_COLUMNS
    from disentangled_audio.corpora.reading.expected import expected_columns, expected_items
    from disentangled_audio.evaluation.splits import make_splits

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
    items = expected_items(corpus, folders)
    if items is None or items.empty or not {column for _, column in asked} <= set(columns):
        return None
    return make_splits(items, protocol, catalog.load("params:seed"))


def _columns(protocol: Protocol) -> list[tuple[str, str]]:
    """Every column that a protocol names, with the key that names it."""
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
    """Every column that a corpus names for its integrity and its links."""
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
