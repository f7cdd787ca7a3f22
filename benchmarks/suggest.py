"""Labels for suggested recordings against labels for random ones: docs/results/suggest.json.

    python benchmarks/suggest.py
    python benchmarks/suggest.py --tasks same_speakers --seeds 1 2 3 4 5

From 20 labelled clips of each digit of FSDD, ten times ten more clips get their label: those that
`evaluation.suggestions` chooses, as `disentangled-audio suggest` does, or random ones. After each
round a classifier is fitted again and judged on recordings that are never labelled.

Training the network again for every round, draw and seed would take days. So the classifier is a
support vector machine with fixed settings on the features of the members MFCC + SVM and Timbre +
SVM, and the distances are those between these features.

The first labels, the recordings of the test and the random choices depend on the seed. Random
choice is the mean of four draws. The method was chosen on seeds 1 to 5 and ESC-10.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from fold_tables import fold_tables
from numpy.typing import NDArray
from record import markdown_table, record
from scipy.stats import t as student
from seed_runs import project_context

from disentangled_audio.evaluation.representation.novelty import Novelty, fit_space
from disentangled_audio.evaluation.suggestions import doubt, rows_to_label
from disentangled_audio.models.calibration import scaled_probabilities
from disentangled_audio.models.reference import UNLIKE
from disentangled_audio.models.svm import Rows, fit_svm, logits_and_distances

ENV, PROTOCOL = "fsdd", "digit_leave_speaker_out"
N_FIRST, N_ROUNDS, N_A_ROUND = 20, 10, 10
N_TEST, N_SPEAKERS, N_DRAWS = 1000, 2, 4
# What `fit_calibrated` finds for 300 of these clips.
TEMPERATURE = 0.35
C = 10.0
Choice = Callable[[Any, Rows, NDArray[np.float64], np.random.Generator], NDArray[np.intp]]


@dataclass(frozen=True)
class Start:
    """Indices of the clips that are labelled first, that may be labelled, and of the test."""

    labelled: NDArray[np.intp]
    pool: NDArray[np.intp]
    test: NDArray[np.intp]


def features() -> Rows:
    """Cepstra and timbre statistics of all clips, with digit and speaker."""
    from disentangled_audio.models.feature_values import view_summaries
    from disentangled_audio.models.views import make_views
    from disentangled_audio.models.windows import Windows

    tables = fold_tables(ENV, PROTOCOL)
    params = project_context(ENV, {"protocol_name": PROTOCOL}).params
    # The modal pitch view is the cheap one; none is used.
    views = params["views"].model_copy(update={"pitch": "modal"})
    log_mel = make_views(tables.clips, round(tables.sample_rate_hz), views)["log_mel"]
    windows, kind = Windows.whole(len(log_mel)), tables.recordings["kind"].to_numpy()
    summaries = view_summaries(log_mel, windows, kind, params["cepstra"], views)
    roles = next(iter(tables.roles.values()))
    target, speaker = (roles[name].to_numpy(dtype=object) for name in ("target", "group"))
    return Rows(np.concatenate(summaries, axis=1).astype(float), target, speaker)


def same_speakers(rows: Rows, rng: np.random.Generator) -> Start:
    """First labels, pool and test of all speakers."""
    order = rng.permutation(len(rows))
    return _start(rows, order[N_TEST:], order[:N_TEST], np.ones(len(rows), dtype=bool))


def few_speakers_labelled(rows: Rows, rng: np.random.Generator) -> Start:
    """First labels of two speakers; pool and test of all."""
    known = np.isin(rows.group, rng.permutation(np.unique(rows.group))[:N_SPEAKERS])
    order = rng.permutation(len(rows))
    return _start(rows, order[N_TEST:], order[:N_TEST], known)


def other_speakers(rows: Rows, rng: np.random.Generator) -> Start:
    """Test of two speakers, first labels and pool of the others."""
    tested = np.isin(rows.group, rng.permutation(np.unique(rows.group))[:N_SPEAKERS])
    order = rng.permutation(len(rows))
    return _start(rows, order[~tested[order]], np.flatnonzero(tested), ~tested)


def _start(
    rows: Rows, pool: NDArray[np.intp], test: NDArray[np.intp], may_be_first: NDArray[np.bool_]
) -> Start:
    first = pool[may_be_first[pool]]
    labelled = [first[rows.target[first] == digit][:N_FIRST] for digit in np.unique(rows.target)]
    found = np.concatenate(labelled)
    return Start(found, np.setdiff1d(pool, found), test)


TASKS = {
    "same_speakers": ("test recordings of the labelled speakers", same_speakers),
    "few_speakers_labelled": ("two of six speakers labelled at first", few_speakers_labelled),
    "other_speakers": ("test recordings of speakers who are not in the folder", other_speakers),
}


def at_random(
    svm: Any, labelled: Rows, pool: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.intp]:
    return rng.choice(len(pool), N_A_ROUND, replace=False)


def suggested(
    svm: Any, labelled: Rows, pool: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.intp]:
    """What `disentangled-audio suggest` would choose."""
    known = np.ones(len(labelled), dtype=bool)
    novelty = Novelty([fit_space(labelled.features, known, known, labelled.group, seed=0)])
    compared = novelty.compare([pool])
    probabilities = scaled_probabilities(logits_and_distances(svm, pool)[0], TEMPERATURE)
    is_unlike = (compared.in_distribution <= UNLIKE) | compared.is_far
    spaces = [space.relative(pool) for space in novelty.spaces]
    return rows_to_label(doubt(probabilities, is_unlike), compared.distance, spaces, N_A_ROUND)


def accuracies(
    rows: Rows, start: Start, choice: Choice, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Accuracy on the test with the first labels and after each round, (1 + N_ROUNDS,)."""
    labelled, pool, test = start.labelled, start.pool, rows[start.test]
    found = []
    for _ in range(N_ROUNDS + 1):
        svm = fit_svm(rows[labelled], {"C": C, "gamma": 1 / rows.features.shape[1]})
        found.append(np.mean(svm.predict(test.features) == test.target))
        chosen = choice(svm, rows[labelled], rows.features[pool], rng)
        labelled, pool = np.append(labelled, pool[chosen]), np.delete(pool, chosen)
    return np.array(found)


def of_seed(rows: Rows, task: str, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracies with suggested and with random labels, each (1 + N_ROUNDS,)."""
    rng = np.random.default_rng(seed)
    start = TASKS[task][1](rows, rng)
    draws = [accuracies(rows, start, at_random, rng) for _ in range(N_DRAWS)]
    return accuracies(rows, start, suggested, rng), np.mean(draws, axis=0)


def row(what: str, with_suggested: NDArray[np.float64], with_random: NDArray[np.float64]) -> dict:
    """Means over the seeds of (n_seeds,) accuracies, and the interval of their difference."""
    lead = with_suggested - with_random
    spread = lead.std(ddof=1) / np.sqrt(len(lead))
    half = student.ppf(0.975, len(lead) - 1) * spread
    values = {
        "suggested": with_suggested.mean(),
        "random": with_random.mean(),
        "lead": lead.mean(),
        "low": lead.mean() - half,
        "high": lead.mean() + half,
    }
    return {"labels": what, **{name: round(float(value), 3) for name, value in values.items()}}


def table(rows: Rows, task: str, seeds: list[int]) -> list[dict[str, Any]]:
    """Rows of a task: the first labels, half of the rounds, all, and the mean over the rounds."""
    found = [of_seed(rows, task, seed) for seed in seeds]
    better, plain = (np.stack(part) for part in zip(*found, strict=True))
    n_first = N_FIRST * len(np.unique(rows.target))
    shown = [
        row(f"{n_first + N_A_ROUND * done}", better[:, done], plain[:, done])
        for done in (N_ROUNDS // 2, N_ROUNDS)
    ]
    mean = row("mean over the rounds", better[:, 1:].mean(axis=1), plain[:, 1:].mean(axis=1))
    first = {"labels": f"{n_first}", "suggested": round(float(better[:, 0].mean()), 3)}
    return [{**first, "random": first["suggested"]}, *shown, mean]


def main() -> None:
    """Print and record a table a task."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    options.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9, 10, 11])
    chosen = options.parse_args()
    rows = features()
    for task in chosen.tasks:
        found = table(rows, task, chosen.seeds)
        print(f"{TASKS[task][0]}\n\n{markdown_table(found)}\n", flush=True)
        seeds = " ".join(map(str, chosen.seeds))
        record(
            "suggest",
            f"FSDD: digit, {TASKS[task][0]}",
            found,
            command=f"python benchmarks/suggest.py --tasks {task} --seeds {seeds}",
            recordings="real",
            seeds=chosen.seeds,
        )


if __name__ == "__main__":
    main()
