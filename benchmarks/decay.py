"""Acoustic parameters against pyrato: python benchmarks/decay.py

Needs the extra `benchmarks` (pyrato, pyfar). Both give EDT, T15, T20, T30, C50 and D50 of the
whole response and of six octave bands, from noise-compensated curves; one core, without reading
files. The differences are taken with the same bands in both, so that they are those of the
curves, where both give a value.
"""

import argparse
import warnings
from time import perf_counter

import numpy as np
import pyfar as pf
import pyrato as ra
from record import record_speed, speed_row
from threadpoolctl import threadpool_limits

from disentangled_audio.signal.acoustics import AcousticMeasures, measure
from disentangled_audio.signal.decay import band_gains, ringing_samples

SAMPLE_RATE_HZ = 16_000
MEASURES = AcousticMeasures()
CENTRES = MEASURES.centre_hz
N_BEFORE = ringing_samples(SAMPLE_RATE_HZ, CENTRES)
TIMES = ("EDT", "T15", "T20", "T30")


def decaying_noise(n_clips: int) -> np.ndarray:
    """0.9 s each: a direct sound, a decay of 0.3 to 0.7 s, and noise 70 dB down."""
    rng = np.random.default_rng(0)
    times_s = np.arange(round(0.9 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    t60_s = rng.uniform(0.3, 0.7, (n_clips, 1))
    clips = rng.standard_normal((n_clips, len(times_s))) * 10 ** (-3 * times_s / t60_s)
    # At sample 0, or the direct sound would be looked for at different places.
    clips[:, 0] = 4.0
    return clips + 10 ** (-70 / 20) * rng.standard_normal(clips.shape)


def pyrato_of(signal: "pf.Signal", centres: "np.ndarray | str") -> dict[str, np.ndarray]:
    curve = ra.edc.energy_decay_curve_chu_lundeby(
        signal, smoothing_parameter=centres, time_shift=False, channel_independent=True
    )
    measured = {
        name.lower(): ra.parameters.reverberation_time_linear_regression(curve, name)
        for name in TIMES
    }
    measured["c50"] = ra.parameters.clarity(curve, 50)
    measured["d50"] = ra.parameters.definition(curve, 50)
    return measured


def pyrato_clip(clip: np.ndarray) -> None:
    signal = pf.Signal(clip, SAMPLE_RATE_HZ)
    pyrato_of(signal, "broadband")
    bands = pf.dsp.filter.fractional_octave_bands(signal, 1, frequency_range=(125, 4000))
    pyrato_of(bands, np.array(CENTRES))


def same_bands(clip: np.ndarray) -> dict[str, np.ndarray]:
    """By pyrato, with the bands of this project: (7,) of the whole response and six bands."""
    whole = pyrato_of(pf.Signal(clip, SAMPLE_RATE_HZ), "broadband")
    padded = np.pad(clip, N_BEFORE)
    gains = band_gains(len(padded), SAMPLE_RATE_HZ, CENTRES)
    spectra = np.fft.rfft(padded) * gains
    bands = direct_first(np.fft.irfft(spectra, len(padded))[:, :-N_BEFORE])
    of_bands = pyrato_of(pf.Signal(bands, SAMPLE_RATE_HZ), np.array(CENTRES))
    return {name: np.append(whole[name], of_bands[name]) for name in whole}


def direct_first(bands: np.ndarray) -> np.ndarray:
    """What a band's filter spreads to before the direct sound as part of the first sample."""
    kept = bands[:, N_BEFORE:].copy()
    kept[:, 0] = np.sqrt(np.sum(bands[:, : N_BEFORE + 1] ** 2, axis=1))
    return kept


def column(name: str, band: str) -> int:
    unit = {"c50": "_db", "d50": ""}.get(name, "_s")
    return MEASURES.names.index(f"{name}{band}{unit}")


def print_differences(clips: np.ndarray) -> float:
    """Print them; the largest of times and D50, in per cent."""
    largest = 0.0
    ours, _ = measure(clips, SAMPLE_RATE_HZ)
    theirs = [same_bands(clip) for clip in clips]
    labels = ["", *(f"_{centre:g}hz" for centre in CENTRES)]
    print("\nmedian (largest) difference from pyrato; C50 in dB, the others in per cent")
    for name in theirs[0]:
        shown = []
        for place, band in enumerate(labels):
            a = ours[:, column(name, band)]
            b = np.array([each[name][place] for each in theirs])
            difference = np.abs(a - b) if name == "c50" else 100 * np.abs(a / b - 1)
            shown.append(f"{np.nanmedian(difference):5.2f} ({np.nanmax(difference):5.2f})")
            if name != "c50":
                largest = max(largest, float(np.nanmax(difference)))
        print(f"{name:4s}", *shown)
    return largest


def main(n_clips: int) -> None:
    clips = decaying_noise(n_clips)
    few = clips[: max(1, n_clips // 20)]
    measure(clips[:10], SAMPLE_RATE_HZ)
    pyrato_clip(clips[0])
    start = perf_counter()
    measure(clips, SAMPLE_RATE_HZ)
    ours = (perf_counter() - start) / len(clips)
    start = perf_counter()
    for clip in few:
        pyrato_clip(clip)
    theirs = (perf_counter() - start) / len(few)
    print(f"{n_clips} clips of 0.9 s at {SAMPLE_RATE_HZ} Hz ({len(few)} by pyrato), one core")
    print(f"pyrato  {1e3 * theirs:8.2f} ms a clip\nmeasure {1e3 * ours:8.2f} ms a clip")
    print(f"pyrato takes {theirs / ours:.0f} times as long")
    rows = [
        speed_row("pyrato takes, times as long", theirs / ours),
        speed_row("largest difference from pyrato", print_differences(few), "%"),
    ]
    record_speed("Acoustic parameters", rows, f"python benchmarks/decay.py --clips {n_clips}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=400)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        main(options.clips)
