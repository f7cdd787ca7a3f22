"""Waveforms from magnitudes and mel bands: what is put in comes back."""

import numpy as np
import pytest

from disentangled_audio.models.views import make_views, mel_filters
from disentangled_audio.parameters import ViewParameters
from disentangled_audio.signal import griffin_lim as gl

RATE_HZ, WINDOW, HOP, N_BINS = 8000, 256, 64, 129


def tone(frequency_hz: float, n_samples: int = 4096) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / RATE_HZ)[np.newaxis]


def strongest_hz(waveform: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return np.fft.rfftfreq(len(waveform), 1 / RATE_HZ)[spectrum.argmax()]


def rebuilt(magnitude: np.ndarray, **options: float) -> np.ndarray:
    return gl.griffin_lim(magnitude, WINDOW, HOP, rng=np.random.default_rng(0), **options)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 2048))


@pytest.mark.parametrize(("window", "hop"), [(256, 64), (256, 128), (255, 100)])
@pytest.mark.parametrize("n_bins", [129, 257])
def test_spectra_with_their_phases_come_back_exactly(noise, window, hop, n_bins) -> None:
    spectra = gl.short_time_spectra(noise, window, hop, n_bins)
    # Beyond the last whole frame a window's flank is all there is.
    back = gl.inverse_spectra(spectra, window, hop)[:, : 2048 - window]
    np.testing.assert_allclose(back, noise[:, : 2048 - window], atol=1e-9)


def spectral_convergence(waveforms, magnitude, window_samples, hop_samples):
    """Norm of the difference of magnitudes over that of the given ones (Sturmel and Daudet)."""
    n_bins = magnitude.shape[-1]
    found = np.abs(gl.short_time_spectra(waveforms, window_samples, hop_samples, n_bins))
    # All bins of a one-sided spectrum but the first and the last stand for two.
    weight = np.full(n_bins, 2.0)
    weight[[0, -1]] = 1.0

    def norm(values):
        return np.sqrt((weight * np.square(values)).sum(axis=(1, 2)))

    return norm(found - magnitude) / norm(magnitude)


def test_a_tone_comes_back_at_its_frequency() -> None:
    magnitude = np.abs(gl.short_time_spectra(tone(1010.0), WINDOW, HOP, N_BINS))
    waveform = rebuilt(magnitude)
    assert waveform.dtype == np.float32
    assert waveform.shape == (1, 4096)
    assert strongest_hz(waveform[0]) == pytest.approx(1010.0, abs=3.0)
    assert spectral_convergence(waveform, magnitude, WINDOW, HOP)[0] < 0.1


def test_the_error_of_the_plain_algorithm_never_rises(noise) -> None:
    magnitude = np.abs(gl.short_time_spectra(noise, WINDOW, HOP, N_BINS))
    errors = np.array(
        [
            spectral_convergence(
                rebuilt(magnitude, n_iterations=n, momentum=0.0), magnitude, WINDOW, HOP
            )
            for n in range(12)
        ]
    )
    assert (np.diff(errors, axis=0) <= 1e-6).all()
    assert (errors[-1] < 0.6 * errors[0]).all()


def test_momentum_ends_lower(noise) -> None:
    magnitude = np.abs(gl.short_time_spectra(noise, WINDOW, HOP, N_BINS))
    plain, fast = (
        spectral_convergence(rebuilt(magnitude, momentum=m), magnitude, WINDOW, HOP)
        for m in (0.0, gl.MOMENTUM)
    )
    assert (fast < 0.9 * plain).all()


def test_items_do_not_mix(noise) -> None:
    magnitude = np.abs(gl.short_time_spectra(noise, WINDOW, HOP, N_BINS))
    silent_first = magnitude * np.array([0.0, 1.0])[:, np.newaxis, np.newaxis]
    waveform = rebuilt(silent_first)
    assert (waveform[0] == 0.0).all()
    assert np.abs(waveform[1]).max() > 0.1


@pytest.mark.parametrize(("window", "hop", "why"), [(256, 200, "hop"), (400, 100, "bins")])
def test_what_cannot_be_inverted_is_refused(window, hop, why) -> None:
    with pytest.raises(ValueError, match=why):
        gl.griffin_lim(np.ones((1, 4, N_BINS)), window, hop, rng=np.random.default_rng(0))


def test_power_has_the_bands_it_was_made_from() -> None:
    filters = mel_filters(RATE_HZ, ViewParameters())
    power = np.random.default_rng(0).random((2, 3, filters.shape[1])) ** 4
    bands = (filters @ power.reshape(-1, filters.shape[1]).T).T.reshape(2, 3, -1)
    back = gl.power_from_bands(bands, filters, n_iterations=400)
    assert (back >= 0.0).all()
    again = (filters @ back.reshape(-1, filters.shape[1]).T).T.reshape(2, 3, -1)
    np.testing.assert_allclose(again, bands, rtol=0.02)
    assert (gl.power_from_bands(np.zeros_like(bands), filters) == 0.0).all()


@pytest.mark.parametrize("hop_s", [0.016, 0.0131])
def test_a_view_is_heard_at_its_frequency_and_looks_like_itself(hop_s) -> None:
    parameters = ViewParameters(hop_s=hop_s)
    clips = np.concatenate([tone(600.0), tone(1500.0)]).astype(np.float32)
    clips[:, 2500:] = 0.0
    views = make_views(clips, RATE_HZ, parameters)["log_mel"]
    window, hop = round(parameters.window_s * RATE_HZ), round(hop_s * RATE_HZ)
    sound = gl.waveforms_from_log_mel(
        views,
        mel_filters(RATE_HZ, parameters),
        window,
        hop,
        parameters.dynamic_range_db,
        rng=np.random.default_rng(0),
    )
    assert sound.shape == (2, views.shape[1] * hop)
    np.testing.assert_allclose(np.abs(sound).max(axis=1), 1.0, rtol=1e-6)
    # A mel band is all that is left of a frequency: about 80 Hz wide at 600 Hz, 150 at 1500.
    assert strongest_hz(sound[0]) == pytest.approx(600.0, abs=60.0)
    assert strongest_hz(sound[1]) == pytest.approx(1500.0, abs=110.0)
    again = make_views(sound, RATE_HZ, parameters)["log_mel"]
    loud = views > 0.6
    assert np.abs(again[:, : views.shape[1]] - views)[loud].mean() < 0.05


def test_a_silent_view_is_silent() -> None:
    filters = mel_filters(RATE_HZ, ViewParameters())
    sound = gl.waveforms_from_log_mel(
        np.zeros((1, 20, 40)), filters, 256, 128, 80.0, rng=np.random.default_rng(0)
    )
    assert sound.shape == (1, 2560)
    assert (sound == 0.0).all()
