"""Long clips in windows: where windows lie, what is left out, and how they are pooled."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from disentangled_audio.models.disentangler import build_disentangler
from disentangled_audio.models.encoding import encode
from disentangled_audio.models.views import make_views
from disentangled_audio.models.windows import Windows, cut_windows
from disentangled_audio.parameters import ViewParameters
from tests.arrays import chunked
from tests.disentangling import disentangler

RATE_HZ = 1000
THREE_EVERY_ONE_AND_A_HALF = ViewParameters(clip_window_s=3.0, clip_hop_s=1.5)
SMALL = disentangler(
    content_channels=[8],
    pitch_channels=[8],
    rhythm_channels=[8],
    decoder={"units": 8, "channels": [8]},
)


def _clips(n_items: int, duration_s: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((n_items, round(duration_s * RATE_HZ)))
    return noise.astype(np.float32)


@pytest.mark.parametrize(
    ("duration_s", "whole_clips"), [(0.3, False), (1.0, False), (3.0, False), (10.0, True)]
)
def test_short_clips_and_those_with_whole_clips_stay_whole(
    duration_s: float, whole_clips: bool
) -> None:
    parameters = THREE_EVERY_ONE_AND_A_HALF.model_copy(update={"whole_clips": whole_clips})
    assert cut_windows(_clips(2, duration_s), RATE_HZ, parameters) is None


def test_windows_overlap_and_the_last_ends_with_the_clip() -> None:
    clips = _clips(2, 10.0)

    cut = cut_windows(chunked(clips), RATE_HZ, THREE_EVERY_ONE_AND_A_HALF)

    assert cut.shape == (12, 3000)
    assert cut.windows.items.tolist() == [0] * 6 + [1] * 6
    assert cut.starts.tolist() == [0, 1500, 3000, 4500, 6000, 7000] * 2
    every = cut[0:12]
    for window, item, start in zip(every, cut.windows.items, cut.starts, strict=True):
        np.testing.assert_array_equal(window, clips[item, start : start + 3000])
    np.testing.assert_array_equal(cut[5:8], every[5:8])


def test_no_window_starts_after_the_signal() -> None:
    clips = _clips(3, 10.0)
    clips[0, 3200:] = 0.0
    clips[1, 700:] = 0.0
    # What filters leave of zeros is no signal either.
    clips[2, 5000:] *= 1e-8

    cut = cut_windows(clips, RATE_HZ, THREE_EVERY_ONE_AND_A_HALF)

    of_item = [cut.starts[cut.windows.items == item].tolist() for item in range(3)]
    assert of_item == [[0, 200], [0], [0, 1500, 2000]]


def test_a_silent_window_is_left_out_and_a_silent_clip_keeps_its_first() -> None:
    clips = _clips(2, 10.0)
    clips[0, 2900:7100] = 0.0
    clips[1] = 0.0

    cut = cut_windows(clips, RATE_HZ, THREE_EVERY_ONE_AND_A_HALF)

    assert cut.starts.tolist() == [0, 1500, 4500, 6000, 7000, 0]
    assert cut.windows.items.tolist() == [0, 0, 0, 0, 0, 1]


def test_the_loudest_window_is_the_one_with_most_energy() -> None:
    clips = 0.01 * _clips(3, 9.0)
    for item, start in enumerate([0, 3000, 6000]):
        clips[item, start : start + 3000] *= 100.0

    cut = cut_windows(clips, RATE_HZ, THREE_EVERY_ONE_AND_A_HALF)

    assert cut.starts[cut.windows.loudest].tolist() == [0, 3000, 6000]
    assert cut.windows.items[cut.windows.loudest].tolist() == [0, 1, 2]


def test_pooled_values_are_means_over_the_windows_of_a_clip() -> None:
    windows = Windows(items=np.array([0, 0, 1, 2, 2, 2]), loudest=np.array([1, 2, 5]))
    values = np.array([[1, 2], [3, 4], [5, 6], [0, 0], [0, 3], [3, 6]], dtype=np.float32)

    pooled = windows.pooled(values)

    assert pooled.dtype == np.float32
    np.testing.assert_array_equal(pooled, [[2, 3], [5, 6], [1, 3]])


def test_values_of_whole_clips_are_not_copied() -> None:
    values = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    assert Windows.whole(5).pooled(values) is values


def test_windows_of_a_stored_array_are_read_in_part() -> None:
    stored = zarr.create_array(store={}, data=_clips(4, 7.0), chunks=(2, 7000))
    stored.attrs["corpus_hash"] = "a"

    cut = cut_windows(stored, RATE_HZ, THREE_EVERY_ONE_AND_A_HALF)

    assert cut.attrs["corpus_hash"] == "a"
    assert cut.chunks == (4, 3000)
    np.testing.assert_array_equal(cut[5:6][0], stored[1][1500:4500])


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    duration_s=st.floats(0.3, 10.0),
    sample_rate_hz=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    pitch=st.sampled_from(["f0", "modal"]),
)
def test_any_clip_is_encoded_to_finite_codes(
    duration_s: float, sample_rate_hz: int, pitch: str
) -> None:
    parameters = ViewParameters(pitch=pitch)
    n_samples = round(duration_s * sample_rate_hz)
    clip = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)

    cut = cut_windows(clip, sample_rate_hz, parameters)
    rows = clip if cut is None else cut[0 : len(cut.starts)]
    windows = Windows.whole(1) if cut is None else cut.windows
    views = make_views(rows, sample_rate_hz, parameters)
    shapes = {name: view.shape[1:] for name, view in views.items()}
    model = build_disentangler(shapes, 2, SMALL, seed=0)
    encoded = {name: windows.pooled(code) for name, code in encode(model, views, 8).items()}

    # However long the clip, a view is no larger than that of a window.
    assert views["content_view"].shape[1] <= 96
    assert views["log_mel"].shape[1] <= 189
    assert encoded["content"].shape == (1, SMALL.encoders.content_dim)
    assert all(np.isfinite(values).all() for values in encoded.values())
    np.testing.assert_allclose(encoded["target"].sum(axis=1), 1.0, atol=1e-5)
