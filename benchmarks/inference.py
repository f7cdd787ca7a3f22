"""Seconds of one file from a cold start, and files per second after it, of a trained run.

The processor's time is told beside the clock's: on a machine that has other work to do, two cores
over the time a file takes is the rate that an idle one would reach, start of the workers included.

python benchmarks/inference.py PROJECT [--files 10000]

PROJECT is a folder in which `kedro run` has trained. The recordings are decaying noise of one
second, made by this script: **simulated**.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from record import record_speed, speed_row

RATE_HZ = 16000
COMMAND = "from disentangled_audio.cli.console import app; app()"


def _make(folder: Path, n_files: int) -> None:
    rng = np.random.default_rng(0)
    decay = np.exp(-6.9 * np.arange(RATE_HZ) / (0.5 * RATE_HZ))
    for number in range(n_files):
        samples = 0.3 * rng.standard_normal(RATE_HZ) * decay
        soundfile.write(folder / f"{number:05d}.wav", samples, RATE_HZ, subtype="PCM_16")


def _seconds(project: Path, place: Path) -> tuple[float, float]:
    """By the clock, and of the processor, children included."""
    start, before = time.perf_counter(), _processor_s()
    subprocess.run(
        [sys.executable, "-c", COMMAND, "classify", str(place)],
        cwd=project,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start, _processor_s() - before


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder, options.files)
        one_s, one_cpu_s = _seconds(options.project, next(folder.iterdir()))
        all_s, all_cpu_s = _seconds(options.project, folder)
    n_more = options.files - 1
    per_file_s = (all_cpu_s - one_cpu_s) / n_more
    print(f"one file, cold: {one_s:.1f} s ({one_cpu_s:.1f} s of the processor)")
    rate = n_more / max(all_s - one_s, 1e-9)
    print(f"{options.files} files: {all_s:.1f} s, {rate:.0f} files/s after start-up")
    print(
        f"processor: {1000 * per_file_s:.2f} ms a file, {2 / per_file_s:.0f} files/s on two cores"
    )
    rows = [
        speed_row("files per second after start-up", rate),
        speed_row("core time per file", 1000 * per_file_s, "ms"),
        speed_row("one file from a cold start", one_s, "s"),
    ]
    record_speed(
        f"Classifying {options.files:,} one-second files with the models of make run",
        rows,
        f"python benchmarks/inference.py . --files {options.files}",
    )


if __name__ == "__main__":
    main()
