"""Balanced accuracy over all folds of a protocol, mean over seeds: docs/results/scores.json.

    python benchmarks/fold_scores.py --env fsdd --seeds 7 8 9
    python benchmarks/fold_scores.py --env fsdd --params protocol_name=digit_official --seeds 7 8 9

Runs `kedro run --pipelines=cross_validation` for each seed of which no run with the same parameters
is stored, or for all of them with `--again`. `--params` are those of `kedro run`.

`mean` is the mean over the folds, then over the seeds; `spread` is the standard deviation over the
seeds; `worst` is the worst fold of any seed. The hybrid's interval (95 %, groups and items drawn
anew) goes from the lowest to the highest bound of the seeds; its lead over its best member is the
mean over the seeds, and `p` has the p-value of each.
"""

from typing import Any

from record import markdown_table
from seed_runs import SeedRun, command_of, mean_and_spread, parser, record_runs, seed_run


def model_row(runs: list[SeedRun], name: str) -> dict[str, Any]:
    """Scores of one model."""
    scores = [run.metrics["models"][name] for run in runs if name in run.metrics["models"]]
    mean, spread = mean_and_spread([of["mean_balanced_accuracy"] for of in scores])
    worst = min(of["worst_fold"]["balanced_accuracy"] for of in scores)
    row = {"model": name, "mean": mean, "spread": spread, "worst": round(worst, 3)}
    row["folds"] = scores[0]["n_folds"]
    if name == "hybrid":
        row |= _interval_and_lead(runs)
    return {key: value for key, value in row.items() if value is not None}


def _interval_and_lead(runs: list[SeedRun]) -> dict[str, Any]:
    intervals = [run.metrics["models"]["hybrid"]["balanced_accuracy_ci95"] for run in runs]
    lows, highs = zip(*intervals, strict=True)
    found: dict[str, Any] = {"low": round(min(lows), 3), "high": round(max(highs), 3)}
    leads = [_lead(run.metrics) for run in runs]
    found["lead"] = mean_and_spread([lead["difference"] for lead in leads])[0]
    return found | {"p": [round(lead["p_bootstrap"], 3) for lead in leads]}


def _lead(metrics: dict[str, Any]) -> dict[str, Any]:
    """The comparison of the hybrid with its best member."""
    members = {name: of for name, of in metrics["models"].items() if name != "hybrid"}
    best = max(members, key=lambda name: members[name]["mean_balanced_accuracy"])
    pairs = {(pair["a"], pair["b"]): pair for pair in metrics["comparisons"]}
    return pairs["hybrid", best]


def control_row(runs: list[SeedRun], name: str) -> dict[str, Any]:
    """The mean of a shortcut or a simple baseline."""
    mean, spread = mean_and_spread(
        [run.metrics["controls"][name]["mean_balanced_accuracy"] for run in runs]
    )
    row = {"control": name, "mean": mean, "spread": spread}
    return {key: value for key, value in row.items() if value is not None}


def rows_of(runs: list[SeedRun]) -> list[dict[str, Any]]:
    """Scores of all models, then of the best shortcut and the best simple baseline."""
    metrics = runs[0].metrics
    return [
        *(model_row(runs, name) for name in metrics["models"]),
        *(control_row(runs, name) for name in metrics["best_controls"].values()),
    ]


def record_scores(env: str, params: list[str], seeds: list[int], *, again: bool = False) -> None:
    """Print and record the scores of one protocol."""
    runs = [seed_run(env, params, seed, again=again, measured=False) for seed in seeds]
    rows = rows_of(runs)
    print(markdown_table(rows))
    record_runs("scores", rows, runs, command_of("fold_scores.py", env, params, seeds), seeds)


if __name__ == "__main__":
    options = parser(__doc__).parse_args()
    record_scores(options.env, options.params, options.seeds, again=options.again)
