"""Unusable corpora and views give an error that names the cause, or a reason in the results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from disentangled_audio.errors import UserError
from disentangled_audio.models.arrays import note_windows
from disentangled_audio.parameters import (
    Corpus,
    DisentanglerParameters,
    ParallelParameters,
    ViewParameters,
)
from disentangled_audio.pipelines.disentanglement.nodes import encode_without_training
from disentangled_audio.pipelines.feature_engineering.nodes import make_encoder_views
from disentangled_audio.pipelines.representation_learning import nodes
from tests.arrays import chunked
from tests.conftest import load_catalog, make_project, run_kedro

RATE_HZ = 8000
WORDS = {"ja": 1000.0, "no": 2500.0}
LEARNING = ["ingestion", "feature_engineering", "representation_learning"]


def _corpus(
    folder: Path,
    *,
    words: tuple[str, ...] = ("ja", "no"),
    n_speakers: int = 4,
    n_takes: int = 2,
    protocol: dict[str, Any] | None = None,
    voiced: bool = True,
    duration_s: float = 0.5,
    **analysis: Any,
) -> dict[str, Any]:
    """Parameters of a corpus of words by speakers in one session."""
    (folder / "takes").mkdir(parents=True)
    for word in words:
        for speaker in range(n_speakers):
            for take in range(n_takes):
                rng = np.random.default_rng([ord(word[0]), speaker, take])
                time_s = np.arange(round(0.5 * RATE_HZ)) / RATE_HZ
                samples = 0.05 * rng.standard_normal(len(time_s))
                if voiced:
                    samples += 0.1 * np.sin(2 * np.pi * WORDS[word] * time_s)
                    samples += 0.3 * (((110 + 15 * speaker) * time_s) % 1.0 - 0.5)
                name = f"{word}_s{speaker}_{take}_home.wav"
                soundfile.write(folder / "takes" / name, samples, RATE_HZ)
    own = {
        "sources": [{"folder": str(folder / "takes")}],
        "name_patterns": r"(?P<word>[a-z]+)_(?P<speaker>s\d)_\d_(?P<session>[a-z]+)\.wav",
        "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": duration_s, **analysis},
    }
    asked = {
        "target": "word",
        "group_by": ["speaker"],
        "factors": ["speaker", "session"],
        "split": {"strategy": "grouped", "n_folds": 4, "fold": 0},
        **(protocol or {}),
    }
    file = folder / "own.yml"
    file.write_text(yaml.safe_dump({"corpora": {"own": own}, "protocols": {"words": asked}}))
    return {
        "corpus_file": str(file),
        "fourier": {"n_components": 4},
        "views": {"pitch": "f0"},
        "disentangler": {"schedule": {"epochs": 1}},
    }


def _learned(folder: Path, *more: str, **corpus: Any) -> Any:
    """The catalog after representation learning, and more pipelines."""
    changes = corpus.pop("params", {})
    params = _corpus(folder, **corpus)
    for name, values in changes.items():
        params[name] = {**params.get(name, {}), **values}
    project = make_project(folder / "project")
    run_kedro(project, params=params, pipelines=[*LEARNING, *more])
    return load_catalog(project, params=params)


@pytest.mark.slow
def test_one_group_is_a_corpus_of_its_own_if_the_protocol_has_no_groups(tmp_path: Path) -> None:
    protocol = {"group_by": [], "split": {"strategy": "random", "n_folds": 4, "fold": 0}}

    catalog = _learned(tmp_path, "disentanglement", n_speakers=1, n_takes=8, protocol=protocol)

    matrix = catalog.load("leakage_matrix")
    of_speaker = matrix[matrix["factor"] == "speaker"]
    assert of_speaker["score"].isna().all()
    assert set(of_speaker["reason"]) <= {"one class", "one class in every cell"}


@pytest.mark.slow
def test_clips_shorter_than_the_strides_and_fewer_rows_than_a_batch_have_finite_codes(
    tmp_path: Path,
) -> None:
    """Four frames go through three halvings: one is left, and that is the code's."""
    schedule = {"batch_size": 4096, "epochs": 2}
    params = {"disentangler": {"schedule": schedule}}
    catalog = _learned(tmp_path, duration_s=0.05, params=params)

    assert catalog.load("rhythm_view").shape[1] == 4
    assert (catalog.load("splits")["role"] == "train").sum() < 10
    assert np.isfinite(catalog.load("training_history").to_numpy()).all()
    assert np.isfinite(catalog.load("codes").drop(columns="recording_id").to_numpy()).all()


@pytest.fixture(scope="module")
def unvoiced(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Noise alone; every loss and score that could name F0 or the session does."""
    terms = {
        "readouts": {"pitch": {"of": ["median_f0"]}},
        "independence": {"content": {"of": ["median_f0", "session", "speaker"]}},
    }
    carried = {"target": "content", "median_f0": "pitch", "session": "rhythm"}
    params = {"disentangler": {"losses": terms}, "disentanglement": {"carried_by": carried}}
    folder = tmp_path_factory.mktemp("unvoiced")
    return _learned(folder, "disentanglement", voiced=False, n_speakers=8, n_takes=3, params=params)


def test_without_a_voiced_frame_pitch_is_not_scored_and_says_why(unvoiced: Any) -> None:
    matrix = unvoiced.load("leakage_matrix")

    of_f0 = matrix[matrix["factor"] == "median_f0"]
    assert of_f0["score"].isna().all()
    assert set(of_f0["reason"]) == {"no voiced frame"}
    assert unvoiced.load("disentanglement")["voiced_share"] == 0.0
    of_pitch = matrix[(matrix["code"] == "pitch") & matrix["score"].notna()]
    assert set(of_pitch["reason"]) == {"the code is constant"}
    np.testing.assert_allclose(of_pitch["score"], of_pitch["chance"])


def test_losses_of_what_does_not_vary_are_left_out(unvoiced: Any) -> None:
    history = unvoiced.load("training_history")

    assert np.isfinite(history.to_numpy()).all()
    assert not [name for name in history if "median_f0" in name or "session" in name]
    assert "training_independence_content_speaker" in history


def test_a_constant_factor_is_not_scored_and_says_why(unvoiced: Any) -> None:
    matrix = unvoiced.load("leakage_matrix")
    of_session = matrix[matrix["factor"] == "session"]
    assert of_session["score"].isna().all()
    assert set(of_session["reason"]) == {"one class", "one class in every cell"}

    swaps = unvoiced.load("swaps")
    (reason,) = swaps.loc[swaps["attribute"] == "session", "reason"]
    assert reason == "one class"
    summary = unvoiced.load("disentanglement")
    assert summary["block_dci"] is None
    assert summary["reason"].startswith("one factor varies")


def test_a_window_longer_than_the_longest_recording_is_named(tmp_path: Path) -> None:
    corpus = Corpus(
        sources=[{"folder": "none"}], analysis={"sample_rate_hz": RATE_HZ, "duration_s": "longest"}
    )
    clips = chunked(np.ones((2, 2400), dtype=np.float32))

    with pytest.raises(UserError, match=r"views.window_s=0.4 is longer than the clips, .* 0.3 s"):
        make_encoder_views(
            clips, corpus, ViewParameters(window_s=0.4), tmp_path, ParallelParameters(n_jobs=1)
        )


def _damaged(unvoiced: Any, row: int, name: str = "rhythm_view") -> list[Any]:
    """The four views, NaN in a row of one of them, which are two windows an item."""
    from disentangled_audio.models.windows import Windows

    n_items = len(unvoiced.load("splits"))
    windows = Windows(np.repeat(np.arange(n_items), 2), 2 * np.arange(n_items))
    views = []
    for view in ("log_mel", "content_view", "rhythm_view", "pitch_view"):
        values = np.repeat(unvoiced.load(view)[:], 2, axis=0)
        if view == name:
            values[row, 0, 0] = np.nan
        views.append(note_windows(chunked(values), windows))
    return views


@pytest.mark.parametrize("role", ["train", "validation", "test"])
def test_nan_in_a_view_names_view_and_recording(unvoiced: Any, role: str) -> None:
    splits = unvoiced.load("splits")
    item = int(np.flatnonzero(splits["role"] == role)[1])
    views = _damaged(unvoiced, row=2 * item + 1)
    parameters = DisentanglerParameters(schedule={"epochs": 1})
    message = f"rhythm_view has NaN or infinity for recording '{splits['recording_id'][item]}'"

    if role != "test":
        with pytest.raises(UserError, match=message):
            nodes.train_disentangler_on_views(
                *views, unvoiced.load("factor_table"), splits, parameters, 1
            )
    model = unvoiced.load("disentangler")
    with pytest.raises(UserError, match=message):
        nodes.encode_views(model, model, *views, splits, parameters)
    with pytest.raises(UserError, match=message):
        encode_without_training(model, *views, splits, parameters, 1)


def test_nan_in_a_test_row_does_not_reach_the_training(unvoiced: Any) -> None:
    splits = unvoiced.load("splits")
    item = int(np.flatnonzero(splits["role"] == "test")[0])
    views = _damaged(unvoiced, row=2 * item)

    parameters = DisentanglerParameters(schedule={"epochs": 1})
    *_, history = nodes.train_disentangler_on_views(
        *views, unvoiced.load("factor_table"), splits, parameters, 1
    )

    assert np.isfinite(history.to_numpy()).all()
