"""Corpora of 3 to 12 recordings a class, from recordings to probabilities: docs/results/small.json.

    python benchmarks/small_corpora.py
    python benchmarks/small_corpora.py --corpora tones fsdd_2 --sizes 3 6 --seeds 7 8 9

Draws the recordings, describes them in a corpus file, and trains with `kedro run --env=folder`, as
a user would. The test recordings are apart from that number: of other speakers, or of other clips.
Everything lies in `data/`, under the names `small_…`.

`sure` is the highest probability of a wrong answer, of the hybrid and of any member. A hybrid
`cannot tell` if its answers are, on average, less than 0.1 surer than guessing. `lead` is the
balanced accuracy of the hybrid less that of its best member.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import yaml
from omegaconf import OmegaConf
from record import REPOSITORY, markdown_table, record
from seed_runs import project_context

from disentangled_audio.evaluation.scores.recall import balanced_accuracy
from disentangled_audio.evaluation.scores.summary import HYBRID, PROBABILITY_PREFIX

# All that lead to predictions; the audit and the report change nothing in them.
PIPELINES = "ingestion,feature_engineering,representation_learning,svm_classification"
SIZES = [3, 4, 6, 8, 12]
TONE_RATE_HZ, TONE_S = 16000, 0.5
# Fourier components of the environment `folder`.
MOST_COMPONENTS = 20
CANNOT_TELL = 0.1


def recordings() -> Path:
    """Folder of the real recordings."""
    return Path(os.environ.get("DISENTANGLED_AUDIO_DATA", REPOSITORY / "data" / "01_raw"))


def tones(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Synthesise tones of 440 and 880 Hz with noise 40 dB below them; each is its own group."""
    rows = []
    time = np.arange(round(TONE_S * TONE_RATE_HZ)) / TONE_RATE_HZ
    for label, frequency_hz in (("high", 880.0), ("low", 440.0)):
        for number in range(100):
            tone = np.sin(2 * np.pi * (frequency_hz * time + rng.random()))
            noise = rng.normal(scale=0.01 * np.sqrt(0.5), size=len(time))
            path = folder / f"{label}_{number:03d}.wav"
            soundfile.write(path, rng.uniform(0.1, 0.8) * (tone + noise), TONE_RATE_HZ)
            rows.append({"path": path, "label": label, "group": path.stem})
    return pd.DataFrame(rows)


def digits(labels: str) -> Callable[[Path, np.random.Generator], pd.DataFrame]:
    """Some digits of FSDD; groups are speakers."""

    def found(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
        files = sorted((recordings() / "fsdd" / "recordings").glob(f"[{labels}]_*.wav"))
        names = [path.stem.split("_") for path in files]
        return pd.DataFrame(
            [
                {"path": path, "label": f"digit{digit}", "group": speaker}
                for path, (digit, speaker, _) in zip(files, names, strict=True)
            ]
        )

    return found


def events(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """ESC-10; groups are the clips that takes were cut from."""
    return pd.DataFrame(
        [
            {"path": path, "label": path.parent.name[6:], "group": path.stem.split("-")[1]}
            for path in sorted((recordings() / "esc10").glob("*/*.ogg"))
        ]
    )


@dataclass(frozen=True)
class Small:
    """A corpus of which few recordings are trained on.

    Attributes
    ----------
    title, recordings
        For the record.
    found
        Table of path, label and group; may write its recordings into a folder.
    test_share
        Share of the groups of each class that are kept for the test.
    n_test
        Test recordings a class.
    analysis
        Of the corpus file.
    """

    title: str
    recordings: str
    found: Callable[[Path, np.random.Generator], pd.DataFrame]
    test_share: float
    n_test: int
    analysis: dict[str, float]


_DIGITS = {"sample_rate_hz": 8000, "duration_s": 1.0}
CORPORA = {
    "tones": Small(
        "Two tones, 440 and 880 Hz, with faint noise",
        "synthesised",
        tones,
        0.5,
        20,
        {"sample_rate_hz": TONE_RATE_HZ, "duration_s": TONE_S},
    ),
    "fsdd_2": Small("FSDD: two digits, other speakers", "real", digits("38"), 0.34, 40, _DIGITS),
    "fsdd_10": Small("FSDD: ten digits, other speakers", "real", digits("0-9"), 0.34, 10, _DIGITS),
    "esc10": Small(
        "ESC-10: ten sounds, other clips",
        "real",
        events,
        0.34,
        6,
        {"sample_rate_hz": 44100, "duration_s": 5.0},
    ),
}


def drawn(table: pd.DataFrame, size: int, small: Small, rng: np.random.Generator) -> pd.DataFrame:
    """Draw recordings of each class, with the column `part`; no group is in both parts.

    Groups come in one random order for all classes, and take turns.
    """
    order = pd.Series(rng.permutation(table["group"].unique()))
    place = pd.Series(order.index, index=order)
    table = table.assign(place=table["group"].map(place), draw=rng.random(len(table)))
    turn = table.sort_values("draw").groupby(["label", "group"]).cumcount()
    table = table.assign(turn=turn).sort_values(["label", "turn", "place"])
    rank = table.groupby("label")["place"].rank("dense", pct=True)
    table["part"] = np.where(rank <= small.test_share, "test", "training")
    wanted = table["part"].map({"test": small.n_test, "training": size})
    return table[table.groupby(["label", "part"]).cumcount() < wanted].sort_values(
        ["label", "path"]
    )


def described(name: str, size: int, seed: int) -> Path:
    """Write the recordings, their table and the corpus file; gives the corpus file."""
    small = CORPORA[name]
    full_name = f"small_{name}_{size}_{seed}"
    folder = REPOSITORY / "data" / "01_raw" / full_name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "all").mkdir(parents=True)
    (folder / "recordings").mkdir()
    rng = np.random.default_rng(seed)
    table = drawn(small.found(folder / "all", rng), size, small, rng)
    # The names tell neither class nor part.
    table["file"] = [f"{n:04d}{path.suffix}" for n, path in enumerate(table["path"])]
    for path, file in zip(table["path"], table["file"], strict=True):
        shutil.copy(path, folder / "recordings" / file)
    shutil.rmtree(folder / "all")
    table[["file", "label", "group", "part"]].to_csv(folder / "table.csv", index=False)
    corpus = {
        "sources": [{"folder": str(folder / "recordings")}],
        "metadata": str(folder / "table.csv"),
        "simulated": small.recordings != "real",
        "analysis": small.analysis,
    }
    split = {"strategy": "column", "column": "part", "test": ["test"]}
    protocol = {"target": "label", "group_by": ["group"], "split": split}
    file = folder / "corpus.yml"
    content = {"corpora": {full_name: corpus}, "protocols": {"label": protocol}}
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


def predictions(name: str, size: int, seed: int) -> pd.DataFrame:
    """Train on a small corpus; the predictions for its test recordings."""
    file = described(name, size, seed)
    table = pd.read_csv(file.with_name("table.csv"))
    n_rows = int((table["part"] == "training").sum())
    # At least half of the rows are left when the validation rows are taken out.
    n_components = min(MOST_COMPONENTS, n_rows // 2)
    given = [f"corpus_file={file}", f"seed={seed}", f"fourier.n_components={n_components}"]
    command = [sys.executable, "-m", "kedro", "run", "--env=folder", f"--pipelines={PIPELINES}"]
    command.append(f"--params={','.join(given)}")
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=sys.stderr)
    params = OmegaConf.to_container(OmegaConf.from_dotlist(given))
    found = project_context("folder", params).catalog.load("predictions")
    return found[found["role"] == "test"]


def scored(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Balanced accuracy, mean confidence, and highest confidence of a wrong answer, by model."""
    columns = [name for name in table if name.startswith(PROBABILITY_PREFIX)]
    found = {}
    for model, own in table.groupby("model"):
        confidence = own[columns].max(axis=1)
        is_wrong = own["predicted"] != own["target"]
        found[str(model)] = {
            "recall": float(balanced_accuracy(own["target"], own["predicted"])),
            "confidence": float(confidence.mean()),
            "sure": float(confidence[is_wrong].max()) if is_wrong.any() else 0.0,
        }
    return found


def row(size: int, of_seeds: list[pd.DataFrame]) -> dict[str, Any]:
    """Means over the seeds; of the wrong answers, the surest."""
    runs = [scored(table) for table in of_seeds]
    means = {name: float(np.mean([run[name]["recall"] for run in runs])) for name in runs[0]}
    surest = {name: max(run[name]["sure"] for run in runs) for name in runs[0]}
    members = [name for name in means if name != HYBRID]
    best = max(members, key=lambda name: means[name])
    surest_member = max(members, key=lambda name: surest[name])
    chance = 1 / of_seeds[0]["target"].nunique()
    confidence = float(np.mean([run[HYBRID]["confidence"] for run in runs]))
    return {
        "recordings a class": size,
        "hybrid": round(means[HYBRID], 3),
        "best member": best,
        "its": round(means[best], 3),
        "lead": round(means[HYBRID] - means[best], 3),
        "cannot tell": "yes" if confidence < chance + CANNOT_TELL else "no",
        "hybrid's confidence": round(confidence, 3),
        "hybrid sure": round(surest[HYBRID], 3),
        "member sure": round(surest[surest_member], 3),
        "which": surest_member,
    }


def main() -> None:
    """Print and record a table a corpus."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    chosen = options.parse_args()
    sizes = " ".join(map(str, chosen.sizes))
    for name in chosen.corpora:
        rows = []
        for size in chosen.sizes:
            rows.append(row(size, [predictions(name, size, seed) for seed in chosen.seeds]))
            print(markdown_table(rows[-1:]), flush=True)
        record(
            "small",
            CORPORA[name].title,
            rows,
            command=f"python benchmarks/small_corpora.py --corpora {name} --sizes {sizes} "
            f"--seeds {' '.join(map(str, chosen.seeds))}",
            recordings=CORPORA[name].recordings,
            seeds=chosen.seeds,
        )


if __name__ == "__main__":
    main()
