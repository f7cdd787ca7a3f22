"""Timbre statistics of decays and of other sounds, in training and for new files."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
import zarr

from disentangled_audio.models.feature_values import view_summaries
from disentangled_audio.models.hearing import Heard
from disentangled_audio.models.mel_features import timbre_statistics
from disentangled_audio.models.preparation import FeatureReader, MemoryFile, Preprocessing
from disentangled_audio.models.views import make_views
from disentangled_audio.models.windows import Windows
from disentangled_audio.parameters import (
    AcousticParameters,
    CepstraParameters,
    Corpus,
    FourierParameters,
    ViewParameters,
)
from disentangled_audio.pipelines.feature_engineering.nodes import summarise_views

RATE_HZ = 8000
VIEWS = ViewParameters(trim_db=35.0, dynamic_range_db=80.0)


def _decay(t60_s: float) -> np.ndarray:
    """Two seconds of exponentially decaying noise, (n_samples,), as an impulse response."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(3).standard_normal(len(time_s))
    return (0.1 * noise * 10 ** (-3 * time_s / t60_s)).astype(np.float32)


def _log_mel(*clips: np.ndarray) -> np.ndarray:
    return make_views(np.stack(clips), RATE_HZ, VIEWS)["log_mel"]


def test_the_trim_follows_the_kind_of_each_clip_and_of_its_windows() -> None:
    # The second clip has two windows.
    log_mel = _log_mel(_decay(1.0), _decay(1.2), _decay(0.8), _decay(0.6))
    windows = Windows(np.array([0, 1, 1, 2]), np.array([0, 1, 3]))
    kind = np.array(["other", "rir", "noise"])

    _, statistics = view_summaries(log_mel, windows, kind, CepstraParameters(), VIEWS)

    trimmed, whole = (
        timbre_statistics(log_mel, np.full(4, trim), VIEWS.dynamic_range_db)
        for trim in (35.0 / 80.0, 1.0)
    )
    expected = np.stack([trimmed[0], whole[1:3].mean(axis=0), trimmed[3]])
    np.testing.assert_allclose(statistics, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(trimmed - whole).max(axis=1).min() > 0.1


@pytest.mark.parametrize("kind", ["rir", "other"])
def test_a_new_file_has_the_statistics_of_training(kind: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, _decay(1.0), RATE_HZ, format="WAV", subtype="FLOAT")
    corpus = Corpus(
        sources=[{"folder": "."}],
        name_patterns=[r"(?P<take>\d)\.wav"],
        kind=kind,
        analysis={"sample_rate_hz": RATE_HZ, "duration_s": 2.0, "normalise_energy": False},
    )
    reader = FeatureReader(
        Preprocessing(
            corpus, FourierParameters(), VIEWS, CepstraParameters(), AcousticParameters()
        ),
        known={},
    )

    of_file = reader((0, [Heard(MemoryFile("1.wav", file.getvalue()))])).values["timbre_features"]

    recordings = pd.DataFrame({"recording_id": ["1"], "kind": [kind]})
    log_mel = zarr.array(_log_mel(_decay(1.0)))
    _, table = summarise_views(log_mel, recordings, CepstraParameters(), VIEWS)
    in_training = table.drop(columns="recording_id").to_numpy()
    np.testing.assert_allclose(of_file, in_training, rtol=1e-5, atol=1e-6)
