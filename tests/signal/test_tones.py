"""Synthetic voices: what is planted is what the spectrum and the envelope show."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.signal.tones import formant_gains, harmonic_tone, onset_gates

RATE_HZ = 16000


def test_a_resonator_has_gain_one_at_zero_and_its_half_power_width() -> None:
    centre, width = np.array([1000.0]), np.array([50.0])

    at = formant_gains(np.array([0.0, 1000.0, 975.0, 1025.0]), centre, width)

    assert at[0] == pytest.approx(1.0)
    # 1 / Q of a narrow resonance is its width over its centre.
    assert at[1] == pytest.approx(1000 / 50, rel=0.01)
    np.testing.assert_allclose(at[2:] / at[1], np.sqrt(0.5), rtol=0.02)


def test_formants_multiply() -> None:
    frequency = np.linspace(0, 4000, 41)
    one, other = np.array([500.0]), np.array([1500.0])
    width = np.array([80.0])

    both = formant_gains(frequency, np.array([500.0, 1500.0]), np.array([80.0, 80.0]))

    expected = formant_gains(frequency, one, width) * formant_gains(frequency, other, width)
    np.testing.assert_allclose(both, expected)


@given(st.floats(80, 400), st.integers(0, 2**31))
def test_a_tone_has_power_at_its_harmonics_alone_and_unit_level(f0_hz: float, seed: int) -> None:
    # A whole number of periods in the window, so that nothing leaks.
    f0_hz = round(f0_hz)
    tone = harmonic_tone(
        RATE_HZ,
        RATE_HZ,
        f0_hz,
        np.array([500.0, 1500.0]),
        np.array([80.0, 80.0]),
        np.random.default_rng(seed),
    )

    power = np.abs(np.fft.rfft(tone)) ** 2
    harmonic = np.arange(len(power)) % f0_hz == 0
    assert np.sqrt(np.mean(tone**2)) == pytest.approx(1.0)
    assert power[~harmonic].sum() < 1e-9 * power.sum()
    assert power[: f0_hz // 2].sum() < 1e-9 * power.sum()


def test_a_fundamental_above_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="f0_hz=9000"):
        harmonic_tone(
            100, RATE_HZ, 9000, np.array([500.0]), np.array([80.0]), np.random.default_rng(0)
        )


def test_gates_are_open_for_the_notes_and_closed_between() -> None:
    gates = onset_gates(RATE_HZ, RATE_HZ, np.array([0.1, 0.5]), note_s=0.2, fade_s=0.01)

    def at(time_s: float) -> float:
        return gates[round(time_s * RATE_HZ)]

    assert (at(0.05), at(0.4), at(0.9)) == (0, 0, 0)
    assert (at(0.2), at(0.6)) == (1, 1)
    assert at(0.105) == pytest.approx(0.5)
    assert gates.min() >= 0
    assert gates.max() <= 1


def test_overlapping_notes_do_not_add_up() -> None:
    assert onset_gates(4000, RATE_HZ, np.array([0.0, 0.05]), note_s=0.1).max() <= 1


def test_no_onset_is_silence() -> None:
    assert not onset_gates(100, RATE_HZ, np.array([]), note_s=0.1).any()
