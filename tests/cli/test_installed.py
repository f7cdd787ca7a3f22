"""The command as a wheel installs it: without the repository, in a folder that is no project."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from disentangled_audio import __version__
from tests.classified import newest_manifest, raw
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
# Nothing of the checkout may be found by the installed command.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _run(*command: str | Path, cwd: Path) -> str:
    shown = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a fresh environment with the wheel; what it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    sources.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, sources)
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
    shutil.copytree(REPOSITORY / "src", sources / "src", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run(*pip, "wheel", sources, "--no-deps", "--wheel-dir", folder, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    _run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin" / "python"
    _run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    own = _run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder
    ).strip()
    beside = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})"
    (Path(own) / "beside.pth").write_text(beside)
    return environment / "bin"


def test_the_installed_command_works_outside_of_any_project(
    binaries: Path, tiny_run: Path, tmp_path: Path
) -> None:
    command = binaries / "disentangled-audio"
    place = "import disentangled_audio as own; print(own.__file__)"
    found = _run(binaries / "python", "-c", place, cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(binaries.parent)
    assert _run(command, "--version", cwd=tmp_path).split()[-1] == __version__

    version = newest_manifest(tiny_run).parent.name
    listed = _run(command, "--project", tiny_run, "runs", "--json", cwd=tmp_path)
    assert [run["version"] for run in json.loads(listed)] == [version]

    _run(command, "--project", tiny_run, "export", version, "model.zip", cwd=tmp_path)
    recording = next(raw(tiny_run).glob("air*.wav"))
    shutil.copy(recording, tmp_path / "x.wav")
    told = _run(command, "classify", "x.wav", "--model", "model.zip", "--json", cwd=tmp_path)
    assert [row["class"] for row in json.loads(told)] == ["air"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.zip", "x.wav"]
