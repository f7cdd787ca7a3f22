"""Projects to run in, and trained runs that all tests of a session share."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker a core: their threads would only wait for each other. Before anything reads them.
    for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(_name, "1")

import gc
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import omegaconf.base
import pytest
from filelock import FileLock
from hypothesis import settings
from kedro.framework.project import configure_project
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from tests.browsing import a_browser

# Wall-clock deadlines would test the load of the machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
# Each reading of conf parses the same 150 interpolations, 600 times: half of what a session costs.
omegaconf.base.parse = cache(omegaconf.base.parse)
# Hundreds of traced networks leave millions of objects; looking through them takes a twentieth.
gc.set_threshold(50_000, 20, 100)

REPOSITORY = Path(__file__).parents[1]
# What predictions need. Audit and report, which most tests do not look at, are half of a run.
TRAINING = ["ingestion", "feature_engineering", "representation_learning", "svm_classification"]
# A browser, notebooks that run, real recordings, and trained runs other than the shared one.
SLOW_FIXTURES = {"browser", "executed", "real_data", "paper_run", "two_corpora", "unvoiced"}
# Workers take whole files in this order: one that starts last must not take longest.
LONG_FILES = (
    # The one beside the shared run, for which nearly all others wait.
    "pipelines/test_leaks.py",
    "cli/test_classify.py",
    "cli/test_kedro_commands.py",
    "pipelines/test_leakage_of_codes.py",
    "corpora/sources/test_databases.py",
    "models/test_checkpoint.py",
    "pipelines/test_leaks_of_folds.py",
    "models/test_disentangler.py",
    # Slow ones.
    "pipelines/test_folds.py",
    "test_notebooks.py",
    "storage/test_kills.py",
    "test_browser_viz.py",
    "pipelines/test_long_clips.py",
    "pipelines/test_protocols.py",
    "pipelines/test_bad_input.py",
)
Make = Callable[[Path], object]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by what it asks for, and put the files that take longest first."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    places = {REPOSITORY / "tests" / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def make_project(folder: Path) -> Path:
    """Copy what a run reads; the package itself is the installed one."""
    shutil.copytree(REPOSITORY / "conf", folder / "conf")
    shutil.copytree(REPOSITORY / "notebooks", folder / "notebooks")
    shutil.copytree(REPOSITORY / "docs" / "results", folder / "docs" / "results")
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    shutil.copy(REPOSITORY / ".telemetry", folder)
    (folder / "src").mkdir()
    return folder


def project_beside(run: Path, folder: Path) -> Path:
    """A new project with the recordings that were generated for another one's run."""
    project = make_project(folder / "project")
    (project / "data").mkdir()
    (project / "data" / "01_raw").symlink_to(run / "data" / "01_raw")
    return project


def run_kedro(
    project: Path,
    *,
    env: str = "test",
    pipelines: list[str] | None = None,
    params: dict[str, Any] | None = None,
    load_versions: dict[str, str] | None = None,
) -> dict[str, Any]:
    """`kedro run` in this process."""
    bootstrap_project(project)
    configure_project("disentangled_audio")
    with KedroSession.create(project, env=env, runtime_params=params or {}) as session:
        return session.run(pipeline_names=pipelines, load_versions=load_versions)


def load_catalog(project: Path, *, env: str = "test", params: dict[str, Any] | None = None) -> Any:
    """The catalog of a project, as a notebook sees it: the newest version of everything.

    The same one each time: change nothing of it.
    """
    conf = sorted((file, file.stat().st_mtime_ns) for file in (project / "conf").rglob("*.yml"))
    catalog = _catalog(project, env, json.dumps(params), tuple(conf))
    for name in catalog:
        if not name.startswith("param"):
            catalog.release(name)
    return catalog


@lru_cache(maxsize=16)
def _catalog(project: Path, env: str, params: str, conf: tuple[Any, ...]) -> Any:
    """Made once of the same configuration, which takes a second and is asked for in every test."""
    bootstrap_project(project)
    configure_project("disentangled_audio")
    with KedroSession.create(project, env=env, runtime_params=json.loads(params) or {}) as session:
        return session.load_context().catalog


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 192 kB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=192k", "none", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(disk: Path, options: str) -> None:
    """Change the size of `small_disk`, or make it read-only."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Make], Path]:
    """Makes a folder once in a session, whichever worker asks first; the others wait for it.

    Tests read such a folder. Those that write take a copy.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    # Named by .ci/run, whose slow tests take what its quick ones have trained.
    shared = Path(os.environ.get("TRAINED_RUNS", shared))

    def make_once(name: str, make: Make) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                # What a failed attempt left behind.
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return make_once


@pytest.fixture(scope="session")
def tiny_run(made_once: Callable[[str, Make], Path]) -> Path:
    """A project in which the whole job has run on the tiny twin."""
    return made_once("tiny", lambda folder: run_kedro(make_project(folder)))


@pytest.fixture(scope="session")
def classifier(tiny_run: Path) -> Any:
    """The models of that project."""
    from disentangled_audio import Classifier

    return Classifier.load(tiny_run)


@pytest.fixture(scope="session")
def bundle(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in one file."""
    from disentangled_audio.models.bundle import write_bundle
    from disentangled_audio.runs.trained_runs import find_run

    file = tmp_path_factory.mktemp("bundle") / "model.zip"
    write_bundle(find_run(tiny_run / "data"), file, "# Card\n")
    return file


@pytest.fixture(scope="session")
def measured_run(tiny_run: Path, made_once: Callable[[str, Make], Path]) -> Path:
    """The same, with disentanglement measured; its report is the one before that."""

    def measure(folder: Path) -> None:
        shutil.copytree(tiny_run, folder, dirs_exist_ok=True)
        run_kedro(folder, pipelines=["disentanglement"])

    return made_once("measured", measure)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless browser; skips where none is installed, fails where one must be."""
    with a_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real recordings, where there is one."""
    named = os.environ.get("DISENTANGLED_AUDIO_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real recordings here; name their folder by DISENTANGLED_AUDIO_DATA")
    return folder
