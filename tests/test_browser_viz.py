"""The graph that `kedro viz build` writes, by itself and as a browser shows it."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from disentangled_audio.pipeline_registry import register_pipelines
from tests.browsing import Visit, visit
from tests.test_architecture import LAYERS

pytestmark = pytest.mark.slow
PIPELINES = sorted(register_pipelines())
# What `kedro run` and `kedro run --pipelines=disentanglement` do not make.
NEVER_RUN = {"cross_validation", "folds", "inference"}
# Known while a run goes on, and kept in its manifest.
IN_MEMORY = {"run_facts"}
MAX_PREVIEW_BYTES = 3_000_000
# Kedro-Viz asks for a font and, of pages that no server stands behind, for the state of a run.
FOREIGN = re.compile(r"Failed to load resource|metadata fetch error")

# The command itself, in a process that reaches no machine but this one.
BUILD = """
import socket, sys

connect = socket.socket.connect

def refuse(self, address):
    if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"):
        return connect(self, address)
    raise OSError(f"there is no network, and {address} was asked for")

def unknown(host, *_, **__):
    raise socket.gaierror(f"there is no network, and {host} was asked for")

socket.socket.connect, socket.getaddrinfo = refuse, unknown
from kedro.framework.cli import main
sys.argv = ["kedro", "viz", "build", "--include-previews"]
main()
"""

BELOW_EACH_OTHER = """() => {
  const names = [...document.querySelectorAll(".pipeline-layer-name")];
  const tops = names.map(name => name.getBoundingClientRect().top);
  return tops.every((top, place) => place === 0 || top > tops[place - 1]);
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def built(measured_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the tiny run, built without a network."""
    project = Path(shutil.copytree(measured_run, tmp_path_factory.mktemp("viz") / "project"))
    shown = subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=project,
        env={**os.environ, "KEDRO_ENV": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return project / "build"


@pytest.fixture(scope="module")
def address(built: Path) -> Iterator[str]:
    """Where the pages are served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(built)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def _graph(built: Path, pipeline: str) -> dict[str, Any]:
    return json.loads((built / "api" / "pipelines" / pipeline).read_text())


def _facts(built: Path, node: dict[str, Any]) -> dict[str, Any]:
    return json.loads((built / "api" / "nodes" / node["id"]).read_text())


def _layers(graph: dict[str, Any]) -> list[str]:
    """Layers that have something in them, in the order in which they are drawn."""
    drawn = {node.get("layer") for node in graph["nodes"]}
    return [layer for layer in graph["layers"] if layer in drawn]


def _named(name: str, pipeline: str, built: Path) -> dict[str, Any]:
    (node,) = (node for node in _graph(built, pipeline)["nodes"] if node["name"] == name)
    return node


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_layers_of_every_pipeline_are_in_order(built: Path, pipeline: str) -> None:
    drawn = _layers(_graph(built, pipeline))
    assert drawn == [layer for layer in LAYERS if layer in drawn]
    if pipeline == "__default__":
        assert drawn == LAYERS


@pytest.mark.parametrize("pipeline", sorted(set(PIPELINES) - NEVER_RUN))
def test_every_dataset_that_was_made_has_a_small_preview(built: Path, pipeline: str) -> None:
    for node in _graph(built, pipeline)["nodes"]:
        if node["type"] != "data" or node["name"] in IN_MEMORY:
            continue
        facts = _facts(built, node)
        assert facts["preview"], node["name"]
        assert facts["preview_type"].endswith("Preview"), node["name"]
        assert len(json.dumps(facts["preview"])) < MAX_PREVIEW_BYTES, node["name"]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_node_has_its_code_and_description(built: Path, pipeline: str) -> None:
    for node in _graph(built, pipeline)["nodes"]:
        if node["type"] == "task":
            assert '"""' in _facts(built, node)["code"], node["name"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hybrid_confusion_matrix_plot", "ImagePreview"),
        ("log_mel", "ImagePreview"),
        ("metrics", "JSONPreview"),
        ("recordings", "TablePreview"),
        ("classification_report", "TablePreview"),
        ("report", "HTMLPreview"),
    ],
)
def test_plots_tables_metrics_and_spectrograms_are_shown_as_such(
    built: Path, name: str, kind: str
) -> None:
    assert _facts(built, _named(name, "__default__", built))["preview_type"] == kind


def _open(browser: Any, address: str, pipeline: str) -> Any:
    return visit(browser, f"{address}?pid={pipeline}", viewport={"width": 1600, "height": 1000})


def _own_errors(visited: Visit) -> list[str]:
    return [error for error in visited.errors if not FOREIGN.search(error)]


def _select(visited: Visit, name: str) -> Any:
    """Click a node in the list beside the graph; the panel that opens."""
    page = visited.page
    page.locator(".node-list-tree-item-row").get_by_text(name, exact=True).first.click()
    panel = page.locator(".pipeline-metadata--visible")
    panel.get_by_text(name, exact=True).first.wait_for()
    return panel


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_pipelines_open_with_their_nodes_and_layers(
    browser: Any, address: str, built: Path, pipeline: str
) -> None:
    graph = _graph(built, pipeline)
    with _open(browser, address, pipeline) as visited:
        visited.page.locator(".pipeline-node").first.wait_for()
        names = visited.page.locator(".pipeline-layer-name")

        assert names.all_text_contents() == _layers(graph)
        # They glide to their places: the one below the other in the end, or the wait fails.
        visited.page.wait_for_function(BELOW_EACH_OTHER)
        shown = set(visited.page.locator(".pipeline-node__text").all_text_contents())
        assert {node["name"] for node in graph["nodes"] if node["type"] == "task"} <= shown
        assert not _own_errors(visited)


@pytest.mark.parametrize("name", ["hybrid_confusion_matrix_plot", "log_mel"])
def test_pictures_are_shown_when_they_are_clicked(browser: Any, address: str, name: str) -> None:
    with _open(browser, address, "__default__") as visited:
        picture = _select(visited, name).locator("img").first
        picture.wait_for()

        assert picture.get_attribute("src").startswith("data:image/png;base64,")
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
        assert not _own_errors(visited)


def test_tables_and_metrics_are_shown_when_they_are_clicked(browser: Any, address: str) -> None:
    with _open(browser, address, "__default__") as visited:
        _select(visited, "classification_report").get_by_text("precision", exact=True).wait_for()
        shown = _select(visited, "metrics")
        shown.get_by_text("Scores of models and controls", exact=False).wait_for()
        assert not _own_errors(visited)


def test_the_code_of_a_node_says_what_it_does(browser: Any, address: str) -> None:
    with _open(browser, address, "__default__") as visited:
        _select(visited, "split_recordings").get_by_text("Show Code").click()
        visited.page.locator(".pipeline-metadata-code").get_by_text('"""').first.wait_for()


def test_the_preview_of_the_report_leaves_the_graph_as_it_looks(browser: Any, address: str) -> None:
    looks = "getComputedStyle(document.body).cssText + getComputedStyle(document.body).font"
    with _open(browser, address, "__default__") as visited:
        visited.page.locator(".pipeline-node").first.wait_for()
        before = visited.page.evaluate(looks)
        _select(visited, "report").locator(".html-renderer").first.wait_for()
        assert visited.page.evaluate(looks) == before
