"""The notebooks run on a finished run, and are committed without outputs."""

import itertools
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import load_catalog

REPOSITORY = Path(__file__).parents[1]
RESULTS, REPRESENTATIONS = "01_results.ipynb", "02_representations.ipynb"
OWN_DATA = "03_own_data.ipynb"
NOTEBOOKS = [RESULTS, REPRESENTATIONS, OWN_DATA]
FIGURES = {
    RESULTS: {
        *("comparison", "confusion", "errors-heard"),
        *("codes", "training", "reconstruction"),
    },
    REPRESENTATIONS: {"latent-map", "leakage", "swaps-seen", "training"},
    OWN_DATA: {"comparison", "confusion"},
}
TABLES = {
    RESULTS: {"scores", "classes", "kinds", "errors-groups", "disentangler", "versions"},
    REPRESENTATIONS: {"claims", "scores", "swap-shares", "swaps-heard", "weights", "failed"},
    OWN_DATA: {"recordings", "catalog", "rejected"},
}
Outputs = dict[str, dict[str, list[Any]]]


@pytest.fixture(scope="module")
def executed(measured_run: Path) -> Outputs:
    """Outputs of every code cell by notebook and the cell's id, after a run on the tiny twin."""
    before = _files(measured_run / "data")
    outputs = {name: _execute(measured_run / "notebooks", name) for name in NOTEBOOKS}
    assert _files(measured_run / "data") == before, "a notebook wrote to the catalog"
    return outputs


def _execute(folder: Path, name: str) -> dict[str, list[Any]]:
    # Jupyter starts a kernel in the notebook's own folder.
    client = NotebookClient(
        nbformat.read(folder / name, as_version=4),
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEDRO_ENV", "test")
        notebook = client.execute()
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _data(outputs: list[Any], mime: str) -> str:
    return "".join(output.data.get(mime, "") for output in outputs if "data" in output)


def _streams(outputs: list[Any], name: str) -> str:
    return "".join(output.text for output in outputs if output.get("name") == name)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_valid_and_committed_without_outputs(name: str):
    notebook = nbformat.read(REPOSITORY / "notebooks" / name, as_version=4)

    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_read_from_the_catalog_only(name: str):
    notebook = nbformat.read(REPOSITORY / "notebooks" / name, as_version=4)
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")

    assert "%load_ext kedro.ipython" in source
    assert "catalog.load(" in source
    for word in ("catalog.save", "read_csv", "read_parquet"):
        assert word not in source
    if name != OWN_DATA:  # which makes a folder of recordings
        for word in ("open(", "Path(", "data/"):
            assert word not in source


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_before_each_cell_there_are_words_on_what_is_to_be_seen(name: str):
    cells = nbformat.read(REPOSITORY / "notebooks" / name, as_version=4).cells

    for before, cell in itertools.pairwise(cells):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.id
            assert before.source.rstrip().endswith((".", ":")), before.id


def test_every_notebook_is_tested():
    assert [path.name for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))] == NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_cell_fails_or_warns(executed: Outputs, name: str):
    cells = executed[name]
    errors = [o for outputs in cells.values() for o in outputs if o.output_type == "error"]
    complaints = {cell: _streams(outputs, "stderr") for cell, outputs in cells.items()}

    assert not errors
    assert not {cell: text for cell, text in complaints.items() if "warning" in text.lower()}
    # Kedro logs to the cell, not to stderr.
    shown = "".join(_data(outputs, "text/plain") for outputs in cells.values())
    assert "WARNING" not in shown


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        (RESULTS, "corpus twin_tiny (simulated recordings)"),
        (REPRESENTATIONS, "Corpus twin_tiny (simulated recordings)"),
    ],
)
def test_titles_say_that_recordings_are_simulated(executed: Outputs, name: str, heading: str):
    title = _data(executed[name]["title"], "text/markdown")

    assert heading in title
    assert "say nothing about real ones" in title


@pytest.mark.parametrize(("name", "cell"), [(n, c) for n in NOTEBOOKS for c in sorted(FIGURES[n])])
def test_figures_are_shown(executed: Outputs, name: str, cell: str):
    assert len(_data(executed[name][cell], "image/png")) > 1000


@pytest.mark.parametrize(("name", "cell"), [(n, c) for n in NOTEBOOKS for c in sorted(TABLES[n])])
def test_tables_are_shown(executed: Outputs, name: str, cell: str):
    assert "<table" in _data(executed[name][cell], "text/html")


def test_models_and_controls_are_in_one_table(executed: Outputs):
    table = _data(executed[RESULTS]["scores"], "text/html")

    for name in ("svm", "code_svm", "cnn", "hybrid", "majority", "duration", "byte_size"):
        assert f"<th>{name}</th>" in table
    assert "95 % interval" in table


def test_mistakes_or_the_most_doubtful_can_be_heard(executed: Outputs):
    outputs = executed[RESULTS]["errors-heard"]

    assert 1 <= _data(outputs, "text/html").count("<audio") <= 3
    wrong = not _streams(executed[RESULTS]["errors-items"], "stdout").startswith("0 of")
    assert ("made no mistake" in _data(outputs, "text/markdown")) != wrong


def test_a_folder_becomes_a_trained_run_somewhere_else(executed: Outputs):
    cells = executed[OWN_DATA]

    assert "- 20 of class `reed`" in _data(cells["propose"], "text/markdown")
    assert "Hybrid" in _streams(cells["train"], "stdout")
    assert "s1_t9.wav" in _data(cells["rejected"], "text/html")
    assert "guessing gives 33" in _data(cells["audit"], "text/markdown")
    assert "new.wav" in _streams(cells["classify"], "stdout")
    assert not Path(_streams(cells["place"], "stdout").strip()).exists()


def test_errors_are_counted(executed: Outputs):
    assert "test items are named wrongly" in _streams(executed[RESULTS]["errors-items"], "stdout")


def test_what_the_view_did_is_counted_in_the_matrix_itself(executed: Outputs, measured_run: Path):
    matrix = load_catalog(measured_run).load("leakage_matrix")
    above = matrix[matrix["control"].isna() & (matrix["low"] > matrix["chance"])]
    cell = ["code", "factor", "condition"]
    untrained = matrix[matrix["control"] == "untrained"].set_index(cell)["score"]
    explained = above[above.join(untrained.rename("other"), on=cell)["other"] >= above["low"]]
    said = _data(executed[REPRESENTATIONS]["view-did-it"], "text/markdown")

    assert "an untrained encoder does as well, the input view explains it, not training" in said
    assert f"in {len(explained)} of the {len(above)} cells" in said
    for row in explained.itertuples():
        assert f"- {row.code} → {row.factor}, {row.condition}: " in said


def test_swaps_can_be_heard_beside_the_recording_and_the_vocoder(executed: Outputs):
    shown = _data(executed[REPRESENTATIONS]["swaps-heard"], "text/html")

    # Four examples of one swap: the recording, its copy, its reconstruction, a donor, a result.
    assert shown.count("<audio") == 4 * 5
    for text in ("the recording itself", "input<br>", "donor of content<br>", "result: should be"):
        assert shown.count(text) == 4


def test_scores_of_controls_are_beside_those_of_the_codes(executed: Outputs):
    table = _data(executed[REPRESENTATIONS]["scores"], "text/html")

    for name in ("codes", "untrained", "raw_pca"):
        assert f"<th>{name}</th>" in table
