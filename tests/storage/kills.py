"""Kills real runs at chosen moments, and checks what they leave behind."""

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import soundfile

from disentangled_audio.models.checkpoint import _read
from tests.conftest import REPOSITORY, TRAINING

N_FILES = 400
RATE_HZ = 8000
QUICK = (
    "fourier.n_components=8,disentangler.schedule.epochs=6,disentangler.schedule.patience_epochs=6,"
    "svm.C=1.0,svm.gamma_scale=1.0,svm.inner_folds=2,evaluation.n_resamples=100,"
    "augmentation.copies=0"
)
CHUNKS = {
    "ingestion": "data/02_primary/**/.chunks/files/*.json",
    "features": "data/03_feature/**/.chunks/*/*/c/**/0",
}
CHECKPOINT = "data/04_representation/**/.training/checkpoint.npz"
# Their bytes tell all; a model's archive holds the time as well.
COMPARED = (
    "recordings.parquet",
    "rejected_recordings.csv",
    "splits.parquet",
    "fourier_features.parquet",
    "training_history.csv",
    "codes.parquet",
    "provisional_codes.parquet",
    "cnn_probabilities.parquet",
    "predictions.parquet",
)
ARRAYS = ("waveforms", "fourier_spectra", "log_mel", "content_view", "rhythm_view", "pitch_view")
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Moment:
    """When a run is killed: some time after so many chunks or epochs are done."""

    stage: str
    n_done: int
    delay_s: float


def write_corpus(project: Path) -> None:
    """Some chunks of short recordings in two classes, and one file that cannot be used."""
    rng = np.random.default_rng(0)
    times_s = np.arange(round(1.25 * RATE_HZ)) / RATE_HZ
    for number in range(N_FILES):
        name = ("low", "high")[number % 2]
        tone = np.sin(2 * np.pi * (200 + 300 * (number % 2) + number / 10) * times_s)
        path = project / "mine" / name / f"{number:03d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.3 * tone + 0.05 * rng.standard_normal(len(times_s)), RATE_HZ)
    (project / "mine" / "low" / "empty.wav").touch()
    (project / "my_corpus.yml").write_text(
        f"corpora:\n  tones:\n    sources: [{{folder: {project / 'mine'}}}]\n"
        f"    analysis: {{sample_rate_hz: {RATE_HZ}, duration_s: 1.25}}\n"
    )


def start(project: Path, corpus: Path) -> subprocess.Popen[str]:
    """`kedro run` of what predictions need, in a process group of its own."""
    params = f"corpus_file={corpus / 'my_corpus.yml'},{QUICK}"
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "kedro", "run", "--env=folder"),
            *(f"--params={params}", f"--pipelines={','.join(TRAINING)}"),
        ],
        cwd=project,
        env={**os.environ, "COLUMNS": "250", "PYTHONPATH": str(REPOSITORY / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(project: Path, corpus: Path) -> str:
    """Run to the end; gives what was printed."""
    process = start(project, corpus)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return " ".join(output.split())


def kill(project: Path, corpus: Path, moment: Moment, limit_s: float = 120) -> bool:
    """Run until the moment; gives whether the run was still there to be killed."""
    process = start(project, corpus)
    end = time.monotonic() + limit_s
    while process.poll() is None and _n_done(project, moment.stage) < moment.n_done:
        assert time.monotonic() < end, f"{moment} never came"
        time.sleep(0.005)
    time.sleep(moment.delay_s)
    alive = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


def _n_done(project: Path, stage: str) -> int:
    if stage == "training":
        return epoch(project)
    try:
        return sum(path.is_file() for path in project.glob(CHUNKS[stage]))
    except FileNotFoundError:
        # A folder was renamed while it was looked into; the next look will tell.
        return 0


def epoch(project: Path) -> int:
    """The last epoch that was saved."""
    for path in project.glob(CHECKPOINT):
        try:
            return len(_read(path)[1]["history"])
        except FileNotFoundError:
            return 0
    return 0


def chunk_times(project: Path) -> dict[Path, int]:
    """When each stored chunk was written."""
    paths = [
        path for pattern in CHUNKS.values() for path in project.glob(pattern) if path.is_file()
    ]
    return {path: path.stat().st_mtime_ns for path in paths}


def outputs(project: Path) -> dict[str, bytes]:
    """Content of the newest version of all that is compared."""
    found = {}
    for name in COMPARED:
        found[name] = _newest(project, name).read_bytes()
    for name in ARRAYS:
        folder = _newest(project, f"{name}.zarr")
        chunks = sorted(path for path in (folder / "c").rglob("*") if path.is_file())
        found[name] = b"".join(path.read_bytes() for path in chunks)
    with zipfile.ZipFile(_newest(project, "disentangler.keras")) as archive:
        weights = BytesIO(archive.read("model.weights.h5"))
    values: list[bytes] = []
    with h5py.File(weights) as file:
        file.visititems(
            lambda name, item: (
                values.append(name.encode() + np.asarray(item[()]).tobytes())
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    found["disentangler"] = b"".join(values)
    return found


def _newest(project: Path, name: str) -> Path:
    return max(project.glob(f"data/**/{name}/*/{name}"))


def check_versions(project: Path) -> None:
    """Nothing but whole versions is where versions are looked for."""
    for version in project.glob("data/0[2-7]*/**/*.*/*"):
        folder = version.parent
        if not version.is_dir() or any(map(_is_below_datasets, folder.parts)):
            continue
        if VERSION.fullmatch(version.name):
            assert (version / folder.name).exists(), version
        else:
            assert version.name.startswith(".saving-"), version


def _is_below_datasets(part: str) -> bool:
    return part.startswith(".") or VERSION.fullmatch(part) is not None


def check_finish(
    project: Path, corpus: Path, expected: dict[str, bytes], moment: Moment
) -> list[str]:
    """Finish a killed run; gives what of it was reused."""
    check_versions(project)
    before, saved = chunk_times(project), epoch(project)
    output = finish(project, corpus)
    after = chunk_times(project)
    assert before.items() <= after.items(), "a stored chunk was computed again"
    used = re.findall(r"\d+ of \d+ (?:stored )?chunks [a-z ]*reused", output)
    used += re.findall(r"training resumes after epoch \d+|training had finished", output)
    if any(path.suffix == ".json" for path in before):
        assert "are reused" in output, output
    if saved:
        resumed = f"training resumes after epoch {saved}"
        assert resumed in output or "training had finished" in output, output
    check_versions(project)
    assert not list(project.glob("data/**/.saving-*/*")), "leftovers"
    found = outputs(project)
    differing = [name for name in expected if found[name] != expected[name]]
    assert not differing, (moment, differing)
    return used
