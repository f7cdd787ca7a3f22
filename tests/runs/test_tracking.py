"""Runs are tracked by MLflow where that is installed and configured, and nowhere else."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.framework.project import configure_project
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from disentangled_audio.errors import UserError
from tests.conftest import make_project, run_kedro

INSTALLED = importlib.util.find_spec("kedro_mlflow") is not None
needs_mlflow = pytest.mark.skipif(
    not INSTALLED, reason="kedro-mlflow is not installed: make test-tracking"
)
CONFIGURED = "server: {mlflow_tracking_uri: mlruns}\n"


def _plugins(project: Path) -> set[str]:
    bootstrap_project(project)
    configure_project("disentangled_audio")
    with KedroSession.create(project, env="test") as session:
        manager = session.load_context()._hook_manager
        return {type(plugin).__name__ for plugin in manager.get_plugins()}


def test_without_its_configuration_nothing_is_tracked(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")

    assert not {"RunTracking", "MlflowHook"} & _plugins(project)
    assert not (project / "mlruns").exists()


def test_configured_but_not_installed_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    (project / "conf" / "test" / "mlflow.yml").write_text(CONFIGURED)
    # As if it could not be imported, also where kedro-mlflow is there.
    monkeypatch.setitem(sys.modules, "disentangled_audio.runs.mlflow_hook", None)

    with pytest.raises(UserError, match=r"not installed: pip install -e '.\[tracking\]'"):
        _plugins(project)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A project that was run with a local file store, MLflow's client, and the run in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        project = make_project(tmp_path_factory.mktemp("tracked") / "project")
        (project / "conf" / "local" / "mlflow.yml").unlink(missing_ok=True)
        (project / "conf" / "test" / "mlflow.yml").write_text(CONFIGURED)
        run_kedro(project, params={"disentangler": {"schedule": {"epochs": 2}}})
        from mlflow.tracking import MlflowClient

        client = MlflowClient((project / "mlruns").as_uri())
        experiment = client.get_experiment_by_name("disentangled_audio")
        (run,) = client.search_runs([experiment.experiment_id])
        yield project, client, run


@needs_mlflow
def test_parameters_are_tracked_by_their_names_in_yaml(tracked: tuple[Path, Any, Any]) -> None:
    _, _, run = tracked

    assert run.info.status == "FINISHED"
    assert run.data.params["disentangler.schedule.epochs"] == "2"
    assert run.data.params["protocol.target"] == "database"
    assert run.data.params["seed"] == "7"


@needs_mlflow
def test_losses_of_every_epoch_and_scores_are_tracked(tracked: tuple[Path, Any, Any]) -> None:
    project, client, run = tracked
    (file,) = project.glob("data/04_representation/*/*/training_history.csv/*/*.csv")
    history = pd.read_csv(file)

    for column in ("training_reconstruction", "validation_reconstruction"):
        points = client.get_metric_history(run.info.run_id, f"training_history.{column}")
        assert {p.step: p.value for p in points} == pytest.approx(dict(enumerate(history[column])))
    assert 0 <= run.data.metrics["metrics.models.hybrid.balanced_accuracy"] <= 1
    assert "metrics.controls.majority.balanced_accuracy" in run.data.metrics


@needs_mlflow
def test_figures_and_models_are_kept_as_the_run_saved_them(
    tracked: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    project, client, run = tracked
    kept = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))

    assert (kept / "plots" / "hybrid_confusion_matrix_plot.png").is_file()
    for name in ("disentangler.keras", "svm.skops", "hybrid.skops"):
        (saved,) = project.glob(f"data/0*/*/*/{name}/*/{name}")
        assert (kept / "models" / name).read_bytes() == saved.read_bytes()
