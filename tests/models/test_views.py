"""Encoder input views: what they show, what they hide, and that rows stay apart."""

import subprocess
import sys

import numpy as np
import pytest

from disentangled_audio.models.views import VIEW_NAMES, make_views
from disentangled_audio.parameters import ViewParameters
from disentangled_audio.signal.blocks import BLOCK_SAMPLES

SAMPLE_RATE_HZ = 8000
VOICED = ViewParameters(pitch="f0")


def _gliding_tone(duration_s: float, clip_s: float = 1.0, start_s: float = 0.1) -> np.ndarray:
    """A harmonic glide from 120 to 180 Hz, the same for any duration, then silence."""
    n_samples = round(duration_s * SAMPLE_RATE_HZ)
    f0_hz = np.linspace(120.0, 180.0, n_samples)
    phase = 2.0 * np.pi * np.cumsum(f0_hz) / SAMPLE_RATE_HZ
    tone = sum(np.sin(n * phase) / n for n in range(1, 6))
    clip = np.zeros(round(clip_s * SAMPLE_RATE_HZ), np.float32)
    first = round(start_s * SAMPLE_RATE_HZ)
    clip[first : first + n_samples] = tone
    return clip


def _noise_clips(n_items: int, n_samples: int = 4000) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((n_items, n_samples))
    return noise.astype(np.float32)


@pytest.mark.parametrize("pitch", ["f0", "modal"])
@pytest.mark.parametrize(
    ("sample_rate_hz", "duration_s"), [(8000, 0.1), (16000, 0.5), (48000, 2.0), (8000, 1.0)]
)
def test_shapes_range_and_type(pitch: str, sample_rate_hz: int, duration_s: float) -> None:
    parameters = ViewParameters(pitch=pitch, rhythm_bands=6)

    views = make_views(
        _noise_clips(3, round(duration_s * sample_rate_hz)), sample_rate_hz, parameters
    )

    assert tuple(views) == VIEW_NAMES
    n_frames = round(np.ceil(duration_s / parameters.hop_s))
    assert views["log_mel"].shape == (3, n_frames, 40)
    n_content, n_modal = {0.1: (32, 4), 0.5: (32, 4), 1.0: (32, 4), 2.0: (64, 8)}[duration_s]
    assert views["content_view"].shape == (3, n_content, 40)
    assert views["rhythm_view"].shape == (3, n_frames, 6)
    assert views["pitch_view"].shape[:2] == (3, n_content if pitch == "f0" else n_modal)
    for view in views.values():
        assert view.dtype == np.float32
        assert 0.0 <= view.min() <= view.max() <= 1.0


@pytest.mark.parametrize("pitch", ["f0", "modal"])
@pytest.mark.parametrize("sample_rate_hz", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("duration_s", [0.3, 0.5, 0.9, 1.0])
def test_clips_of_a_second_have_the_frames_that_are_given(
    pitch: str, sample_rate_hz: int, duration_s: float
) -> None:
    """Steps in seconds concern longer clips alone: what was trained on shorter ones stays valid."""
    clips = _noise_clips(2, round(duration_s * sample_rate_hz))

    views = make_views(clips, sample_rate_hz, ViewParameters(pitch=pitch))
    as_given = make_views(clips, sample_rate_hz, ViewParameters(pitch=pitch, whole_clips=True))

    for name in VIEW_NAMES:
        np.testing.assert_array_equal(views[name], as_given[name])


@pytest.mark.parametrize("pitch", ["f0", "modal"])
def test_frames_of_long_clips_are_no_further_apart_than_the_step(pitch: str) -> None:
    clips = _noise_clips(1, 3 * SAMPLE_RATE_HZ)
    parameters = ViewParameters(pitch=pitch, content_step_s=0.02, modal_step_s=0.11)

    views = make_views(clips, SAMPLE_RATE_HZ, parameters)
    as_given = make_views(clips, SAMPLE_RATE_HZ, ViewParameters(pitch=pitch, whole_clips=True))

    assert views["content_view"].shape[1] == 150
    # 2.75 s between the first and the last modal window of 0.25 s: 25 steps of 0.11 s.
    assert views["pitch_view"].shape[1] == (150 if pitch == "f0" else 26)
    assert as_given["content_view"].shape[1] == 32
    assert as_given["pitch_view"].shape[1] == (32 if pitch == "f0" else 4)


@pytest.mark.parametrize("pitch", ["f0", "modal"])
def test_a_row_does_not_depend_on_other_rows(pitch: str) -> None:
    parameters = ViewParameters(pitch=pitch)
    clips = _noise_clips(130)
    changed = clips.copy()
    changed[1:] *= np.linspace(0.0, 50.0, 129, dtype=np.float32)[:, None]
    changed[1:] = changed[1:, ::-1]

    views = make_views(clips, SAMPLE_RATE_HZ, parameters)
    others_changed = make_views(changed, SAMPLE_RATE_HZ, parameters)
    alone = make_views(clips[128:129], SAMPLE_RATE_HZ, parameters)

    for name in VIEW_NAMES:
        np.testing.assert_array_equal(views[name][0], others_changed[name][0])
        np.testing.assert_allclose(views[name][128], alone[name][0], atol=1e-5)


@pytest.mark.parametrize("pitch", ["f0", "modal"])
def test_a_row_is_the_same_in_any_block(pitch: str) -> None:
    clips = _noise_clips(2 * (BLOCK_SAMPLES // 4000) + 3)
    parameters = ViewParameters(pitch=pitch)

    views = make_views(clips, SAMPLE_RATE_HZ, parameters)
    part = make_views(clips[50:], SAMPLE_RATE_HZ, parameters)

    for name in VIEW_NAMES:
        np.testing.assert_allclose(views[name][50:], part[name], atol=1e-6)


def _reference_log_mel_db(
    clip: np.ndarray, sample_rate_hz: int, window_samples: int, hop_samples: int, n_fft: int
) -> np.ndarray:
    """Textbook log-mel of one clip, frame by frame, in double precision: dB below its peak."""
    top_mel = 2595 * np.log10(1 + sample_rate_hz / 2 / 700)
    low_mel = 2595 * np.log10(1 + 40 / 700)
    edges_hz = 700 * (10 ** (np.linspace(low_mel, top_mel, 42) / 2595) - 1)
    bins_hz = np.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_samples) / window_samples)
    padded = np.pad(clip.astype(np.float64), window_samples)
    power = []
    for centre in range(0, len(clip), hop_samples):
        first = centre + window_samples - window_samples // 2
        frame = padded[first : first + window_samples] * window
        bins = np.abs(np.fft.fft(frame, n_fft)[: n_fft // 2 + 1]) ** 2
        power.append([bins @ np.interp(bins_hz, edges_hz[m : m + 3], [0, 1, 0]) for m in range(40)])
    return 10 * np.log10(np.maximum(np.array(power) / np.max(power), 1e-20))


@pytest.mark.parametrize(("sample_rate_hz", "n_fft"), [(8000, 256), (16000, 512), (48000, 2048)])
def test_log_mel_agrees_with_a_double_precision_reference(sample_rate_hz: int, n_fft: int) -> None:
    n_samples = sample_rate_hz // 4
    times_s = np.arange(n_samples) / sample_rate_hz
    noise = np.random.default_rng(3).standard_normal(n_samples)
    # A tone far above the rest is what single precision fails on.
    tone = np.sin(2 * np.pi * 700 * times_s)
    clips = np.stack([noise * 10 ** (-12 * times_s), tone + 1e-5 * noise]).astype(np.float32)
    parameters = ViewParameters()

    views = make_views(clips, sample_rate_hz, parameters)

    log_mel_db = 80.0 * (views["log_mel"].astype(np.float64) - 1.0)
    window_samples, hop_samples = round(0.032 * sample_rate_hz), round(0.016 * sample_rate_hz)
    for clip, shown_db in zip(clips, log_mel_db, strict=True):
        expected_db = _reference_log_mel_db(
            clip, sample_rate_hz, window_samples, hop_samples, n_fft
        )
        assert (expected_db < -60).any()
        np.testing.assert_allclose(shown_db, np.maximum(expected_db, -80), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", VIEW_NAMES)
def test_views_do_not_depend_on_level(name: str) -> None:
    clips = _noise_clips(2)

    views = make_views(clips, SAMPLE_RATE_HZ, VOICED)
    louder = make_views(8.0 * clips, SAMPLE_RATE_HZ, VOICED)

    np.testing.assert_allclose(views[name], louder[name], atol=1e-4)


def test_the_rhythm_view_depends_on_duration_and_the_others_hardly() -> None:
    clips = np.stack([_gliding_tone(0.4), _gliding_tone(0.7, start_s=0.2)])

    views = make_views(clips, SAMPLE_RATE_HZ, VOICED)

    difference = {name: np.abs(np.diff(view, axis=0)).mean() for name, view in views.items()}
    assert difference["content_view"] < 0.03
    assert difference["pitch_view"] < 0.03
    assert difference["rhythm_view"] > 0.2


def test_pitch_view_shows_melody_and_not_register() -> None:
    slow = _gliding_tone(0.5)
    # Played twice as fast, the same glide is an octave up; the content view undoes the duration.
    fast = np.zeros_like(slow)
    fast[: len(slow) // 2] = slow[::2]
    clips = np.stack([slow, fast])

    relative = make_views(clips, SAMPLE_RATE_HZ, VOICED)["pitch_view"]
    absolute = make_views(
        clips, SAMPLE_RATE_HZ, ViewParameters(pitch="f0", f0_relative_to_clip=False)
    )

    centre = (relative.shape[2] - 1) // 2
    middle = relative[:, 12:20, :-1].mean(axis=1).argmax(axis=1)
    assert np.abs(middle - centre).max() <= 2
    registers = absolute["pitch_view"][:, 12:20, :-1].mean(axis=1).argmax(axis=1)
    assert registers[1] - registers[0] == pytest.approx(24, abs=2)


def test_a_silent_clip_has_finite_views() -> None:
    views = make_views(np.zeros((1, 4000), np.float32), SAMPLE_RATE_HZ, VOICED)

    assert all(np.isfinite(view).all() for view in views.values())


@pytest.mark.parametrize(
    ("clips", "parameters", "message"),
    [
        (np.zeros((0, 100), np.float32), {}, "n_items, n_samples"),
        (np.zeros((1, 100), np.float32), {}, "shorter than window_s"),
        (np.full((1, 4000), np.nan, np.float32), {}, "not finite"),
        (np.ones((1, 4000), np.float32), {"max_hz": 5000.0}, "beyond 4000 Hz"),
    ],
)
def test_unusable_clips_are_refused(clips: np.ndarray, parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_views(clips, SAMPLE_RATE_HZ, ViewParameters(**parameters))


def test_views_and_settings_do_not_import_a_network_library() -> None:
    code = (
        "import sys, disentangled_audio.parameters, disentangled_audio.models.views\n"
        "assert not {'keras', 'tensorflow', 'kedro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


CONTOUR = ViewParameters(pitch="contour", f0_relative_to_clip=False)


def _contour(clip: np.ndarray, parameters: ViewParameters = CONTOUR) -> np.ndarray:
    return make_views(clip[None], SAMPLE_RATE_HZ, parameters)["pitch_view"][0]


def test_the_contour_is_the_course_of_the_fundamental_and_its_median() -> None:
    contour = _contour(_gliding_tone(0.6))

    assert contour.shape == (32, 2)
    course = contour[:, 0]
    # 120 to 180 Hz is 0.58 octaves; the very ends have no whole window.
    assert course[-3] - course[2] == pytest.approx(0.58, abs=0.12)
    assert (np.diff(course[2:-2]) > -0.05).all()
    assert contour[:, 1] == pytest.approx(np.log2(150.0 / 70.0), abs=0.08)
    assert np.ptp(contour[:, 1]) == 0.0


def test_the_contour_shows_no_pauses() -> None:
    whole = _gliding_tone(0.6)
    broken = whole.copy()
    broken[2400:3200] = 0.0

    gap = np.abs(_contour(whole)[4:-4, 0] - _contour(broken)[4:-4, 0])

    assert gap.max() < 0.12


def test_a_contour_around_its_median_shows_no_register() -> None:
    relative = CONTOUR.model_copy(update={"f0_relative_to_clip": True})
    low = _gliding_tone(0.6)

    assert _contour(low, relative).shape == (32, 1)
    np.testing.assert_array_equal(_contour(low, relative)[:, 0], _contour(low)[:, 0])


def test_where_nothing_is_voiced_the_contour_is_zero() -> None:
    silence, noise = np.zeros(8000, np.float32), _noise_clips(1, 8000)[0]

    assert not _contour(silence).any()
    assert not _contour(noise).any()
