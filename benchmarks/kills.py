"""kill -9 at random moments of real runs: python benchmarks/kills.py [--kills 30] [--seed 0]

Each killed run has a project of its own; the next run there must finish, use again what was done,
and give what an undisturbed run gives. A kill takes about half a minute on two cores.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from record import record_speed, speed_row

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.conftest import make_project
from tests.storage.kills import Moment, check_finish, finish, kill, outputs, write_corpus

# How many chunks, array chunks or epochs there are to be killed after.
STAGES = {"ingestion": 4, "features": 16, "training": 6}


def random_moments(n_kills: int, seed: int) -> list[Moment]:
    rng = np.random.default_rng(seed)
    stages = [list(STAGES)[k % len(STAGES)] for k in range(n_kills)]
    return [
        Moment(stage, int(rng.integers(STAGES[stage])), float(rng.uniform(0, 0.3)))
        for stage in stages
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_project(_made(Path(folder) / "undisturbed"))
        write_corpus(corpus)
        finish(corpus, corpus)
        expected = outputs(corpus)
        print("stage      done  delay/s  killed  used again; outputs equal the undisturbed run's")
        for number, moment in enumerate(random_moments(arguments.kills, arguments.seed)):
            project = make_project(_made(Path(folder) / str(number)))
            alive = kill(project, corpus, moment)
            used = check_finish(project, corpus, expected, moment)
            print(
                f"{moment.stage:9}  {moment.n_done:4}  {moment.delay_s:7.2f}  "
                f"{'yes' if alive else 'ended':6}  {'; '.join(used) or 'nothing'}",
                flush=True,
            )
    # Each finish was checked; a run that failed or differed has stopped this one.
    n_kills = arguments.kills
    record_speed(
        f"kill -9 at {n_kills} moments of a run",
        [
            speed_row(
                "runs that the next run finished, with the same bytes", n_kills, f"of {n_kills}"
            )
        ],
        f"python benchmarks/kills.py --kills {n_kills}",
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
