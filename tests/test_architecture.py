"""What DESIGN promises of the structure: direction of imports, catalog, start-up time."""

import ast
import inspect
import json
import subprocess
import sys
import textwrap
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import version
from pathlib import Path

import pytest
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_datasets.pandas import CSVDataset

from disentangled_audio.pipeline_registry import fold_pipelines
from tests.conftest import REPOSITORY, make_project

PACKAGE = REPOSITORY / "src" / "disentangled_audio"
LAYERS = [
    *("01_raw", "02_primary", "03_feature", "04_representation", "05_classifier", "06_hybrid"),
    "07_reporting",
]
# Each package, and the packages of the project that it may import beside itself; `parameters` and
# `errors`, the two lowest, are open to all.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "parameters": set(),
    "signal": set(),
    "storage": set(),
    "datasets": {"storage"},
    "evaluation": {"signal"},
    "corpora": {"storage", "signal"},
    "runs": {"corpora", "datasets", "evaluation", "storage"},
    "models": {"runs", "corpora", "evaluation", "storage", "signal"},
    "plots": set(),
    "report": {"plots", "models", "evaluation", "signal", "storage"},
}
ALL = set(MAY_IMPORT)
MAY_IMPORT |= {
    "pipelines": ALL,
    "cli": ALL,
    # The files at the root; `__init__` leads to the classifier, and to nothing else.
    "__init__": {"models"},
    "__main__": set(),
    "pipeline_registry": {*ALL, "pipelines"},
    "hooks": {*ALL, "pipeline_registry"},
    "settings": {"hooks", "runs"},
}
ROOT = {"__init__", "__main__", "settings", "pipeline_registry", "hooks", "errors"}
FOREIGN = {
    "signal": {"numpy", "scipy"},
    "datasets": {
        *("fsspec", "h5py", "kedro", "kedro_datasets", "keras", "matplotlib"),
        *("numpy", "pyarrow", "skops", "zarr"),
    },
}


def _imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            if node.module == "disentangled_audio":
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _files(part: str) -> list[Path]:
    return sorted((PACKAGE / part).rglob("*.py"))


def _graph() -> dict[str, set[str]]:
    """Each file of the package, and the files that it imports, by their names in the package."""
    files = {_name(path): path for path in _files(".")}
    return {name: _own(path, set(files)) - {name} for name, path in files.items()}


def _name(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name if name == "__init__" else name.removesuffix(".__init__")


def _own(path: Path, files: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "disentangled_audio":
            module = node.module.removeprefix("disentangled_audio").removeprefix(".")
            for alias in node.names:
                full = f"{module}.{alias.name}".removeprefix(".")
                found.add(full if full in files else module)
    return found & files


def test_nothing_else_is_at_the_root() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT
    assert {name.partition(".")[0] for name in _graph()} == set(MAY_IMPORT)


def test_imports_point_in_one_direction() -> None:
    for name, imported in _graph().items():
        part = name.partition(".")[0]
        allowed = MAY_IMPORT[part] | {part, "errors"} | ({"parameters"} - {part})
        for other in imported:
            assert other.partition(".")[0] in allowed, f"{name} imports {other}"
        if part == "pipelines":
            beside = {other for other in imported if other.startswith("pipelines.")}
            pipeline = name.split(".")[1:2]
            assert all(other.split(".")[1:2] == pipeline for other in beside), name


def test_files_import_each_other_in_no_circle() -> None:
    graph = _graph()
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of files: {' -> '.join(error.args[1])}")


def test_a_pipeline_is_its_nodes_and_their_order() -> None:
    for folder in PACKAGE.glob("pipelines/*/"):
        if folder.name != "__pycache__":
            names = {path.name for path in folder.glob("*.py")}
            assert names == {"__init__.py", "nodes.py", "pipeline.py"}, folder


def test_files_on_disk_are_found_without_reading_them() -> None:
    """`corpora/reading` builds on `corpora/sources`, which does not lead back to it."""
    for part in ("sources", "generators"):
        for path in _files(f"corpora/{part}"):
            back = {"disentangled_audio.corpora.reading", "disentangled_audio.corpora.describe"}
            assert not any(name.startswith(tuple(back)) for name in _imports(path)), path


@pytest.mark.parametrize("part", FOREIGN)
def test_parts_with_few_dependencies(part: str) -> None:
    for path in _files(part):
        foreign = {name.split(".")[0] for name in _imports(path)} - set(sys.stdlib_module_names)
        assert foreign - {"disentangled_audio"} <= FOREIGN[part], path


def test_content_is_hashed_in_one_file() -> None:
    using = {path for path in _files(".") if "hashlib" in _imports(path)}
    assert using == {PACKAGE / "storage" / "hashing.py"}


def test_only_pipelines_and_datasets_know_kedro() -> None:
    for part in ALL - {"datasets", "runs"}:
        for path in _files(part):
            assert not any(name.split(".")[0] == "kedro" for name in _imports(path)), path


# With which every use of Kedro's private parts in `runs/catalog.py` and `datasets/` was checked.
KEDRO_CHECKED = "1.7"


def test_private_parts_of_kedro_are_used_in_datasets_and_one_file_alone() -> None:
    private = _private_names(
        *(AbstractVersionedDataset, CSVDataset, DataCatalog, KedroContext, KedroSession),
        *(Pipeline, Node),
    )
    assert {"_filepath", "_fs", "_get_load_path", "_version", "_hook_manager"} <= private
    for path in _files("."):
        if path.parent.name == "datasets" or path == PACKAGE / "runs" / "catalog.py":
            continue
        named = {
            str(node.args[1].value)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
            and getattr(node.func, "id", "") == "getattr"
            and isinstance(node.args[1], ast.Constant)
        }
        used = named | {
            node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute)
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        }
        assert not used & private, f"{path}: move it to runs/catalog.py"
        hidden = {name for name in _imports(path) if name.startswith("kedro") and "._" in name}
        assert not hidden, path


def test_kedro_is_the_version_that_its_private_parts_were_checked_with() -> None:
    installed = ".".join(version("kedro").split(".")[:2])
    assert installed == KEDRO_CHECKED, (
        f"Kedro {installed} is installed: compare what runs/catalog.py and datasets/atomic.py use "
        f"of its private parts with Kedro {KEDRO_CHECKED}'s, then change KEDRO_CHECKED here"
    )


def _private_names(*classes: type) -> set[str]:
    """Names with one underscore that some classes and their bases define or assign."""
    found = set()
    for each in {base for owner in classes for base in owner.__mro__} - {object}:
        try:
            source = ast.parse(textwrap.dedent(inspect.getsource(each)))
        except (OSError, TypeError):
            continue
        defined = {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef)}
        found |= defined | {
            node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)
        }
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def _everything() -> Pipeline:
    return sum((pipelines[name] for name in pipelines), start=Pipeline([]))


def test_every_pipeline_is_registered() -> None:
    bootstrap_project(REPOSITORY)
    assert set(pipelines) == {
        "ingestion",
        "feature_engineering",
        "representation_learning",
        "svm_classification",
        "audit",
        "reporting",
        "cross_validation",
        "folds",
        "disentanglement",
        "inference",
        "__default__",
    }
    whole = {"__default__", "cross_validation", "folds", "disentanglement", "inference"}
    parts = sum(len(pipelines[name].nodes) for name in pipelines if name not in whole)
    assert len(pipelines["__default__"].nodes) == parts


def test_every_dataset_is_in_the_catalog_with_layer_and_description(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    bootstrap_project(project)
    with KedroSession.create(project, env="test") as session:
        catalog = session.load_context().catalog
    names = {name for name in _everything().datasets() if "params:" not in name}
    names |= {"run_manifest", *(f"0.{name}" for name in fold_pipelines().own)}
    names |= {"0.run_manifest", "0.training_key", "0.classification_key", "0.measurement_key"}
    for name in sorted(names - {"parameters"}):
        dataset = catalog.get(name)
        assert dataset is not None, f"{name} would silently be a MemoryDataset"
        # Only what a hook saves is kept in memory.
        assert (type(dataset).__name__ == "MemoryDataset") == (name == "run_facts"), name
        metadata = dataset.metadata
        assert metadata["description"], name
        assert metadata["kedro-viz"]["layer"] in LAYERS, name


def test_layers_form_no_cycle() -> None:
    """Kedro-Viz drops every layer when two of them point at each other."""
    bootstrap_project(REPOSITORY)
    with KedroSession.create(REPOSITORY, env="test") as session:
        catalog = session.load_context().catalog

    def level(name: str) -> int:
        return LAYERS.index(catalog.get(name).metadata["kedro-viz"]["layer"])

    folds = fold_pipelines()
    of_fold = sum(folds.of("0", part) for part in (folds.training, folds.measurement))
    for node in [*_everything().nodes, *of_fold.nodes]:
        inputs = [name for name in node.inputs if not name.startswith("param")]
        for source in inputs:
            for result in node.outputs:
                assert level(source) <= level(result), f"{node.name}: {source} -> {result}"


def test_every_node_has_a_docstring() -> None:
    for node in _everything().nodes:
        assert node.func.__doc__, node.name


def test_registry_is_listed_without_heavy_imports() -> None:
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from kedro.framework.startup import bootstrap_project\n"
        "from kedro.framework.project import pipelines\n"
        "bootstrap_project(Path.cwd())\n"
        "assert len(pipelines) == 11\n"
        "print(json.dumps([m for m in sys.modules if '.' not in m]))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(shown.stdout.splitlines()[-1]))
    heavy = {"tensorflow", "keras", "sklearn", "matplotlib", "zarr", "skops", "onnxruntime"}
    assert loaded.isdisjoint(heavy)
