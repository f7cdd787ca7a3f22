"""Folds of a cross-validation: each runs the usual pipelines in its own folder.

A fold has three parts: training of the network, classification, and measurement of the codes. The
key of a version is a hash of everything that the part is made with, and is saved first. A run with
the same key completes that version; any other run makes a new one. So another setting of the SVMs
trains no network again.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd
from kedro.io import AbstractVersionedDataset, CatalogProtocol, DataCatalog
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from disentangled_audio.parameters import Protocol
from disentangled_audio.parameters.names import is_name
from disentangled_audio.runs import said
from disentangled_audio.runs.catalog import file_system, load_path, local_folder
from disentangled_audio.runs.checks import check_places
from disentangled_audio.runs.manifest import manifest
from disentangled_audio.runs.versions import package_versions
from disentangled_audio.storage.hashing import code_hash, short_hash
from disentangled_audio.storage.locks import RUN_LOCK, locked

_logger = logging.getLogger(__name__)

_CHECKPOINT = "training_checkpoint"
_PROTOCOL = "params:protocol"
_MANIFEST = "run_manifest"
_LIBRARIES = ("scikit-learn", "keras", "tensorflow-cpu", "tensorflow")
# The names of a fold's entries begin with its folder.
_LONGEST_FOLDER = 40


def folder_of(fold: str) -> str:
    """Folder and namespace of a fold, different for each fold.

    ASCII letters, digits and `-` stay; every other byte becomes `_` and two hexadecimal digits. A
    name that is too long, or special to a file system, ends in `__` and its hash.
    """
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter == "-") else _escaped(letter)
        for letter in fold
    )
    if is_name(kept) and len(kept) <= _LONGEST_FOLDER:
        return kept
    # No escaped byte contains `__`, so no other name ends like this.
    return f"{kept.lstrip('-')[: _LONGEST_FOLDER - 18]}__{short_hash(fold)}"


def _escaped(letter: str) -> str:
    return "".join(f"_{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))


def result_key(stages: Iterable[str], *made_with: Any) -> str:
    """Hash of a result's inputs, of the code of the stages that make it, and of libraries."""
    code = [code_hash(stage) for stage in stages]
    return short_hash([*code, package_versions(_LIBRARIES), *made_with])


@dataclass(frozen=True)
class FoldPipelines:
    """Pipelines that run in each fold.

    Attributes
    ----------
    training
        From the split to the codes.
    classification
        From features and codes to the predictions.
    measurement
        Measurement of the codes.
    """

    training: Pipeline
    classification: Pipeline
    measurement: Pipeline

    @property
    def whole(self) -> Pipeline:
        """All parts."""
        return self.training + self.classification + self.measurement

    @property
    def own(self) -> set[str]:
        """Datasets that each fold has for itself."""
        return self.whole.all_outputs() | {_CHECKPOINT}

    @property
    def shared(self) -> set[str]:
        """Datasets that all folds read."""
        read = self.whole.inputs() - self.own
        return {name for name in read if not name.startswith("params:")}

    def of(self, folder: str, part: Pipeline) -> Pipeline:
        """Copy a part for the datasets and the protocol of a fold."""
        inputs = part.inputs() - self.own
        parameters = {name for name in inputs if name.startswith("params:")}
        return Pipeline(
            part, namespace=folder, inputs=inputs - parameters, parameters=parameters - {_PROTOCOL}
        )


class _Part(NamedTuple):
    name: str
    # Versions of what it may read of the fold's training, by names without the fold.
    read: dict[str, str]

    @property
    def key_name(self) -> str:
        """Column of a `fold_plan`, and entry of the fold, with the key."""
        return f"{self.name}_key"


@dataclass
class FoldRuns:
    """Completes planned folds.

    Attributes
    ----------
    pipelines
        Pipelines of each fold.
    project
        Folder of the project.
    catalog
        Catalog of the run that needs the folds.
    entries
        Makes a catalog with the same entries and other versions, like `DataCatalog.from_config`.
    hook_manager
        Its hooks are called for nodes of folds too.
    facts
        Facts of the run, for manifests of folds; a hook adds the seconds of each node.
    """

    pipelines: FoldPipelines
    project: Path
    catalog: CatalogProtocol
    entries: Callable[..., DataCatalog]
    hook_manager: Any
    facts: dict[str, Any]

    def run(self, plan: pd.DataFrame) -> None:
        """Train and measure all folds of a `fold_plan`, except what is already there."""
        with said.once():
            for number, fold in enumerate(plan.itertuples(), start=1):
                _logger.info("fold %s (%d of %d)", fold.fold, number, len(plan))
                with _locked(self.catalog[f"{fold.folder}.{_MANIFEST}"]):
                    self._run_fold(fold)

    def _run_fold(self, fold: Any) -> None:
        training = self._run_part(fold, _Part("training", {}))
        trained = {*self.pipelines.training.all_outputs(), _MANIFEST}
        read = dict.fromkeys(trained, training)
        self._run_part(fold, _Part("classification", read))
        if fold.measurement_key:
            self._run_part(fold, _Part("measurement", read))

    def _run_part(self, fold: Any, part: _Part) -> str:
        """Complete a part and its manifest, and return its version."""
        pipeline = self.pipelines.of(fold.folder, getattr(self.pipelines, part.name))
        version = self._version(fold, part)
        catalog = self._catalog_of(fold, part, pipeline, version)
        check_places(self.project, {}, pipeline, catalog)
        _remove_halves(pipeline, catalog)
        SequentialRunner().run(
            pipeline, catalog, self.hook_manager, run_id=version, only_missing_outputs=True
        )
        name = f"{fold.folder}.{_MANIFEST}"
        if not catalog.exists(name):
            catalog.save(name, self._manifest(fold, part, pipeline, catalog))
        return version

    def _version(self, fold: Any, part: _Part) -> str:
        """Version with the part's key, or a new one."""
        name, key = f"{fold.folder}.{part.key_name}", getattr(fold, part.key_name)
        catalog = self.entries()
        for version in catalog[name].list_versions(full_path=False):
            if catalog.load(name, version=version).get("key") == key:
                return version
        catalog.save(name, {"key": key})
        return catalog[name].resolve_save_version()

    def _catalog_of(self, fold: Any, part: _Part, pipeline: Pipeline, version: str) -> DataCatalog:
        """Catalog with the versions of all entries that a part reads and makes."""
        made = {*getattr(self.pipelines, part.name).all_outputs(), part.key_name}
        versions = {
            f"{fold.folder}.{name}": of_part
            for name, of_part in {**part.read, **dict.fromkeys(made, version)}.items()
        }
        versions[f"{fold.folder}.{_MANIFEST}"] = version
        for name in self.pipelines.shared:
            dataset = self.catalog[name]
            if isinstance(dataset, AbstractVersionedDataset):
                versions[name] = dataset.resolve_load_version()
        catalog = self.entries(load_versions=versions, save_version=version)
        for name in pipeline.inputs():
            if name.startswith("params:"):
                catalog[name] = self._parameter(name, fold)
        return catalog

    def _parameter(self, name: str, fold: Any) -> Any:
        if name == f"params:{fold.folder}.protocol":
            return Protocol.model_validate_json(fold.protocol)
        if name == "params:seed":
            return int(fold.seed)
        return self.catalog.load(name)

    def _manifest(
        self, fold: Any, part: _Part, pipeline: Pipeline, catalog: DataCatalog
    ) -> dict[str, Any]:
        """Manifest of the part, with names as if the fold had run alone."""
        protocol = Protocol.model_validate_json(fold.protocol).model_dump(mode="json")
        prefix = f"{fold.folder}."
        facts = {
            **self.facts,
            "run_id": catalog[f"{prefix}{part.key_name}"].resolve_load_version(),
            "fold": fold.fold,
            "key": getattr(fold, part.key_name),
            "parameters": {
                **self.facts["parameters"],
                "protocol": protocol,
                "seed": int(fold.seed),
            },
            # Only of nodes that ran to complete the part.
            "seconds": {
                node.name.removeprefix(prefix): self.facts["seconds"][node.name]
                for node in pipeline.nodes
                if node.name in self.facts["seconds"]
            },
        }
        described = pipeline
        if part.name == "classification":
            # Classifying recordings needs the models of both parts.
            described += self.pipelines.of(fold.folder, self.pipelines.training)
        made = manifest(facts, described, catalog, fold.folder)
        versions = made["dataset_versions"]
        versions[part.key_name] = facts["run_id"]
        # The other parts depend on the training and on its manifest.
        of_training = {*versions, _MANIFEST} & part.read.keys()
        versions |= {name: part.read[name] for name in of_training}
        return made


def _remove_halves(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Remove incomplete outputs of nodes that were killed while saving."""
    for node in pipeline.nodes:
        saved = [name for name in node.outputs if catalog.exists(name)]
        if len(saved) == len(node.outputs):
            continue
        for name in saved:
            dataset = catalog[name]
            version = PurePosixPath(load_path(dataset)).parent
            file_system(dataset).rm(str(version), recursive=True)
            catalog.release(name)


@contextmanager
def _locked(dataset: Any) -> Iterator[None]:
    """Allow one job at a time on a fold; another one waits, and then finds it done."""
    folder = local_folder(dataset)
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / RUN_LOCK, wait=True):
        yield
