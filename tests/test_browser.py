"""The report as a browser shows them; needs Debian's chromium, which CI installs."""

import shutil
import subprocess
from pathlib import Path

import pytest

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
