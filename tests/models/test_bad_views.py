"""Training and codes stay finite for views that are too short, too few or constant."""

import logging

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.models.disentangler import build_disentangler
from disentangled_audio.models.encoding import encode
from disentangled_audio.models.training import train_disentangler
from disentangled_audio.models.views import VIEW_NAMES, check_views, make_views
from disentangled_audio.parameters import Corpus, ViewParameters
from tests.disentangling import disentangler

RATE_HZ = 8000
SMALL = {
    **{"content_channels": [8, 8, 8], "pitch_channels": [8, 8, 8], "rhythm_channels": [8, 8, 8]},
    **{"decoder": {"units": 8, "channels": [8]}, "head": {"units": 8}, "epochs": 1},
}
TERMS = {
    "readouts": {"rhythm": {"of": ["duration"]}},
    "independence": {"content": {"of": ["group", "duration"], "within": ["target"]}},
    "adversaries": {"pitch": {"of": ["group"]}},
    "ramp_epochs": 0,
}


def _views(n_items: int, duration_s: float = 0.4, pitch: str = "f0") -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).standard_normal((n_items, round(duration_s * RATE_HZ)))
    return make_views(noise.astype(np.float32), RATE_HZ, ViewParameters(pitch=pitch))


def _factors(n_items: int) -> pd.DataFrame:
    item = np.arange(n_items)
    return pd.DataFrame(
        {
            "group": pd.Series(item // 2 % 2, dtype="string"),
            "duration": 0.1 + 0.01 * (item * 7 % 5),
        }
    )


def _train(views: dict[str, np.ndarray], factors: pd.DataFrame, **parameters: object):
    """Train on all rows but the last two, two classes in turn."""
    n_items = len(factors)
    training = np.arange(n_items) < n_items - 2
    chosen = disentangler(**{**SMALL, **parameters})
    labels = np.arange(n_items) % 2
    return train_disentangler(
        views, labels, training, ~training, 2, chosen, seed=0, factors=factors
    )


@pytest.mark.parametrize("method", ["separated", "triple_bottleneck", "adversarial"])
@pytest.mark.parametrize("n_frames", [1, 7])
def test_views_shorter_than_the_strides_of_an_encoder(method: str, n_frames: int) -> None:
    """Three convolutions of stride 2 leave a frame of up to eight; padding makes up for fewer."""
    views = {name: view[:, :n_frames] for name, view in _views(3).items()}
    shapes = {name: view.shape[1:] for name, view in views.items()}
    model = build_disentangler(shapes, 2, disentangler(**SMALL, method=method), seed=0)

    encoded = encode(model, views)

    assert encoded["log_mel"].shape == views["log_mel"].shape
    assert all(np.isfinite(values).all() for values in encoded.values())


@pytest.mark.parametrize(("n_items", "batch_size"), [(5, 64), (11, 8)])
def test_a_batch_of_few_rows_or_of_one_has_finite_losses(n_items: int, batch_size: int) -> None:
    """The last batch has 3 rows and 1 row, too few for anything to depend on anything."""
    _, history = _train(_views(n_items), _factors(n_items), batch_size=batch_size, **TERMS)

    assert np.isfinite(history.to_numpy()).all()
    assert "training_independence_content_group" in history


def test_a_constant_factor_and_a_missing_one_have_no_loss_and_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    factors = _factors(12).assign(group="same", duration=np.nan)

    with caplog.at_level(logging.WARNING):
        _, history = _train(_views(12), factors, **TERMS)

    assert not [name for name in history if "group" in name or "duration" in name]
    assert np.isfinite(history.to_numpy()).all()
    for name in ("group", "duration"):
        assert f"factor '{name}' does not vary in the training rows" in caplog.text


def test_without_a_voiced_frame_the_pitch_view_is_empty_and_its_code_constant() -> None:
    assert not _views(12, pitch="contour")["pitch_view"].any()
    views = _views(12)

    model, history = _train(views, _factors(12))

    assert not views["pitch_view"].any()
    assert np.isfinite(history.to_numpy()).all()
    code = encode(model, views)["pitch"]
    np.testing.assert_array_equal(code, code[:1].repeat(12, axis=0))


@pytest.mark.parametrize(
    ("duration_s", "segments", "message"),
    [
        (0.02, {}, "clips of 0.02 s are shorter than window_s"),
        (
            0.5,
            {"segment_min_frames": 40, "segment_max_frames": 50},
            "segment_min_frames=40 .* have 32 content frames",
        ),
    ],
)
def test_clips_too_short_for_the_views_are_named(
    duration_s: float, segments: dict[str, int], message: str
) -> None:
    analysis = {"sample_rate_hz": RATE_HZ, "duration_s": duration_s}
    corpus = Corpus(sources=[{"folder": "none"}], analysis=analysis)

    with pytest.raises(UserError, match=message):
        check_views(ViewParameters(pitch="f0"), disentangler(**segments), corpus)


@pytest.mark.parametrize("name", VIEW_NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_any_view_stops_the_training_and_is_named(name: str, value: float) -> None:
    views = _views(8)
    views[name][5, 0, 0] = value

    with pytest.raises(ValueError, match=f"{name} has NaN or infinity in row 5"):
        _train(views, _factors(8))
