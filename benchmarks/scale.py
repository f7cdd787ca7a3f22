"""The whole default pipeline on 60,000 one-second simulated responses, room size as target.

    python benchmarks/scale.py                  # 600 rooms by 100 positions; about half an hour
    python benchmarks/scale.py --positions 10   # 6,000 responses

Makes the responses in the layout of OpenSLR SLR26 (decaying noise behind a direct sound, a
reverberation time of its own in each room; SIMULATED, so the scores say nothing of real rooms),
runs `kedro run --env=sim_rir` on them in a project of its own, and prints the seconds of each
node, the peak memory of all processes together, and the scores on rooms that were held out.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from process_tree import watched
from record import record_speed, speed_row

REPOSITORY = Path(__file__).parents[1]
RATE_HZ = 16000
ROOMS = 200
# Range of reverberation times in seconds: those of neighbouring sizes overlap.
T60_S = {"small": (0.15, 0.5), "medium": (0.35, 0.9), "large": (0.7, 1.8)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--positions", type=int, default=100, help="responses of each room")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one otherwise")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        n_responses = make_responses(folder / "recordings", arguments.positions)
        project = _project(folder / "project")
        print(f"{n_responses:,} SIMULATED responses of {3 * ROOMS} rooms", flush=True)
        command = [sys.executable, "-m", "kedro", "run", "--env=sim_rir"]
        environment = {**os.environ, "DISENTANGLED_AUDIO_DATA": str(folder / "recordings")}
        peak, core_s, wall_s = watched(command, cwd=project, env=environment)
        _print_results(project)
        print(f"all: {wall_s:.0f} s, {core_s:.0f} core s, peak memory {peak / 1e9:.2f} GB")
        rows = [
            speed_row("all", wall_s, "s"),
            speed_row("core seconds", core_s, "s"),
            speed_row("peak memory of all processes", peak / 1e6, "MB"),
        ]
        record_speed(
            f"Default pipeline on {n_responses:,} responses of {3 * ROOMS} rooms",
            rows,
            f"python benchmarks/scale.py --positions {arguments.positions}",
        )


def make_responses(recordings: Path, n_positions: int) -> int:
    """Responses of small, medium and large rooms; those that are there are kept."""
    rng = np.random.default_rng(0)
    top = recordings / "sim_rir_16k" / "simulated_rirs_16k"
    for size, (shortest_s, longest_s) in T60_S.items():
        for room in range(1, ROOMS + 1):
            folder = top / f"{size}room" / f"Room{room:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            t60_s = rng.uniform(shortest_s, longest_s)
            for position in range(1, n_positions + 1):
                path = folder / f"Room{room:03d}-{position:05d}.wav"
                soundfile.write(path, _response(t60_s, rng), RATE_HZ, subtype="PCM_16")
    return 3 * ROOMS * n_positions


def _response(t60_s: float, rng: np.random.Generator) -> np.ndarray:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    response = 10 ** (-3 * time_s / t60_s) * rng.standard_normal(RATE_HZ)
    response[0] = rng.uniform(5, 20)
    return 0.9 * response / np.abs(response).max()


def _project(folder: Path) -> Path:
    """What a run reads; the package itself is the installed one."""
    for name in ("conf", "src"):
        shutil.copytree(REPOSITORY / name, folder / name, dirs_exist_ok=True)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, folder)
    return folder


def _print_results(project: Path) -> None:
    results = project / "data" / "07_reporting" / "sim_rir" / "size_by_room"
    manifest = json.loads(max(results.glob("run_manifest.json/*/*")).read_text())
    metrics = json.loads(max(results.glob("metrics.json/*/*")).read_text())
    for node, seconds in sorted(manifest["seconds"].items(), key=lambda pair: -pair[1]):
        print(f"{seconds:>8.1f} s  {node}")
    for kind in ("models", "controls"):
        for name, scores in metrics[kind].items():
            print(f"{scores['balanced_accuracy']:>8.3f}    balanced accuracy of {name}")


if __name__ == "__main__":
    main()
