"""Spectra and log-mel against the published FFT and librosa: python benchmarks/features.py

Needs the extra `benchmarks` (librosa). One core's time, without reading files; the median of
repeats after one run that does not count. The recordings take 64 kB of memory each.
"""

import argparse
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import librosa
import numpy as np
from joblib import Parallel, delayed
from record import record_speed, speed_row
from threadpoolctl import threadpool_limits

from disentangled_audio.models.views import mel_filters
from disentangled_audio.parameters import ViewParameters
from disentangled_audio.signal import mel
from disentangled_audio.signal.blocks import row_blocks
from disentangled_audio.signal.fourier import log_spectrum

SAMPLE_RATE_HZ = 16_000
DYNAMIC_RANGE_DB = 80.0
POOL_JOBS = 2
VIEWS = ViewParameters()
WINDOW_SAMPLES = round(VIEWS.window_s * SAMPLE_RATE_HZ)
HOP_SAMPLES = round(VIEWS.hop_s * SAMPLE_RATE_HZ)


def decaying_noise(n_files: int) -> np.ndarray:
    """One second of noise each, with reverberation times from 0.3 to 1.5 s."""
    rng = np.random.default_rng(0)
    times_s = np.arange(SAMPLE_RATE_HZ, dtype=np.float32) / SAMPLE_RATE_HZ
    recordings = rng.standard_normal((n_files, SAMPLE_RATE_HZ), dtype=np.float32)
    for item, reverberation_time_s in enumerate(rng.uniform(0.3, 1.5, n_files)):
        recordings[item] *= 10 ** (-3 * times_s / reverberation_time_s)
    return recordings


def published_fft(recording: np.ndarray, longest: int) -> np.ndarray:
    kept = recording[::2].astype(np.float64)
    return np.abs(np.fft.fft(np.pad(kept, (0, longest - len(kept)))))


def published_loop(recordings: np.ndarray) -> None:
    longest = -(-recordings.shape[1] // 2)
    exhaust(published_fft(recording, longest) for recording in recordings)


def published_pool(recordings: np.ndarray) -> None:
    longest = -(-recordings.shape[1] // 2)
    pool = Parallel(POOL_JOBS, return_as="generator")
    exhaust(pool(delayed(published_fft)(recording, longest) for recording in recordings))


def exhaust(results: Iterable[Any]) -> None:
    for _ in results:
        pass


def librosa_log_mel(recording: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=recording,
        sr=SAMPLE_RATE_HZ,
        n_fft=WINDOW_SAMPLES,
        hop_length=HOP_SAMPLES,
        center=True,
        pad_mode="constant",
        n_mels=VIEWS.n_mels,
        fmin=VIEWS.min_hz,
        htk=True,
        norm=None,
        dtype=dtype,
    )
    return in_db(power)


def librosa_with_kept_filters(recording: np.ndarray, filters: np.ndarray) -> np.ndarray:
    spectrum = librosa.stft(
        recording, n_fft=WINDOW_SAMPLES, hop_length=HOP_SAMPLES, center=True, pad_mode="constant"
    )
    return in_db(filters @ np.abs(spectrum) ** 2)


def in_db(power: np.ndarray) -> np.ndarray:
    return librosa.power_to_db(power, ref=np.max, amin=1e-20, top_db=DYNAMIC_RANGE_DB)


def our_log_mel(recordings: np.ndarray) -> np.ndarray:
    filters = mel_filters(SAMPLE_RATE_HZ, VIEWS)
    assert filters.shape[1] == WINDOW_SAMPLES // 2 + 1, "librosa is given this FFT length"
    blocks = []
    for rows in row_blocks(recordings.shape):
        frames = mel.centred_frames(recordings[rows], HOP_SAMPLES, WINDOW_SAMPLES)
        decibels = mel.relative_db(mel.mel_power(frames, filters), (1, 2))
        blocks.append(np.maximum(decibels, -DYNAMIC_RANGE_DB))
    return np.concatenate(blocks)


def seconds(work: Callable[[], object], repeats: int) -> float:
    work()
    measured = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        measured.append(perf_counter() - start)
    return float(np.median(measured))


def spectrum_difference_db(recordings: np.ndarray) -> float:
    worst = 0.0
    for recording, ours_db in zip(recordings, log_spectrum(recordings[:, ::2]), strict=True):
        n_samples = -(-len(recording) // 2)
        power = published_fft(recording, n_samples)[: n_samples // 2 + 1] ** 2 / n_samples
        shown = power >= power.max() * 10 ** (-DYNAMIC_RANGE_DB / 10)
        worst = max(worst, np.abs(ours_db[shown] - 10 * np.log10(power[shown])).max())
    return worst


def log_mel_difference_db(recordings: np.ndarray) -> float:
    """Against librosa in double precision, all of the view's 80 dB."""
    return max(
        float(np.abs(ours_db - librosa_log_mel(recording.astype(np.float64), np.float64).T).max())
        for recording, ours_db in zip(recordings, our_log_mel(recordings), strict=True)
    )


def print_table(
    title: str, core_seconds: dict[str, float], ours: str, n_files: int
) -> list[dict[str, Any]]:
    """Print the times; rows of how many times as long as ours the others take."""
    rows = []
    print(f"\n{title:46s} {'files/s':>9s} {'ms/file':>8s} {'times as long as ours':>22s}")
    for name, spent in core_seconds.items():
        ratio = spent / core_seconds[ours]
        print(f"{name:46s} {n_files / spent:9.0f} {1e3 * spent / n_files:8.4f} {ratio:22.1f}")
        if name != ours:
            rows.append(speed_row(f"{name} takes, times as long", ratio))
    return rows


def main(n_files: int, repeats: int) -> None:
    recordings = decaying_noise(n_files)
    in_double = [recording.astype(np.float64) for recording in recordings]
    filters = mel_filters(SAMPLE_RATE_HZ, VIEWS).toarray().astype(np.float32)
    print(f"{n_files} recordings of 1 s at {SAMPLE_RATE_HZ} Hz, median of {repeats}, per core")

    spectra = {
        # Two processes for a second are two seconds of a core.
        f"published FFT, joblib pool of {POOL_JOBS} (as published)": POOL_JOBS
        * seconds(lambda: published_pool(recordings), repeats),
        "published FFT, plain loop": seconds(lambda: published_loop(recordings), repeats),
        "log_spectrum": seconds(lambda: log_spectrum(recordings[:, ::2]), repeats),
    }
    rows = print_table("every second sample", spectra, "log_spectrum", n_files)
    print(
        f"largest difference within {DYNAMIC_RANGE_DB:g} dB of a recording's peak: "
        f"{spectrum_difference_db(recordings):.1e} dB (log_spectrum is in single precision)"
    )

    def each(log_mel: Callable[..., np.ndarray], inputs: Any, *others: Any) -> float:
        return seconds(lambda: exhaust(log_mel(item, *others) for item in inputs), repeats)

    log_mel = {
        "librosa, float64": each(librosa_log_mel, in_double, np.float64),
        "librosa, float32 (its default)": each(librosa_log_mel, recordings),
        "librosa, float32, filter bank kept by hand": each(
            librosa_with_kept_filters, recordings, filters
        ),
        "log-mel (FFT in float64)": seconds(lambda: our_log_mel(recordings), repeats),
    }
    rows += print_table("log-mel", log_mel, "log-mel (FFT in float64)", n_files)
    difference_db = log_mel_difference_db(recordings)
    print(
        f"largest difference from librosa in float64 within {DYNAMIC_RANGE_DB:g} dB: "
        f"{difference_db:.1e} dB"
    )
    rows.append(speed_row("log-mel: largest difference from librosa", difference_db, "dB"))
    record_speed(
        "Fourier spectra and log-mel spectrograms",
        rows,
        f"python benchmarks/features.py --files {n_files} --repeats {repeats}",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with threadpool_limits(1):
        main(options.files, options.repeats)
