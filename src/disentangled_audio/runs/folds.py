"""Folds of a cross-validation: each a run of the usual pipelines, in a folder of its own.

A fold has two parts, training and measurement. What a version of a part was made with is hashed
in its key, which is saved before all else of that version. A run with the same key makes what is
still missing of that version; any other run makes a version of its own.
"""

import logging
from collections.abc import Callable, Iterator
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
# Entries of a fold have names that begin with it.
_LONGEST_FOLDER = 40


def folder_of(fold: str) -> str:
    """Folder and namespace of a fold; those of different folds differ.

    Letters and digits of ASCII and `-` stay; each byte of all else becomes `_` and two digits. A
    name that is too long, or means something to a file system, ends in `__` and its hash.
    """
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter == "-") else _escaped(letter)
        for letter in fold
    )
    if is_name(kept) and len(kept) <= _LONGEST_FOLDER:
        return kept
    # `__` is no escaped byte, so that no other name ends like this.
    return f"{kept.lstrip('-')[: _LONGEST_FOLDER - 18]}__{short_hash(fold)}"


def _escaped(letter: str) -> str:
    return "".join(f"_{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))


def result_key(*made_with: Any) -> str:
    """Hash of what a result was made with, of the code that makes it and of its libraries."""
    code = [code_hash("features"), code_hash("training"), package_versions(_LIBRARIES)]
    return short_hash([*code, *made_with])


@dataclass(frozen=True)
class FoldPipelines:
    """What is run in each fold.

    Attributes
    ----------
    training
        From the split to the predictions.
    measurement
        What is then measured of the codes.
    """

    training: Pipeline
    measurement: Pipeline

    @property
    def own(self) -> set[str]:
        """Datasets of which each fold has its own."""
        return self.training.all_outputs() | self.measurement.all_outputs() | {_CHECKPOINT}

    @property
    def shared(self) -> set[str]:
        """Datasets that all folds read."""
        read = self.training.inputs() | self.measurement.inputs()
        return {name for name in read - self.own if not name.startswith("params:")}

    def of(self, folder: str, part: Pipeline) -> Pipeline:
        """A part with the fold's own datasets, splits and protocol."""
        inputs = part.inputs() - self.own
        parameters = {name for name in inputs if name.startswith("params:")}
        return Pipeline(
            part,
            namespace=folder,
            inputs=inputs - parameters,
            parameters=parameters - {_PROTOCOL},
        )


class _Part(NamedTuple):
    name: str
    template: Pipeline
    key: str
    # Versions of what another part of this fold has made, by the names of the template.
    read: dict[str, str]


@dataclass
class FoldRuns:
    """Makes what is missing of planned folds.

    Attributes
    ----------
    pipelines
        What is run in each fold.
    project
        Folder of the project.
    catalog
        Of the run that asks for the folds.
    entries
        Makes a catalog of the same entries with other versions, as `DataCatalog.from_config` does.
    hook_manager
        Hears of the folds' nodes too.
    facts
        Of the run, for the folds' manifests; a hook fills in the seconds while nodes run.
    """

    pipelines: FoldPipelines
    project: Path
    catalog: CatalogProtocol
    entries: Callable[..., DataCatalog]
    hook_manager: Any
    facts: dict[str, Any]

    def run(self, plan: pd.DataFrame) -> None:
        """Train and measure all folds of a `fold_plan`; what is there is not made again."""
        for number, fold in enumerate(plan.itertuples(), start=1):
            _logger.info("fold %s (%d of %d)", fold.fold, number, len(plan))
            with _locked(self.catalog[f"{fold.folder}.{_MANIFEST}"]):
                self._run_fold(fold)

    def _run_fold(self, fold: Any) -> None:
        training = self.pipelines.training
        version = self._run_part(fold, _Part("training", training, fold.training_key, {}))
        if not fold.measurement_key:
            return
        read = dict.fromkeys({*training.all_outputs(), _MANIFEST}, version)
        measurement = self.pipelines.measurement
        self._run_part(fold, _Part("measurement", measurement, fold.measurement_key, read))

    def _run_part(self, fold: Any, part: _Part) -> str:
        """Make what is missing of a part, then its manifest; gives its version."""
        pipeline = self.pipelines.of(fold.folder, part.template)
        version = self._version(fold.folder, part)
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

    def _version(self, folder: str, part: _Part) -> str:
        """The version that was begun with the part's key, or a new one."""
        name = f"{folder}.{part.name}_key"
        catalog = self.entries()
        for version in catalog[name].list_versions(full_path=False):
            if catalog.load(name, version=version).get("key") == part.key:
                return version
        catalog.save(name, {"key": part.key})
        return catalog[name].resolve_save_version()

    def _catalog_of(self, fold: Any, part: _Part, pipeline: Pipeline, version: str) -> DataCatalog:
        """The entries that a part reads and makes, each with the one version that is meant."""
        made = {*part.template.all_outputs(), f"{part.name}_key"}
        versions = {
            f"{fold.folder}.{name}": of_part
            for name, of_part in {**part.read, **dict.fromkeys(made, version)}.items()
        }
        versions[f"{fold.folder}.{_MANIFEST}"] = version
        for name in pipeline.inputs() & self.pipelines.shared:
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
        return self.catalog.load(name)

    def _manifest(
        self, fold: Any, part: _Part, pipeline: Pipeline, catalog: DataCatalog
    ) -> dict[str, Any]:
        """As of a run of the fold alone, by the names that entries have there."""
        protocol = Protocol.model_validate_json(fold.protocol).model_dump(mode="json")
        prefix = f"{fold.folder}."
        facts = {
            **self.facts,
            "run_id": catalog[f"{prefix}{part.name}_key"].resolve_load_version(),
            "fold": fold.fold,
            "key": part.key,
            "parameters": {**self.facts["parameters"], "protocol": protocol},
            # Of what the run that finished the part had to do.
            "seconds": {
                node.name.removeprefix(prefix): self.facts["seconds"][node.name]
                for node in pipeline.nodes
                if node.name in self.facts["seconds"]
            },
        }
        made = manifest(facts, pipeline, catalog, fold.folder)
        versions = made["dataset_versions"]
        versions[f"{part.name}_key"] = facts["run_id"]
        if part.read:
            # A measurement needs the run that it measures.
            versions[_MANIFEST] = part.read[_MANIFEST]
        return made


def _remove_halves(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Remove outputs of nodes that were killed while they saved: they are all made again."""
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
    """One job at a time on a fold; another that wants it waits, and then finds it done."""
    folder = local_folder(dataset)
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / RUN_LOCK, wait=True):
        yield
