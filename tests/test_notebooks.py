"""The notebook runs on a finished run, and is committed without outputs."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

REPOSITORY = Path(__file__).parents[1]
NOTEBOOK = REPOSITORY / "notebooks" / "01_results.ipynb"
FIGURES = {"comparison", "confusion", "codes", "training", "reconstruction"}
TABLES = {"scores", "classes", "kinds", "errors-groups", "disentangler", "versions"}


@pytest.fixture(scope="module")
def executed(tiny_run: Path) -> dict[str, list[Any]]:
    """Outputs of every code cell by the cell's id, after a run on the tiny twin."""
    before = _files(tiny_run / "data")
    # Jupyter starts a kernel in the notebook's own folder.
    folder = tiny_run / "notebooks"
    client = NotebookClient(
        nbformat.read(folder / NOTEBOOK.name, as_version=4),
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEDRO_ENV", "test")
        notebook = client.execute()
    assert _files(tiny_run / "data") == before, "the notebook wrote to the catalog"
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _data(outputs: list[Any], mime: str) -> str:
    return "".join(output.data.get(mime, "") for output in outputs if "data" in output)


def _streams(outputs: list[Any], name: str) -> str:
    return "".join(output.text for output in outputs if output.get("name") == name)


def test_the_notebook_is_valid_and_committed_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_the_notebook_reads_from_the_catalog_only():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")

    assert "catalog.load(" in source
    for word in ("catalog.save", "read_csv", "read_parquet", "open(", "Path(", "data/"):
        assert word not in source


def test_no_cell_fails_or_warns(executed: dict[str, list[Any]]):
    errors = [o for outputs in executed.values() for o in outputs if o.output_type == "error"]
    complaints = {cell: _streams(outputs, "stderr") for cell, outputs in executed.items()}

    assert not errors
    assert not {cell: text for cell, text in complaints.items() if "warning" in text.lower()}
    # Kedro logs to the cell, not to stderr.
    shown = "".join(_data(outputs, "text/plain") for outputs in executed.values())
    assert "WARNING" not in shown


def test_the_title_says_that_recordings_are_simulated(executed: dict[str, list[Any]]):
    title = _data(executed["title"], "text/markdown")

    assert "corpus twin_tiny (simulated recordings)" in title
    assert "say nothing about real ones" in title


@pytest.mark.parametrize("cell", sorted(FIGURES))
def test_figures_are_shown(executed: dict[str, list[Any]], cell: str):
    assert len(_data(executed[cell], "image/png")) > 1000


@pytest.mark.parametrize("cell", sorted(TABLES))
def test_tables_are_shown(executed: dict[str, list[Any]], cell: str):
    assert "<table" in _data(executed[cell], "text/html")


def test_models_and_controls_are_in_one_table(executed: dict[str, list[Any]]):
    table = _data(executed["scores"], "text/html")

    for name in ("svm", "code_svm", "cnn", "hybrid", "majority", "duration", "byte_size"):
        assert f"<th>{name}</th>" in table
    assert "95 % interval" in table


def test_errors_are_counted(executed: dict[str, list[Any]]):
    assert "test items are named wrongly" in _streams(executed["errors-items"], "stdout")
