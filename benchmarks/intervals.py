"""Time of the bootstrap intervals of four models: python benchmarks/intervals.py"""

from time import perf_counter

import numpy as np

from disentangled_audio.evaluation.scores.intervals import bootstrap_intervals

N_MODELS, N_ITEMS, N_RESAMPLES = 4, 2000, 1000


def seconds(n_groups: int) -> float:
    rng = np.random.default_rng(0)
    target = rng.choice(["a", "b", "c"], N_ITEMS)
    predicted = np.where(rng.random(N_ITEMS) < 0.9, target, "a")
    groups = rng.integers(0, n_groups, N_ITEMS)
    start = perf_counter()
    for seed in range(N_MODELS):
        bootstrap_intervals(
            target, predicted, groups, ["a", "b", "c"], seed=seed, n_resamples=N_RESAMPLES
        )
    return perf_counter() - start


if __name__ == "__main__":
    print(f"{N_MODELS} models, {N_ITEMS} items, {N_RESAMPLES} resamples")
    for n_groups in (1, 50, N_ITEMS):
        print(f"{n_groups:5d} groups: {seconds(n_groups):.2f} s")
