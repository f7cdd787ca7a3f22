"""A recording that is longer than the training clips is heard in windows, all of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio import Classifier
from disentangled_audio.errors import UserError
from disentangled_audio.models import hearing
from disentangled_audio.models.hearing import Hearing
from disentangled_audio.models.segments import joined_windows

RATE_HZ = 16000
CLIP_S = 0.5


@pytest.fixture(scope="module")
def long() -> np.ndarray:
    """3.1 s of noise in three colours."""
    rng = np.random.default_rng(5)
    parts = [rng.standard_normal(n) for n in (16000, 16000, 17600)]
    parts[1] = np.cumsum(parts[1]) / 50
    parts[2] = np.diff(parts[2], prepend=0.0)
    return 0.1 * np.concatenate(parts)


def test_each_window_is_answered_as_if_it_were_a_recording(
    classifier: Classifier, long: np.ndarray
) -> None:
    table = classifier.predict_array(long, RATE_HZ, kind="noise", rows="windows")
    assert table["start_s"].tolist() == pytest.approx([*np.arange(0, 2.6, 0.25), 2.6])
    assert (table["end_s"] - table["start_s"]).to_numpy() == pytest.approx(CLIP_S)
    columns = [name for name in table if "p_" in name]
    for row in table.iloc[[0, 5, -1]].to_dict("records"):
        first = round(row["start_s"] * RATE_HZ)
        own = long[first : first + round(CLIP_S * RATE_HZ)]
        alone = classifier.predict_array(own, RATE_HZ, kind="noise").iloc[0]
        assert [row[name] for name in columns] == pytest.approx(list(alone[columns]), abs=1e-5)
        assert alone["in_distribution"] == row["in_distribution"]


def test_segments_and_the_whole_are_means_over_windows(
    classifier: Classifier, long: np.ndarray
) -> None:
    def of(rows: Any) -> pd.DataFrame:
        return classifier.predict_array(long, RATE_HZ, kind="noise", rows=rows)

    windows, segments, whole = map(of, ("windows", "segments", "whole"))
    columns = [f"p_{name}" for name in classifier.classes]
    assert len(whole) == 1
    assert whole[columns].iloc[0].tolist() == pytest.approx(windows[columns].mean().tolist())
    agreement = (windows["class"] == whole["class"][0]).mean()
    assert whole["agreement"][0] == pytest.approx(agreement)
    assert (whole["start_s"][0], whole["end_s"][0]) == (0, pytest.approx(3.1))
    # Without a gap, and without two neighbours of one class.
    assert segments["start_s"].tolist()[1:] == pytest.approx(segments["end_s"].tolist()[:-1])
    assert segments["end_s"].iloc[-1] == pytest.approx(3.1)
    assert (segments["class"].shift() != segments["class"]).all()
    assert segments["n_windows"].sum() == len(windows)


def test_a_long_file_is_heard_piece_by_piece_to_the_same_answer(
    classifier: Classifier, long: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", long, RATE_HZ)
    soundfile.write(tmp_path / "b.wav", long[:8000], RATE_HZ)
    soundfile.write(tmp_path / "c.flac", long[::-1], RATE_HZ)
    asked = {"kind": "noise", "rows": "windows"}
    expected = classifier.predict(tmp_path, **asked)
    monkeypatch.setattr(hearing, "WINDOWS_AT_ONCE", 5)
    found = classifier.predict(tmp_path, **asked)
    names = [Path(name).name for name in found["file"].drop_duplicates()]
    assert names == ["a.wav", "b.wav", "c.flac"]
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-5)


def test_silence_is_counted_and_ends_a_segment(classifier: Classifier, long: np.ndarray) -> None:
    loud = long[:16000]
    samples = np.concatenate([loud, np.zeros(16000), loud])
    table = classifier.predict_array(samples, RATE_HZ, kind="noise", rows="windows")
    assert table.attrs["remarks"] == ["3 windows have no row: 3 × silent"]
    assert not table["start_s"].between(1.0, 1.5).any()
    segments = classifier.predict_array(samples, RATE_HZ, kind="noise")
    assert not ((segments["start_s"] < 1.2) & (segments["end_s"] > 1.8)).any()


@pytest.mark.parametrize("channel", [0, 1, 39])
def test_sound_on_any_channel_is_heard(
    classifier: Classifier, long: np.ndarray, channel: int
) -> None:
    # No training recording has as many.
    samples = np.zeros((8000, 40))
    samples[:, channel] = long[:8000]
    row = classifier.predict_array(samples, RATE_HZ, kind="noise").iloc[0]
    alone = classifier.predict_array(long[:8000], RATE_HZ, kind="noise").iloc[0]
    assert row["channel"] == str(channel)
    assert row["confidence"] == pytest.approx(alone["confidence"], abs=1e-5)


def test_impulse_responses_stay_one_clip(classifier: Classifier) -> None:
    decay = np.exp(-np.arange(48000) / 4000) * np.random.default_rng(0).standard_normal(48000)
    table = classifier.predict_array(np.append(np.zeros(20000), decay), RATE_HZ, kind="rir")
    assert len(table) == 1
    assert table["end_s"][0] - table["start_s"][0] == pytest.approx(CLIP_S, abs=0.01)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"window_s": 0.6}, "a window of 0.6 s is not possible.*at most the 0.5 s"),
        ({"window_s": 0.0}, "a window of 0 s"),
        ({"hop_s": 0.7}, "a hop of 0.7 s is not possible.*every part is heard"),
        ({"hop_s": -1.0}, "a hop of -1 s"),
        ({"window_s": float("nan")}, "a window of nan s"),
    ],
)
def test_impossible_windows_are_named(
    classifier: Classifier, long: np.ndarray, asked: dict[str, float], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        classifier.predict_array(long, RATE_HZ, **asked)


@given(st.floats(0.05, 500), st.floats(0.05, 5), st.floats(0.05, 1))
def test_windows_leave_nothing_out(duration_s: float, window_s: float, hop_share: float) -> None:
    hearing = Hearing.of(window_s, window_s, window_s * hop_share)
    windows = hearing.windows(duration_s)
    if not windows:
        assert duration_s <= window_s * 1.05 + 1e-9
        return
    starts = np.array([window.start_s for window in windows])
    assert starts[0] == 0
    assert windows[-1].end_s == pytest.approx(duration_s)
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= hearing.hop_s + 1e-9).all()


def _windows(classes: str, place: int = 0) -> pd.DataFrame:
    rows = [
        {
            "place": place,
            "channel": "0",
            "start_s": 0.5 * number,
            "end_s": 0.5 * number + 1,
            "class": name,
            "confidence": 0.8,
            "p_a": 0.8 if name == "a" else 0.2,
            "p_b": 0.2 if name == "a" else 0.8,
            "svm_p_a": 0.5,
            "svm_p_b": 0.5,
            "in_distribution": 0.1 * number,
            "distance": 1.0,
            "warnings": "unlike" if number else "",
        }
        for number, name in enumerate(classes)
    ]
    return pd.DataFrame(rows)


def test_neighbours_of_one_class_are_joined_and_meet_in_the_middle() -> None:
    table = pd.concat([_windows("aab"), _windows("a", place=1)], ignore_index=True)
    found = joined_windows(table, "segments", by_channel=False)
    assert found["class"].tolist() == ["a", "b", "a"]
    assert found["start_s"].tolist() == [0, 1.25, 0]
    assert found["end_s"].tolist() == [1.25, 2, 1]
    assert found["in_distribution"].tolist() == pytest.approx([0.05, 0.2, 0])
    assert found["warnings"].tolist() == ["unlike", "unlike", ""]
    assert found["n_windows"].tolist() == [2, 1, 1]


def test_the_whole_says_how_many_windows_agree() -> None:
    found = joined_windows(_windows("aab"), "whole", by_channel=False)
    assert found["p_a"].tolist() == pytest.approx([0.6])
    assert found["class"].tolist() == ["a"]
    assert found["agreement"].tolist() == pytest.approx([2 / 3])
