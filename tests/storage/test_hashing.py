"""A result is made anew when the code that computes it has changed."""

import ast
from pathlib import Path

import pytest

from disentangled_audio.storage.hashing import _SOURCES
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "src" / "disentangled_audio"


def _modules(file: Path) -> set[Path]:
    """Files of the same package that a file imports, when it is imported or later."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {PACKAGE.parent / f"{name.replace('.', '/')}.py" for name in names}
    return {path for path in found if path.parent == file.parent and path.is_file()}


def _reached(file: Path) -> set[Path]:
    reached, new = set(), {file}
    while new:
        reached |= new
        new = set().union(*map(_modules, new)) - reached
    return reached


@pytest.mark.parametrize("stage", _SOURCES)
def test_the_sources_of_a_stage_are_there(stage: str) -> None:
    for pattern in _SOURCES[stage]:
        assert list(PACKAGE.glob(pattern)), pattern


def test_all_that_training_is_made_of_decides_whether_it_goes_on() -> None:
    needed = _reached(PACKAGE / "models" / "training.py")
    assert PACKAGE / "models" / "augmentation.py" in needed
    listed = {path for pattern in _SOURCES["training"] for path in PACKAGE.glob(pattern)}
    assert needed <= listed, sorted(path.name for path in needed - listed)
