"""A result is computed again when the code that computes it has changed, and only then."""

import ast
import hashlib
from pathlib import Path

import pytest

from disentangled_audio.pipelines.cross_validation.nodes import (
    CLASSIFIED_BY,
    MEASURED_BY,
    TRAINED_BY,
)
from disentangled_audio.storage.hashing import _SOURCES, bytes_hash
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "src" / "disentangled_audio"


def _listed(stage: str) -> set[Path]:
    return {path for pattern in _SOURCES[stage] for path in PACKAGE.glob(pattern)}


def _imports(file: Path, folder: Path) -> set[Path]:
    """Files in `folder` that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {PACKAGE.parent / f"{name.replace('.', '/')}.py" for name in names}
    return {path for path in found if path.parent == folder and path.is_file()}


def _reached(files: set[Path], folder: Path) -> set[Path]:
    reached, new = set(files), set(files)
    while new:
        new = set().union(*(_imports(file, folder) for file in new)) - reached
        reached |= new
    return reached


@pytest.mark.parametrize("stage", _SOURCES)
def test_every_source_pattern_matches_a_file(stage: str) -> None:
    for pattern in _SOURCES[stage]:
        assert list(PACKAGE.glob(pattern)), pattern


def test_every_module_that_training_imports_decides_whether_it_is_resumed() -> None:
    needed = _reached({PACKAGE / "models" / "training.py"}, PACKAGE / "models")
    assert PACKAGE / "models" / "augmentation.py" in needed
    assert needed <= _listed("training")


@pytest.mark.parametrize("stage", ["clips", "features", "embedding", "audit", "shared_sound"])
def test_a_stage_depends_on_exactly_the_signal_code_that_it_imports(stage: str) -> None:
    signal = PACKAGE / "signal"
    others = {path for path in _listed(stage) if path.parent != signal}
    assert _reached(others, signal) - others == _listed(stage) - others
    synthesis = {signal / name for name in ("room_sound.py", "equipment.py", "tones.py")}
    assert all(path.is_file() for path in synthesis)
    assert not synthesis & _listed(stage)


def test_a_fold_is_made_again_when_code_of_its_nodes_changes() -> None:
    """Nodes of a fold use files of these folders; each belongs to a stage of its key."""
    nodes = {
        PACKAGE / "pipelines" / name / "nodes.py"
        for name in ("feature_engineering", "representation_learning", "svm_classification")
    }
    measured = PACKAGE / "pipelines" / "disentanglement" / "nodes.py"
    listed = set().union(*map(_listed, (*TRAINED_BY, *CLASSIFIED_BY)))
    models = _reached(nodes, PACKAGE / "models") - nodes
    assert PACKAGE / "models" / "svm.py" in models
    assert models | nodes <= listed
    listed |= set().union(*map(_listed, MEASURED_BY))
    representation = PACKAGE / "evaluation" / "representation"
    used = _reached({measured}, PACKAGE / "models") | _reached({measured}, representation)
    assert used <= listed


def test_parts_are_hashed_as_if_they_were_joined() -> None:
    parts = [b"one", memoryview(b"two"), b""]
    assert bytes_hash(parts) == hashlib.sha256(b"onetwo").hexdigest()
