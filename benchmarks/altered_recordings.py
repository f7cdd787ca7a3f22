"""A speaker who was not trained on, recorded otherwise: docs/results/altered.json.

    python benchmarks/altered_recordings.py --seeds 7 8 9

Trains the fold of FSDD that leaves one speaker out, if it is not stored, and classifies the
speaker's digits as they are and altered: 20 dB softer, without what lies above 3.4 kHz, in real
rooms (the impulse responses of SLR28 beside FSDD), and in babble of the other speakers at 10 dB.
`lead` is the balanced accuracy of the hybrid less that of its best member, `ece` the hybrid's
expected calibration error.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
from numpy.typing import NDArray
from record import REPOSITORY, markdown_table, record
from scipy.signal import butter, fftconvolve, sosfiltfilt
from seed_runs import mean_and_spread

from disentangled_audio import Classifier
from disentangled_audio.evaluation.scores.classification import expected_calibration_error
from disentangled_audio.evaluation.scores.recall import balanced_accuracy
from disentangled_audio.models.bank import MEMBERS
from disentangled_audio.report.names import LABELS
from disentangled_audio.runs.trained_runs import trained_runs

SPEAKER = "jackson"
RATE_HZ = 8000
SNR_DB = 10.0
Samples = NDArray[np.float64]
Change = Callable[[Samples, np.random.Generator], Samples]


def recordings() -> Path:
    """Folder of the real recordings."""
    return Path(os.environ.get("DISENTANGLED_AUDIO_DATA", REPOSITORY / "data" / "01_raw"))


def changes() -> dict[str, Change]:
    """What happens to a recording, by its name in the table."""
    responses = [_read(path) for path in sorted((recordings() / "slr28_real").glob("*_rir_*.wav"))]
    others = [
        _read(path)
        for path in sorted((recordings() / "fsdd" / "recordings").glob("*.wav"))
        if SPEAKER not in path.name
    ]
    band = butter(8, 3400, output="sos", fs=RATE_HZ)

    def in_room(samples: Samples, rng: np.random.Generator) -> Samples:
        wet = fftconvolve(samples, responses[rng.integers(len(responses))])
        return wet * np.abs(samples).max() / np.abs(wet).max()

    def in_babble(samples: Samples, rng: np.random.Generator) -> Samples:
        chosen = rng.integers(len(others), size=8)
        babble = sum(np.resize(others[number], len(samples)) for number in chosen)
        gain = np.sqrt(np.mean(samples**2) / np.mean(babble**2)) * 10 ** (-SNR_DB / 20)
        return samples + gain * babble

    return {
        "as recorded": lambda samples, rng: samples,
        "20 dB softer": lambda samples, rng: samples / 10,
        "up to 3.4 kHz": lambda samples, rng: sosfiltfilt(band, samples),
        "in real rooms": in_room,
        f"babble at {SNR_DB:.0f} dB": in_babble,
    }


def _read(path: Path) -> Samples:
    samples, rate_hz = soundfile.read(path, always_2d=True)
    return soxr.resample(samples[:, 0], rate_hz, RATE_HZ)


def classifier(seed: int) -> Classifier:
    """The models of the fold without the speaker."""
    for run in trained_runs(REPOSITORY / "data"):
        if run.fold == SPEAKER and run.manifest["parameters"]["seed"] == seed:
            return Classifier.of_run(run)
    command = [sys.executable, "-m", "kedro", "run", "--env=fsdd", "--pipelines=cross_validation"]
    given = f"seed={seed},cross_validation.folds={SPEAKER},cross_validation.disentanglement=false"
    subprocess.run([*command, f"--params={given}"], cwd=REPOSITORY, check=True, stdout=sys.stderr)
    return classifier(seed)


def scores(models: Classifier, change: Change, seed: int) -> dict[str, float]:
    """Balanced accuracy of the hybrid and each member, and the hybrid's calibration error."""
    rng = np.random.default_rng(seed)
    files = sorted((recordings() / "fsdd" / "recordings").glob(f"*_{SPEAKER}_*.wav"))
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            samples = np.clip(change(_read(file), rng), -1, 1)
            soundfile.write(Path(folder, file.name), samples, RATE_HZ, subtype="FLOAT")
        table = models.predict([folder])
    truth = table["file"].map(lambda path: Path(path).name[0]).to_numpy(dtype=object)
    found = {"hybrid": _recall(table, "", truth)}
    found |= {
        name: _recall(table, f"{name}_", truth)
        for name in MEMBERS
        if f"{name}_p_{truth[0]}" in table
    }
    right = (table["class"] == truth).to_numpy()
    return found | {"ece": expected_calibration_error(table["confidence"].to_numpy(), right)}


def _recall(table: pd.DataFrame, prefix: str, truth: NDArray[Any]) -> float:
    names = [f"{prefix}p_{name}" for name in sorted(set(truth))]
    predicted = np.array(sorted(set(truth)), dtype=object)[table[names].to_numpy().argmax(axis=1)]
    return float(balanced_accuracy(truth, predicted))


def row(name: str, of_seeds: list[dict[str, float]]) -> dict[str, Any]:
    """Means over the seeds."""
    means = {key: mean_and_spread([of[key] for of in of_seeds])[0] for key in of_seeds[0]}
    members = {key: mean for key, mean in means.items() if key not in ("hybrid", "ece")}
    best = max(members, key=lambda key: members[key])
    return {
        "recording": name,
        "hybrid": means["hybrid"],
        "spread": mean_and_spread([of["hybrid"] for of in of_seeds])[1],
        "ece": means["ece"],
        "best member": LABELS[best],
        "its": members[best],
        "lead": round(means["hybrid"] - members[best], 3),
    }


def main() -> None:
    """Print and record the scores of all changes."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    seeds = options.parse_args().seeds
    models = {seed: classifier(seed) for seed in seeds}
    rows = [
        row(name, [scores(models[seed], change, seed) for seed in seeds])
        for name, change in changes().items()
    ]
    print(markdown_table(rows))
    record(
        "altered",
        f"FSDD: digits of {SPEAKER}, who was not trained on, altered by the benchmark",
        rows,
        command=f"python benchmarks/altered_recordings.py --seeds {' '.join(map(str, seeds))}",
        recordings="real",
        seeds=seeds,
    )


if __name__ == "__main__":
    main()
