"""Ingestion of many one-second recordings: speed, memory, and how both grow.

    python benchmarks/ingestion.py                      # 1,000, 10,000 and 60,000 recordings
    python benchmarks/ingestion.py --counts 1000 --jobs 1

Makes the recordings (decaying noise, 16 kHz, 16 bit), reads all of them once so that they come
from the page cache, and then ingests them, each count in a process of its own. Beside it, in the
same run and on the same recordings: a bare loop of `soundfile.read`, and `librosa.load`.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from process_tree import watched
from record import record_speed, speed_row

RATE_HZ = 16000
# Of the recordings that the loops beside ingestion read: they need no more to be timed.
MOST_FOR_LOOPS = 5000
HEADINGS = (
    "recordings  wall s  core s  files/s  s per 60,000 and core  peak MB  x soundfile  x librosa"
)


def main() -> None:
    arguments = _arguments()
    if arguments.ingest is not None:
        _ingest(arguments.ingest, arguments.jobs)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(HEADINGS)
        for count in arguments.counts:
            data = Path(folder) / str(count)
            make_recordings(data, count)
            _row(data, count, arguments.jobs)


def make_recordings(data: Path, count: int) -> None:
    """One-second decaying noises below `data`, 300 a folder."""
    rng = np.random.default_rng(0)
    decay = np.exp(-6.9 * np.arange(RATE_HZ) / RATE_HZ / 0.5)
    for number in range(count):
        path = data / f"room{number // 300:03d}" / f"{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * decay * rng.standard_normal(RATE_HZ)
        soundfile.write(path, noise, RATE_HZ, subtype="PCM_16")


def _row(data: Path, count: int, jobs: int) -> None:
    paths = sorted(data.rglob("*.wav"))
    for path in paths:
        path.read_bytes()
    command = [sys.executable, __file__, "--ingest", str(data), "--jobs", str(jobs)]
    peak, cpu_s, wall_s = watched(command)
    some = paths[:MOST_FOR_LOOPS]
    per_file_s = cpu_s / count
    bare = _seconds(lambda path: soundfile.read(path, dtype="float32"), some) / len(some)
    rows = [
        speed_row("core seconds", cpu_s, "s"),
        speed_row("files per second", count / wall_s),
        speed_row("times a bare loop of soundfile.read", per_file_s / bare),
        speed_row("peak memory", peak / 1e6, "MB"),
    ]
    record_speed(
        f"Ingestion of {count:,} one-second files from the page cache, jobs: {jobs}",
        rows,
        f"python benchmarks/ingestion.py --counts {count} --jobs {jobs}",
    )
    print(
        f"{count:>10,} {wall_s:>7.1f} {cpu_s:>7.1f} {count / wall_s:>8,.0f} "
        f"{60000 * per_file_s:>22.1f} {peak / 1e6:>8,.0f} {per_file_s / bare:>12.1f} "
        f"{_against_librosa(per_file_s, some):>10}"
    )


def _against_librosa(per_file_s: float, paths: list[Path]) -> str:
    try:
        import librosa
    except ModuleNotFoundError:
        return "-"
    librosa.load(paths[0], sr=None)
    theirs = _seconds(lambda path: librosa.load(path, sr=None), paths) / len(paths)
    return f"{per_file_s / theirs:.1f}"


def _seconds(read, paths: list[Path]) -> float:
    begin = time.process_time()
    for path in paths:
        read(path)
    return time.process_time() - begin


def _ingest(data: Path, jobs: int) -> None:
    from disentangled_audio.corpora.reading.ingest import ingest
    from disentangled_audio.parameters import Corpus, ParallelParameters

    corpus = Corpus.model_validate(
        {
            "sources": [{"folder": str(data)}],
            "analysis": {"sample_rate_hz": RATE_HZ, "duration_s": 0.5},
        }
    )
    with tempfile.TemporaryDirectory(dir=data.parent) as store:
        ingested = ingest(corpus, [data], Path(store), ParallelParameters(n_jobs=jobs))
        assert ingested.rejected.empty


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10000, 60000])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
