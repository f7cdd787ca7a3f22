"""Acoustic parameters against decays whose values are known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disentangled_audio.signal.acoustics import AcousticMeasures, measure, reason_texts
from disentangled_audio.signal.band_decay import REASONS
from tests.signal.octaves import octave_bands

RATE_HZ = 16_000
MEASURES = AcousticMeasures()
TIMES = ("edt_s", "t15_s", "t20_s", "t30_s", "t_clear_s")


def exponential(time_s: float, length_s: float) -> np.ndarray:
    """Amplitude that falls by exactly 60 dB in `time_s`, (1, n_samples)."""
    return 10 ** (-3 * np.arange(round(length_s * RATE_HZ)) / RATE_HZ / time_s)[None]


def noise_like(time_s: float, n_items: int = 20, length_s: float = 0.9) -> np.ndarray:
    rng = np.random.default_rng(0)
    envelope = exponential(time_s, length_s)
    return rng.standard_normal((n_items, envelope.shape[1])) * envelope


def column(rir: np.ndarray, name: str, **given_) -> tuple[np.ndarray, list[str]]:
    values, reasons = measure(rir, RATE_HZ, **given_)
    place = MEASURES.names.index(name)
    return values[:, place], [REASONS[code] for code in reasons[:, place]]


@settings(deadline=None, max_examples=25)
@given(
    time_s=st.floats(0.12, 2.0),
    decay_db=st.floats(60, 120),
    level=st.floats(1e-4, 1e3),
    silence=st.integers(0, 500),
)
def test_parameters_of_an_exponential_match_the_formulas(
    time_s: float, decay_db: float, level: float, silence: int
) -> None:
    decaying = level * exponential(time_s, time_s * decay_db / 60)
    values, reasons = measure(np.pad(decaying, ((0, 0), (silence, 0))), RATE_HZ)
    found = dict(zip(MEASURES.names, values[0], strict=True))
    assert not reasons[0, [MEASURES.names.index(name) for name in TIMES]].any()
    np.testing.assert_allclose([found[name] for name in TIMES], time_s, rtol=1e-3)
    per_s = 6 * np.log(10) / time_s
    if decay_db * time_s / 60 > 0.1:
        assert found["c50_db"] == pytest.approx(10 * np.log10(np.expm1(0.05 * per_s)), abs=0.01)
        assert found["d50"] == pytest.approx(-np.expm1(-0.05 * per_s), rel=1e-3)
    assert found["drr_db"] == pytest.approx(10 * np.log10(np.expm1(0.0025 * per_s)), abs=0.01)


@pytest.mark.parametrize("window", ["50_100", "100_200", "200_400"])
def test_late_slopes_of_an_exponential_are_its_own(window: str) -> None:
    slope, reason = column(exponential(0.5, 0.9), f"slope_{window}ms_db_per_s")
    assert reason == [""]
    assert slope[0] == pytest.approx(-120, rel=1e-3)


def test_two_slopes_are_told_apart() -> None:
    energy = exponential(0.1, 1.2) ** 2 + 1e-4 * exponential(1.0, 1.2) ** 2
    rir = np.sqrt(energy)
    assert column(rir, "edt_s")[0][0] == pytest.approx(0.1, rel=0.1)
    assert column(rir, "slope_200_400ms_db_per_s")[0][0] == pytest.approx(-60, rel=1e-3)


def test_the_clear_decay_ends_where_less_than_ten_decibels_of_it_are_left() -> None:
    rng = np.random.default_rng(3)
    clean = noise_like(0.5)
    for snr_db, is_measured in ((50, True), (30, True), (12, False)):
        noisy = clean + 10 ** (-snr_db / 20) * rng.standard_normal(clean.shape)
        values, reasons = column(noisy, "t_clear_s")
        assert (set(reasons) == {""}) is is_measured
        if is_measured:
            np.testing.assert_allclose(np.mean(values), 0.5, rtol=0.05)


def test_the_clear_decay_reaches_later_than_fixed_ranges() -> None:
    """Two slopes, the second of them from -40 dB on, and a floor of rounding errors."""
    rir = np.sqrt(exponential(0.1, 1.2) ** 2 + 1e-4 * exponential(1.0, 1.2) ** 2)
    fixed, clear = column(rir, "t20_s")[0][0], column(rir, "t_clear_s")[0][0]
    assert fixed < 0.15
    assert clear > 0.5


@pytest.mark.parametrize("snr_db", [45, 55, 65])
def test_noise_does_not_bend_the_decay_and_its_level_is_found(snr_db: int) -> None:
    clean = noise_like(0.4)
    clean[:, 0] = 4.0
    rng = np.random.default_rng(1)
    noisy = clean + 10 ** (-snr_db / 20) * rng.standard_normal(clean.shape)
    values, reasons = column(noisy, "t20_s")
    assert set(reasons) == {""}
    assert np.median(values) == pytest.approx(0.4, rel=0.02)
    alone, _ = column(clean, "t20_s")
    np.testing.assert_allclose(values, alone, rtol=0.03)
    energy = (noisy[:, : RATE_HZ // 10] ** 2).reshape(len(noisy), -1, 8).sum(axis=2)
    expected = 10 * np.log10(8 * 10 ** (-snr_db / 10) / energy.max(axis=1))
    np.testing.assert_allclose(column(noisy, "noise_floor_db")[0], expected, atol=0.5)


def test_a_high_noise_floor_is_reported_as_the_reason() -> None:
    clean = noise_like(0.4)
    noisy = clean + 10 ** (-25 / 20) * np.random.default_rng(1).standard_normal(clean.shape)
    values, reasons = column(noisy, "t30_s")
    assert np.isnan(values).all()
    assert set(reasons) == {"noise too near"}
    assert set(column(noisy, "edt_s")[1]) == {""}


def test_noise_alone_has_no_decay() -> None:
    values, reasons = measure(np.random.default_rng(0).standard_normal((5, 14_400)), RATE_HZ)
    places = [MEASURES.names.index(name) for name in TIMES]
    assert np.isnan(values[:, places]).all()
    assert {REASONS[code] for code in reasons[:, places].ravel()} == {"noise too near"}


def test_a_response_that_is_cut_off_is_measured_as_far_as_it_goes() -> None:
    cut = exponential(1.0, 0.65)
    assert column(cut, "t20_s")[0][0] == pytest.approx(1.0, rel=1e-3)
    values, reasons = column(cut, "t30_s")
    assert np.isnan(values[0])
    assert reasons == ["response ends too early"]


def test_the_fill_of_a_clip_is_ignored() -> None:
    recorded = noise_like(0.5, length_s=0.45)
    fill = 0.1 * np.random.default_rng(1).standard_normal((len(recorded), 4000))
    filled = np.concatenate([recorded, fill], axis=1)
    n_recorded = np.full(len(recorded), recorded.shape[1])
    ours, _ = measure(filled, RATE_HZ, n_recorded)
    alone, _ = measure(np.pad(recorded, ((0, 0), (0, 4000))), RATE_HZ)
    np.testing.assert_allclose(ours, alone)


def test_items_do_not_depend_on_each_other() -> None:
    rir = np.concatenate([noise_like(0.2, 5), noise_like(0.6, 5)])
    together, _ = measure(rir, RATE_HZ)
    alone = np.concatenate([measure(item[None], RATE_HZ)[0] for item in rir])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_bands_have_their_own_times() -> None:
    white = np.random.default_rng(0).standard_normal((20, 24_000))
    fast = octave_bands(white, RATE_HZ, (1000.0,))[:, 0] * exponential(0.3, 1.5)
    slow = octave_bands(white[::-1], RATE_HZ, (250.0,))[:, 0] * exponential(0.6, 1.5)
    signal = fast + slow
    signal[:, 0] = 1.0
    for band, time_s in (("250hz", 0.6), ("1000hz", 0.3)):
        values, _ = column(signal, f"t20_{band}_s")
        assert np.nanmedian(values) == pytest.approx(time_s, rel=0.05)


@pytest.mark.parametrize("centre_hz", [125.0, 500.0, 4000.0])
def test_energy_spread_before_the_direct_sound_counts_as_direct(centre_hz: float) -> None:
    rir = noise_like(0.4)
    rir[:, 0] = 30.0
    padded = np.pad(rir, ((0, 0), (3000, 0)))
    energy = octave_bands(padded, RATE_HZ, (centre_hz,))[:, 0] ** 2
    expected = energy[:, : 3000 + RATE_HZ // 20].sum(axis=1) / energy.sum(axis=1)
    values, _ = column(rir, f"d50_{centre_hz:g}hz")
    np.testing.assert_allclose(values, expected, rtol=2e-3)


def test_silence_and_missing_responses_have_reasons() -> None:
    rir = np.zeros((3, 8000))
    rir[0] = exponential(0.3, 0.5)
    rir[2] = exponential(0.3, 0.5)
    _, reasons = measure(rir, RATE_HZ, np.array([8000, 8000, 0]))
    texts = list(reason_texts(MEASURES.names, reasons))
    assert texts[1:] == ["silent: all", "not an impulse response: all"]
    assert "all" not in texts[0]


def test_a_band_above_half_the_rate_or_without_energy_says_so() -> None:
    measures = AcousticMeasures(centre_hz=(1000.0, 8000.0))
    values, reasons = measure(exponential(0.3, 0.5), RATE_HZ, None, measures)
    place = measures.names.index("t20_8000hz_s")
    assert np.isnan(values[0, place])
    assert REASONS[reasons[0, place]] == "band above half the sampling rate"


def test_every_nan_has_a_reason_and_no_value_has_one() -> None:
    rir = np.concatenate([noise_like(0.3), exponential(0.02, 0.9), exponential(3, 0.9)])
    rir[:5] += 0.1 * np.random.default_rng(2).standard_normal((5, rir.shape[1]))
    values, reasons = measure(rir, RATE_HZ)
    np.testing.assert_array_equal(np.isnan(values), reasons > 0)


@pytest.mark.parametrize("n_samples", [1, 7, 160, 900, 1700])
@pytest.mark.parametrize("rate_hz", [4000, 16_000, 44_100])
def test_responses_of_any_length_and_rate_are_measured_or_have_a_reason(
    n_samples: int, rate_hz: int
) -> None:
    rir = np.random.default_rng(0).standard_normal((3, n_samples))
    rir *= 10 ** (-3 * np.arange(n_samples) / rate_hz / 0.1)
    values, reasons = measure(rir, rate_hz)
    np.testing.assert_array_equal(np.isnan(values), reasons > 0)


@pytest.mark.parametrize("level", [1e-15, 1e15])
def test_level_does_not_matter(level: float) -> None:
    rir = noise_like(0.3, 2)
    ours, _ = measure(level * rir, RATE_HZ)
    np.testing.assert_allclose(ours, measure(rir, RATE_HZ)[0], rtol=1e-6)


def test_third_octaves_are_narrower() -> None:
    thirds = octave_bands(noise_like(0.5), RATE_HZ, (1000.0,), bands_per_octave=3)
    octaves = octave_bands(noise_like(0.5), RATE_HZ, (1000.0,))
    ratio = np.sum(thirds**2) / np.sum(octaves**2)
    assert ratio == pytest.approx(0.2316 / 0.7071, rel=0.15)


@pytest.mark.parametrize("bands_per_octave", [1, 3])
def test_a_band_does_not_depend_on_those_it_shares_a_transform_with(bands_per_octave: int) -> None:
    rir = noise_like(0.5)
    centre_hz = (4000.0, 125.0, 1000.0, 500.0)
    together = AcousticMeasures(centre_hz, bands_per_octave)
    values, _ = measure(rir, RATE_HZ, measures=together)
    assert np.isfinite(values).mean() > 0.9
    for centre in centre_hz:
        alone = AcousticMeasures((centre,), bands_per_octave)
        own, _ = measure(rir, RATE_HZ, measures=alone)
        for name in (f"t20_{centre:g}hz_s", f"c50_{centre:g}hz_db", f"edt_{centre:g}hz_s"):
            np.testing.assert_allclose(
                values[:, together.names.index(name)], own[:, alone.names.index(name)], rtol=1e-3
            )


def test_the_reduced_sample_rate_of_a_band_does_not_change_its_decay() -> None:
    rir = noise_like(0.5, length_s=1.5)
    measures = AcousticMeasures((125.0, 400.0, 1000.0, 1600.0), 3)
    values, _ = measure(rir, RATE_HZ, measures=measures)
    # The same bands at the full rate, each measured as a response of its own.
    bands = octave_bands(rir, RATE_HZ, measures.centre_hz, 3)
    for place, centre in enumerate(measures.centre_hz):
        found = values[:, measures.names.index(f"t20_{centre:g}hz_s")]
        expected, _ = column(bands[:, place], "t20_s")
        clear = np.isfinite(found)
        assert clear.sum() >= 19
        np.testing.assert_allclose(found[clear], expected[clear], rtol=0.05)


def test_bandwidth_is_where_the_energy_ends() -> None:
    low = octave_bands(noise_like(0.3), RATE_HZ, (500.0,))[:, 0]
    values, _ = column(low, "bandwidth_hz")
    assert np.all((values > 700) & (values < 1400))


def test_like_pyrato_where_both_are_defined() -> None:
    ra = pytest.importorskip("pyrato")
    pf = pytest.importorskip("pyfar")
    clips = noise_like(0.5, 4)
    clips[:, 0] = 4.0
    clips += 10 ** (-70 / 20) * np.random.default_rng(1).standard_normal(clips.shape)
    curve = ra.edc.energy_decay_curve_chu_lundeby(
        pf.Signal(clips, RATE_HZ), time_shift=False, channel_independent=True
    )
    for name in ("EDT", "T15", "T20", "T30"):
        theirs = ra.parameters.reverberation_time_linear_regression(curve, name)
        ours, _ = column(clips, f"{name.lower()}_s")
        np.testing.assert_allclose(ours, theirs, rtol=0.02)
    np.testing.assert_allclose(
        column(clips, "c50_db")[0], ra.parameters.clarity(curve, 50), atol=0.1
    )
    np.testing.assert_allclose(
        column(clips, "d50")[0], ra.parameters.definition(curve, 50), rtol=0.02
    )
