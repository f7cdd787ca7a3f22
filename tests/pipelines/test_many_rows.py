"""Small limits make the tiny twin take the code paths for many rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics import balanced_accuracy_score

from tests.conftest import TRAINING, load_catalog, project_beside, run_kedro

pytestmark = pytest.mark.slow
LIMITS = {
    "fourier": {"max_exact_rows": 20},
    "svm": {"max_exact_rows": 20, "n_landmarks": 30},
    "disentangler": {"schedule": {"max_epoch_rows": 16, "batch_size": 8}},
}


@pytest.fixture(scope="module")
def limited_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = project_beside(tiny_run, tmp_path_factory.mktemp("limited"))
    run_kedro(project, params=LIMITS, pipelines=TRAINING)
    return project


def test_every_model_uses_its_method_for_many_rows(limited_run: Path, tiny_run: Path) -> None:
    catalog, usual = load_catalog(limited_run), load_catalog(tiny_run)

    for name in ("svm", "code_svm"):
        assert isinstance(catalog.load(name).svm[1], Nystroem), name
        assert not any(isinstance(step, Nystroem) for step in usual.load(name).svm)
    streamed, exact = catalog.load("fourier_pca")[-1], usual.load("fourier_pca")[-1]
    assert streamed.svd_solver == "covariance_eigh"
    np.testing.assert_allclose(
        streamed.explained_variance_.sum(), exact.explained_variance_.sum(), rtol=0.01
    )
    predictions = catalog.load("predictions")
    tested = predictions.query("model == 'svm' and role == 'test'")
    assert balanced_accuracy_score(tested["target"], tested["predicted"]) > 0.5
    probabilities = predictions.filter(regex="^p_")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)


def test_a_finished_training_is_not_repeated_and_another_one_is(limited_run: Path) -> None:
    (checkpoint,) = limited_run.glob("data/04_representation/*/*/.training/checkpoint.npz")
    written = checkpoint.stat().st_mtime_ns
    before = load_catalog(limited_run).load("training_history")

    run_kedro(limited_run, pipelines=["representation_learning"], params=LIMITS)

    assert checkpoint.stat().st_mtime_ns == written
    pd.testing.assert_frame_equal(load_catalog(limited_run).load("training_history"), before)
    schedule = {**LIMITS["disentangler"]["schedule"], "learning_rate": 0.01}
    other = {**LIMITS, "disentangler": {"schedule": schedule}}
    run_kedro(limited_run, pipelines=["representation_learning"], params=other)
    assert checkpoint.stat().st_mtime_ns > written
    assert not load_catalog(limited_run).load("training_history").equals(before)
