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

import argparse
from typing import Any

from record import markdown_table, record
from seed_runs import (
    SeedRun,
    command_of,
    mean_and_spread,
    recordings_of,
    revisions_of,
    seed_run,
    title_of,
)


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


def control_row(runs: list[SeedRun]) -> dict[str, Any]:
    """The best of the shortcuts that never hear the sound."""
    name = runs[0].metrics["best_control"]
    mean, spread = mean_and_spread(
        [run.metrics["controls"][name]["mean_balanced_accuracy"] for run in runs]
    )
    row = {"control": name, "mean": mean, "spread": spread}
    return {key: value for key, value in row.items() if value is not None}


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--env", default="base", help="of `kedro run`")
    options.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    options.add_argument("--again", action="store_true", help="run even what is stored")
    options.add_argument("--params", nargs="+", default=[], metavar="KEY=VALUE")
    return options


def main() -> None:
    """Print and record the scores of one protocol."""
    options = parser().parse_args()
    runs = [
        seed_run(options.env, options.params, seed, again=options.again) for seed in options.seeds
    ]
    metrics = runs[0].metrics
    rows = [model_row(runs, name) for name in metrics["models"]] + [control_row(runs)]
    print(markdown_table(rows))
    record(
        "scores",
        title_of(metrics),
        rows,
        command=command_of("fold_scores.py", options.env, options.params, options.seeds),
        recordings=recordings_of(metrics),
        seeds=options.seeds,
        revision=revisions_of(runs),
    )


if __name__ == "__main__":
    main()
