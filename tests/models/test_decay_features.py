"""Decay features: which acoustic parameters they use, and how they fill gaps."""

import numpy as np
import pytest

from disentangled_audio.models.decay_features import decay_features
from disentangled_audio.signal.acoustics import AcousticMeasures, measure

RATE_HZ = 16_000
NAMES = ["edt_s", "t_clear_s", "t_clear_1000hz_s", "c50_1000hz_db", "t_clear_250hz_s"]


def _values(**columns: float) -> np.ndarray:
    row = dict.fromkeys(NAMES, 9.0) | {f"t_clear_{key}_s": value for key, value in columns.items()}
    return np.array([[row[name] for name in NAMES]])


def test_only_decay_times_of_bands_are_kept_by_frequency_and_as_logarithms() -> None:
    features = decay_features(_values(**{"1000hz": 0.5, "250hz": 1.0}), NAMES)

    np.testing.assert_allclose(features, [[0.0, np.log(0.5)]])


def test_missing_bands_take_the_value_of_their_neighbours() -> None:
    names = [f"t_clear_{centre}hz_s" for centre in (125, 250, 500, 1000, 2000)]
    times = np.array([[np.nan, 0.4, np.nan, 0.1, np.nan]])

    features = decay_features(times, names)

    np.testing.assert_allclose(np.exp(features), [[0.4, 0.4, 0.2, 0.1, 0.1]])


def test_a_row_without_any_decay_stays_nan_and_others_do_not_depend_on_it() -> None:
    known = _values(**{"1000hz": 0.5, "250hz": 1.0})
    unknown = np.full((1, len(NAMES)), np.nan)

    features = decay_features(np.concatenate([unknown, known]), NAMES)

    assert np.isnan(features[0]).all()
    np.testing.assert_array_equal(features[1:], decay_features(known, NAMES))


def test_every_band_of_the_parameters_is_found() -> None:
    centres = tuple(1000 * 2 ** (third / 3) for third in range(-9, 8))
    measures = AcousticMeasures(centres, bands_per_octave=3)

    features = decay_features(np.ones((1, len(measures.names))), measures.names)

    assert features.shape == (1, 17)


def test_without_decay_times_there_are_no_features() -> None:
    with pytest.raises(ValueError, match="t_clear"):
        decay_features(np.ones((2, 1)), ["edt_s"])


@pytest.mark.parametrize("direct_gain_db", [-10, 10])
def test_the_direct_sound_has_no_influence(direct_gain_db: float) -> None:
    """Ten decibels of direct sound are a factor of three in distance."""
    rng = np.random.default_rng(0)
    envelope = 10 ** (-3 * np.arange(RATE_HZ) / RATE_HZ / 0.5)
    rir = 0.3 * rng.standard_normal((8, RATE_HZ)) * envelope
    rir += 1e-4 * rng.standard_normal(rir.shape)
    rir[:, 0] = 3.0
    other = rir.copy()
    other[:, 0] *= 10 ** (direct_gain_db / 20)
    measures = AcousticMeasures()

    features, changed = (
        decay_features(measure(clips, RATE_HZ)[0], measures.names) for clips in (rir, other)
    )

    spread = np.abs(features - np.log(0.5)).mean()
    assert np.abs(changed - features).mean() < 0.5 * spread < 0.05
