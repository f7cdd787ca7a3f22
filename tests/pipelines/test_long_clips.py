"""Clips longer than a window, from ingestion to the measurement of their codes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from click.testing import CliRunner

from disentangled_audio.cli.console import app
from disentangled_audio.models.arrays import windows_of
from disentangled_audio.pipelines.representation_learning import nodes
from tests.classified import assert_as_then
from tests.conftest import TRAINING, load_catalog, make_project, run_kedro

pytestmark = pytest.mark.slow
RATE_HZ = 8000
DURATION_S = 10
BIRDS = {"owl": 400.0, "tit": 1600.0}
N_SITES, N_TAKES = 6, 3
VIEWS = ["log_mel", "content_view", "rhythm_view", "pitch_view"]


def _call(bird: str, site: int, take: int) -> np.ndarray:
    """Ten seconds of faint noise in which a bird calls for a second, somewhere."""
    rng = np.random.default_rng([*map(ord, bird), site, take])
    # The last take of each site ends early.
    length_s = 4 if take == N_TAKES - 1 else DURATION_S
    samples = 0.003 * rng.standard_normal(length_s * RATE_HZ)
    first = rng.integers(len(samples) - RATE_HZ)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    samples[first : first + RATE_HZ] += 0.3 * np.sin(2 * np.pi * BIRDS[bird] * time_s)
    return samples


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("birds")
    for bird in BIRDS:
        for site in range(N_SITES):
            for take in range(N_TAKES):
                soundfile.write(
                    folder / f"{bird}_{site}_{take}.wav", _call(bird, site, take), RATE_HZ
                )
    described = {
        "corpora": {
            "birds": {
                "sources": [{"folder": str(folder)}],
                "name_patterns": r"(?P<bird>[a-z]+)_(?P<site>\d)_(?P<take>\d)\.wav",
                "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": DURATION_S},
            }
        },
        "protocols": {
            "bird_by_site": {
                "target": "bird",
                "group_by": ["site"],
                "factors": ["site"],
                "split": {"strategy": "grouped", "n_folds": 3, "fold": 0},
            }
        },
    }
    file = folder / "birds.yml"
    file.write_text(yaml.safe_dump(described))
    return {
        "corpus_file": str(file),
        "views": {"pitch": "f0"},
        "disentangler": {"schedule": {"epochs": 12, "batch_size": 32}},
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, params: dict[str, Any]) -> Path:
    folder = make_project(tmp_path_factory.mktemp("long") / "project")
    run_kedro(folder, params=params, pipelines=[*TRAINING, "disentanglement"])
    return folder


@pytest.fixture(scope="module")
def birds(project: Path, params: dict[str, Any]) -> Any:
    return load_catalog(project, params=params)


def test_views_have_a_row_for_each_window_and_say_which_clip_it_belongs_to(birds: Any) -> None:
    recordings, views = birds.load("recordings"), {name: birds.load(name) for name in VIEWS}

    short = (recordings["take"] == str(N_TAKES - 1)).to_numpy()
    assert short.sum() == len(BIRDS) * N_SITES
    n_windows = np.where(short, 2, 6)
    for view in views.values():
        windows = windows_of(view)
        np.testing.assert_array_equal(windows.items, np.repeat(np.arange(len(short)), n_windows))
        assert view.shape[0] == n_windows.sum()
    assert views["log_mel"].shape[1] == 188
    assert views["content_view"].shape[1] == 96


@pytest.mark.parametrize(
    "name",
    [
        *("codes", "loudest_codes", "untrained_codes", "cnn_probabilities"),
        *("mel_features", "timbre_features", "hybrid_probabilities"),
    ],
)
def test_tables_have_one_row_for_each_clip(birds: Any, name: str) -> None:
    table = birds.load(name)
    assert table["recording_id"].tolist() == birds.load("recordings")["recording_id"].tolist()
    assert np.isfinite(table.drop(columns="recording_id").to_numpy()).all()


def test_a_call_in_one_window_decides_the_class_of_the_clip(birds: Any) -> None:
    test = (birds.load("splits")["role"] == "test").to_numpy()
    probabilities = birds.load("cnn_probabilities")[test]
    assert test.sum() == 12
    np.testing.assert_allclose(probabilities[["p_owl", "p_tit"]].sum(axis=1), 1.0, atol=1e-5)

    guessed = np.where(probabilities["p_owl"] > probabilities["p_tit"], "owl", "tit")

    target = birds.load("splits")["target"][test].to_numpy()
    assert (guessed == target).mean() >= 0.9


def test_codes_are_means_over_windows_and_swaps_take_the_loudest(birds: Any) -> None:
    from disentangled_audio.models.encoding import encode

    views = {name: birds.load(name)[:] for name in VIEWS[1:]}
    windows = windows_of(birds.load("log_mel"))
    encoded = encode(birds.load("disentangler"), views)["content"]

    codes, loudest = birds.load("codes"), birds.load("loudest_codes")
    for item in (0, 2):
        own = encoded[windows.items == item]
        np.testing.assert_allclose(codes.filter(like="content").iloc[item], own.mean(0), atol=1e-5)
        found = loudest.filter(like="content").iloc[item]
        np.testing.assert_allclose(found, encoded[windows.loudest[item]], atol=1e-5)
    # The bird calls in the loudest window, which differs from clip to clip.
    assert len(np.unique(windows.loudest - np.searchsorted(windows.items, np.arange(36)))) > 2


def test_windows_of_a_clip_are_on_one_side_of_the_split(
    birds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disentangled_audio.models import training
    from disentangled_audio.parameters import DisentanglerParameters

    views, splits = [birds.load(name) for name in VIEWS], birds.load("splits")
    seen = {}

    def spy(views: Any, labels: Any, train_rows: Any, validation_rows: Any, *_: Any, **__: Any):
        seen.update(views=views, labels=labels, train=train_rows, validation=validation_rows)
        raise InterruptedError

    monkeypatch.setattr(training, "train_disentangler", spy)
    with pytest.raises(InterruptedError):
        nodes.train_disentangler_on_views(
            *views, birds.load("factor_table"), splits, DisentanglerParameters(), 1
        )

    of_rows = splits.iloc[windows_of(views[0]).items].reset_index(drop=True)
    used = of_rows["role"] != "test"
    np.testing.assert_array_equal(seen["views"]["log_mel"], views[0][:][used])
    assert seen["train"].tolist() == (of_rows["role"] == "train")[used].tolist()
    assert seen["validation"].tolist() == (of_rows["role"] == "validation")[used].tolist()
    assert seen["labels"].tolist() == (of_rows["target"] == "tit")[used].astype(int).tolist()
    roles = pd.Series(windows_of(views[0]).items).groupby(of_rows["role"].to_numpy()).unique()
    assert not set(roles["train"]) & set(roles["test"])


def test_the_measurement_has_every_item_once(birds: Any) -> None:
    matrix, swaps = birds.load("leakage_matrix"), birds.load("swaps")
    target = matrix[(matrix["factor"] == "target") & (matrix["condition"] == "marginal")]
    assert set(target["n_items"]) == {12}
    assert swaps.loc[swaps["swap"] == "original", "n_items"].max() == 12


def test_long_recordings_are_classified_by_their_windows_and_without_the_corpus_file(
    birds: Any, project: Path, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = birds.load("predictions")
    file = Path(params["corpus_file"])
    file.rename(file.with_suffix(".gone"))
    monkeypatch.chdir(project / "conf")
    try:
        shown = CliRunner().invoke(app, ["classify", str(file.parent), "--json"])
    finally:
        file.with_suffix(".gone").rename(file)
    assert shown.exit_code == 0, shown.output
    table = pd.DataFrame(json.loads(shown.stdout))
    assert len(table) == len(BIRDS) * N_SITES * N_TAKES
    assert_as_then(table, predictions, ("svm", "code_svm", "cnn", "hybrid"))
