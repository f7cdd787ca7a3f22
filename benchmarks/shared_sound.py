"""Time, false alarms and recall of the search for shared sound.

    python benchmarks/shared_sound.py speed              # 10,000 synthesised clips of 5 s
    python benchmarks/shared_sound.py alarms FOLDER      # pairs of recordings below a folder
    python benchmarks/shared_sound.py recall FOLDER      # overlapping cuts of its recordings

`recall` cuts each recording into two that overlap by 20, 50 or 80 % of their length, changes the
second one, and looks for the pair among all cuts. Only cuts whose overlap is as long as `--least`
and not silent count.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
from process_tree import watched
from record import record, record_speed, speed_row
from scipy import signal

from disentangled_audio.corpora.reading.ingest import Ingested, ingest
from disentangled_audio.corpora.shared_sound import shared_sound
from disentangled_audio.parameters import Corpus, ParallelParameters
from disentangled_audio.storage.chunk_store import rows_per_chunk, stored_arrays

RATE_HZ = 16_000
CLIP_S = 5
OVERLAPS = (0.2, 0.5, 0.8)
SUFFIXES = (".wav", ".ogg", ".mp3")
Samples = np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "alarms", "recall", "search"])
    parser.add_argument("folder", type=Path, nargs="?", help="of recordings")
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rate", type=int, default=RATE_HZ, help="of the analysed clips")
    parser.add_argument("--most", type=int, default=200, help="recordings to cut")
    parser.add_argument("--least", type=float, default=0.3, help="seconds of a cut's overlap")
    asked = parser.parse_args()
    if asked.what == "alarms":
        print_alarms(asked.folder, asked.rate, asked.jobs)
    elif asked.what == "recall":
        measure_recall(asked)
    elif asked.what == "speed":
        measure_speed(asked.clips, asked.jobs)
    else:
        search(asked.folder, asked.clips, asked.jobs)


def measure_speed(n_clips: int, n_jobs: int) -> None:
    """Search synthesised clips in a process of its own, whose memory is watched."""
    with tempfile.TemporaryDirectory() as folder:
        _made_clips(Path(folder), n_clips)
        options = [f"--clips={n_clips}", f"--jobs={n_jobs}"]
        command = [sys.executable, __file__, "search", folder, *options]
        peak, core_s, wall_s = watched(command)
    rows = [
        speed_row("all", wall_s, "s"),
        speed_row("core seconds", core_s, "s"),
        speed_row("peak memory of all processes", peak / 1e6, "MB"),
    ]
    print(rows)
    record_speed(
        f"Search for shared sound in {n_clips:,} clips of {CLIP_S} s, jobs: {n_jobs}",
        rows,
        f"python benchmarks/shared_sound.py speed --clips {n_clips} --jobs {n_jobs}",
    )


def _made_clips(folder: Path, n_clips: int) -> Any:
    """Clips of noises in bands, tones and clicks; the last tenth are cuts of the first one."""
    clip_bytes = 4 * CLIP_S * RATE_HZ
    return stored_arrays(
        folder / "clips", n_clips, rows_per_chunk(clip_bytes), _Clips(n_clips), _jobs(1)
    )["waveforms"]


class _Clips:
    def __init__(self, n_clips: int) -> None:
        self._n_originals = n_clips - n_clips // 10

    def __call__(self, rows: slice) -> dict[str, Samples]:
        return {"waveforms": np.stack([self._clip(k) for k in range(rows.start, rows.stop)])}

    def _clip(self, number: int) -> Samples:
        if number < self._n_originals:
            return _sounds(number)[: CLIP_S * RATE_HZ]
        # The second half of the first one's clip, and what follows.
        return _sounds(number - self._n_originals)[CLIP_S * RATE_HZ // 2 :][: CLIP_S * RATE_HZ]


def _sounds(number: int) -> Samples:
    """Eight seconds of events: decaying noises and tones over a low noise."""
    rng = np.random.default_rng(number)
    noise = rng.standard_normal(8 * RATE_HZ, dtype=np.float32)
    heard = signal.lfilter([0.1], [1, -rng.uniform(0.5, 0.95)], noise).astype(np.float32)
    times_s = np.arange(RATE_HZ, dtype=np.float32) / RATE_HZ
    for start in rng.integers(0, 7 * RATE_HZ, 16):
        tone = np.sin(2 * np.pi * rng.uniform(100, 4000) * times_s)
        event = tone + 0.3 * noise[start : start + RATE_HZ]
        heard[start : start + RATE_HZ] += event * np.exp(
            -times_s / np.float32(rng.uniform(0.02, 0.5))
        )
    return heard


def search(folder: Path, n_clips: int, n_jobs: int) -> None:
    waveforms = _made_clips(folder, n_clips)
    waveforms.attrs.update({"sample_rate_hz": RATE_HZ, "corpus_hash": "made"})
    names = [str(number) for number in range(n_clips)]
    table = pd.DataFrame({"recording_id": names, "path": names, "sha256": names})
    pairs = shared_sound(
        waveforms, table.assign(duration_s=float(CLIP_S)), folder / "store", _jobs(n_jobs)
    )
    n_originals = n_clips - n_clips // 10
    right = pairs["other_id"].astype(int) - pairs["recording_id"].astype(int) == n_originals
    found = f"{right.sum()} of {n_clips // 10} pairs were found, and {(~right).sum()} others"
    # The process that watches this one takes its output.
    print(found, file=sys.stderr)


def print_alarms(folder: Path, rate_hz: int, n_jobs: int) -> None:
    with tempfile.TemporaryDirectory() as work:
        ingested = _read(folder, Path(work), rate_hz)
        pairs = _pairs(ingested, Path(work), n_jobs)
    n_items = len(ingested.recordings)
    print(f"{len(pairs)} pairs in {n_items} recordings ({n_items * (n_items - 1) // 2:,} pairs)")
    for pair in pairs.sort_values("coherence").itertuples():
        print(
            f"{pair.coherence:.2f}  {pair.shared_s:.2f} s  {pair.recording_id} at "
            f"{pair.start_s:.2f} s = {pair.other_id} at {pair.other_start_s:.2f} s"
        )


def _read(folder: Path, work: Path, rate_hz: int) -> Ingested:
    corpus = Corpus.model_validate(
        {
            "sources": [{"folder": str(folder.resolve())}],
            "analysis": {"sample_rate_hz": rate_hz, "duration_s": "longest"},
        }
    )
    ingested = ingest(corpus, [work], work / "clips", _jobs(1))
    ingested.waveforms.attrs.update({"sample_rate_hz": rate_hz, "corpus_hash": str(folder)})
    return ingested


def _pairs(ingested: Ingested, work: Path, n_jobs: int) -> pd.DataFrame:
    return shared_sound(ingested.waveforms, ingested.recordings, work / "store", _jobs(n_jobs))


def _jobs(n_jobs: int) -> ParallelParameters:
    return ParallelParameters(n_jobs=n_jobs)


def measure_recall(asked: argparse.Namespace) -> None:
    files = sorted(path for path in asked.folder.rglob("*") if path.suffix in SUFFIXES)
    rng = np.random.default_rng(0)
    chosen = sorted(rng.choice(len(files), min(asked.most, len(files)), replace=False))
    rows = []
    for name, change in CHANGES.items():
        row: dict[str, Any] = {"change": name}
        for overlap in OVERLAPS:
            found, n_pairs, others = _found([files[k] for k in chosen], change, overlap, asked)
            row[f"{overlap:.0%}"] = f"{found} of {n_pairs}"
            row["others"] = row.get("others", 0) + others
        print(row, flush=True)
        rows.append(row)
    record(
        "shared_sound",
        f"Overlapping cuts of {len(chosen)} recordings of {asked.folder.name}",
        rows,
        command=f"python benchmarks/shared_sound.py recall {asked.folder.name}",
        recordings="real",
        seeds=[0],
    )


def _found(
    files: list[Path], change: Callable[..., Samples], overlap: float, asked: argparse.Namespace
) -> tuple[int, int, int]:
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as work:
        cuts = Path(work) / "cuts"
        cuts.mkdir()
        wanted = set()
        for number, file in enumerate(files):
            samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
            one, other, shared = _cut(samples[:, 0], rate_hz, overlap, change, rng)
            soundfile.write(cuts / f"{number}_a.wav", one, rate_hz)
            soundfile.write(cuts / f"{number}_b.wav", other, rate_hz)
            if _heard_s(shared, rate_hz) >= asked.least:
                wanted.add((f"{number}_a.wav", f"{number}_b.wav"))
        ingested = _read(cuts, Path(work), asked.rate)
        pairs = _pairs(ingested, Path(work), asked.jobs)
    names = ([Path(name).name for name in pairs[column]] for column in ("recording_id", "other_id"))
    found = set(zip(*names, strict=True))
    of_one = {pair for pair in found if pair[0].split("_")[0] == pair[1].split("_")[0]}
    return len(found & wanted), len(wanted), len(found - of_one)


def _cut(
    samples: Samples, rate_hz: int, overlap: float, change: Callable[..., Samples], rng: Any
) -> tuple[Samples, Samples, Samples]:
    n_cut = int(len(samples) / (2 - overlap))
    changed = change(samples, rate_hz, rng)[-n_cut:]
    largest = max(1.0, float(np.abs(changed).max()))
    return samples[:n_cut], changed / largest, samples[len(samples) - n_cut : n_cut]


def _heard_s(samples: Samples, rate_hz: int) -> float:
    """Seconds of tenths of a second within 40 dB of the loudest one."""
    n_part = rate_hz // 20
    parts = samples[: len(samples) // n_part * n_part].reshape(-1, n_part)
    power = np.square(parts, dtype=float).mean(axis=1)
    return float((power > 1e-4 * power.max(initial=1e-12)).sum() / 20)


def _noisy(samples: Samples, rate_hz: int, rng: Any, snr_db: float) -> Samples:
    level = np.sqrt(np.square(samples).mean()) * 10 ** (-snr_db / 20)
    return samples + (level * rng.standard_normal(len(samples))).astype(np.float32)


def _resampled(samples: Samples, rate_hz: int, rng: Any) -> Samples:
    lower_hz = 0.6 * rate_hz
    return soxr.resample(soxr.resample(samples, rate_hz, lower_hz), lower_hz, rate_hz)[
        : len(samples)
    ]


def _compressed(samples: Samples, rate_hz: int, rng: Any) -> Samples:
    with tempfile.TemporaryFile() as file:
        soundfile.write(file, 0.9 * samples / np.abs(samples).max(), rate_hz, format="MP3")
        file.seek(0)
        return soundfile.read(file, dtype="float32")[0]


def _in_telephone_band(samples: Samples, rate_hz: int, rng: Any) -> Samples:
    band = signal.butter(4, [300, 3400], "bandpass", fs=rate_hz, output="sos")
    return signal.sosfilt(band, samples).astype(np.float32)


def _faded(samples: Samples, rate_hz: int, rng: Any) -> Samples:
    return samples * np.hanning(len(samples)).astype(np.float32)


CHANGES: dict[str, Callable[..., Samples]] = {
    "none": lambda samples, rate_hz, rng: samples,
    "level −20 dB, polarity": lambda samples, rate_hz, rng: -0.1 * samples,
    "resampled to 0.6 of the rate": _resampled,
    "noise 30 dB below": lambda samples, rate_hz, rng: _noisy(samples, rate_hz, rng, 30),
    "noise 20 dB below": lambda samples, rate_hz, rng: _noisy(samples, rate_hz, rng, 20),
    "MP3": _compressed,
    "300 to 3,400 Hz": _in_telephone_band,
    "faded": _faded,
    "offset": lambda samples, rate_hz, rng: samples + 0.3 * np.abs(samples).max(),
}


if __name__ == "__main__":
    main()
