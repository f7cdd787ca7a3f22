"""The pages as a browser shows them; needs Debian's chromium, which CI installs."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.test_architecture import LAYERS

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def built_graph(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages that `kedro viz build` writes for the tiny run."""
    project = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("viz") / "project"))
    subprocess.run(
        [sys.executable, "-m", "kedro", "viz", "build", "--include-previews"],
        cwd=project,
        env={**os.environ, "KEDRO_ENV": "test"},
        capture_output=True,
        check=True,
    )
    return project / "build"


def _document(url: str, profile: Path, *, wait_ms: int) -> str:
    """What the page holds after its scripts have run."""
    shown = subprocess.run(
        [
            str(CHROMIUM),
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--virtual-time-budget={wait_ms}",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return shown.stdout


def test_report_shows_pictures_and_needs_no_network(tiny_run: Path, tmp_path: Path) -> None:
    (report,) = tiny_run.glob("data/07_reporting/twin_tiny/*/report.html/*/report.html")
    document = _document(report.as_uri(), tmp_path, wait_ms=2000)
    assert "simulated" in document.partition("</title>")[0].lower()
    assert document.count("<img") >= 14
    assert document.count("<img") == document.count('src="data:image/png;base64,')
    assert "<script" not in document


def test_graph_shows_the_layers_in_order(built_graph: Path, tmp_path: Path) -> None:
    handler = partial(_Quiet, directory=str(built_graph))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        document = _document(f"http://127.0.0.1:{server.server_port}/", tmp_path, wait_ms=15000)
    finally:
        server.shutdown()
        server.server_close()
    places = [document.find(f">{layer}<") for layer in LAYERS]
    assert -1 not in places, dict(zip(LAYERS, places, strict=True))
    for node in ("read_recordings", "train_disentangler", "train_hybrid", "write_report"):
        assert node in document


def test_graph_has_layers_and_previews(built_graph: Path) -> None:
    graph = json.loads((built_graph / "api" / "main").read_text())
    assert graph["layers"] == LAYERS
    for name in ("metrics", "recordings", "hybrid_confusion_matrix_plot", "log_mel", "report"):
        (node,) = (node for node in graph["nodes"] if node["name"] == name)
        facts = json.loads((built_graph / "api" / "nodes" / node["id"]).read_text())
        assert facts.get("preview"), name
